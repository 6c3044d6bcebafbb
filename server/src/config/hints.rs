//! MCP's behaviour hints: what a method says of itself, and what the config says instead.

use http::Method;

use super::node::{Fields, Keys, Reader};
use crate::model::tool::Hints;

const HINTS: Keys = Keys {
    what: "hints",
    read: &["readOnly", "destructive", "idempotent", "openWorld"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};

/// What is assumed of a command: the worst, as MCP does.
pub(super) const COMMAND: Hints =
    Hints { read_only: false, destructive: true, idempotent: false, open_world: true };

/// What an HTTP method says of itself (RFC 9110, 9.2).
pub(super) fn of_method(method: &Method) -> Hints {
    let (read_only, destructive, idempotent) = match *method {
        Method::GET => (true, false, true),
        Method::PUT => (false, false, true),
        Method::DELETE => (false, true, false),
        _ => (false, false, false),
    };
    Hints { read_only, destructive, idempotent, open_world: true }
}

/// The hints of a tool: the config's where it has them, else the usual ones.
pub(super) fn read(cx: &mut Reader<'_>, tool: &Fields<'_>, usual: Hints) -> Hints {
    let fields = tool.get("hints").and_then(|entry| cx.fields(entry.value, &HINTS));
    let Some(fields) = fields else { return usual };
    Hints {
        read_only: fields.boolean(cx, "readOnly").unwrap_or(usual.read_only),
        destructive: fields.boolean(cx, "destructive").unwrap_or(usual.destructive),
        idempotent: fields.boolean(cx, "idempotent").unwrap_or(usual.idempotent),
        open_world: fields.boolean(cx, "openWorld").unwrap_or(usual.open_world),
    }
}

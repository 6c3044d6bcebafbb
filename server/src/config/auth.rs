//! `auth` of a service to `model::endpoint::Auth`.

use http::HeaderValue;

use super::expand::lookup;
use super::node::{Fields, Keys, Reader, Spanned, Unset, did_you_mean};
use super::source::Span;
use crate::model::endpoint::Auth;
use crate::model::secret::Secret;

const AUTH: Keys = Keys {
    what: "an auth",
    read: &["type", "config"],
    not_yet: &[],
    tuning: &["tokenInvalidation"],
    idle: &[],
};
const NONE: Keys =
    Keys { what: "the config of auth `none`", read: &[], not_yet: &[], tuning: &[], idle: &[] };
const BEARER: Keys = Keys {
    what: "the config of auth `bearer`",
    read: &["token", "tokenEnvVar"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};
/// Types of the format that are still to come.
const NOT_YET: &[&str] =
    &["api_key", "basic", "oauth2_device", "oauth2_external", "session_jwt", "user_credentials"];

/// Reads a service's `auth`, which must be there: that no credentials are sent is said, not meant.
pub(super) fn read(cx: &mut Reader<'_>, service: &Fields<'_>) -> Option<Auth> {
    let Some(entry) = service.get("auth") else {
        let message = "the service has no `auth`";
        cx.error(service.span, message, "write `\"auth\": {\"type\": \"none\"}` if it needs none");
        return None;
    };
    let fields = cx.fields(entry.value, &AUTH)?;
    let kind = fields.required_text(cx, "type", Unset::Refuse)?;
    let config = fields.get("config");
    match kind.value.as_str() {
        "none" => {
            if let Some(config) = config {
                cx.fields(config.value, &NONE)?;
            }
            Some(Auth::None)
        }
        "bearer" => {
            let Some(config) = config else {
                fields.missing(cx, "config");
                return None;
            };
            let config = cx.fields(config.value, &BEARER)?;
            Some(Auth::Bearer(token(cx, &config)?))
        }
        other if NOT_YET.contains(&other) => {
            cx.not_yet(kind.span, &format!("auth type `{other}`"));
            None
        }
        other => {
            let known = [&["none", "bearer"], NOT_YET].concat();
            let help = did_you_mean(other, &known);
            let written = cx.written(kind.span);
            cx.error(kind.span, format!("`{written}` is no type of auth"), help);
            None
        }
    }
}

fn token(cx: &mut Reader<'_>, config: &Fields<'_>) -> Option<Secret> {
    let token = if config.get("token").is_some() {
        if let Some(other) = config.get("tokenEnvVar") {
            let message = "`tokenEnvVar` has no effect beside `token`";
            cx.warning(other.key_span, message, "remove one");
        }
        config.required_text(cx, "token", Unset::Refuse)?
    } else if config.get("tokenEnvVar").is_some() {
        let name = config.required_text(cx, "tokenEnvVar", Unset::Refuse)?;
        let value = variable(cx, &name.value, name.span)?;
        Spanned { value, span: name.span }
    } else {
        let message = "auth `bearer` has neither `token` nor `tokenEnvVar`";
        cx.error(config.span, message, "add `tokenEnvVar` with the name of a variable");
        return None;
    };
    let text = token.value.trim();
    if text.is_empty() || HeaderValue::from_str(text).is_err() {
        let message = "the token holds what a header cannot carry";
        cx.error(token.span, message, "a token is printable ASCII in one line");
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

fn variable(cx: &mut Reader<'_>, name: &str, span: Span) -> Option<String> {
    let value = lookup(name, cx.env);
    if value.is_none() {
        let message = format!("auth needs the environment variable {name}, which is not set");
        cx.error(span, message, format!("set {name}"));
    }
    value
}

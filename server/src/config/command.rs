//! One entry of `commands` to tools that ask the runner.

use std::sync::Arc;

use jsonc_parser::ast::Value as Ast;
use serde_json::Value;

use super::hints;
use super::load::{Found, tool_name};
use super::node::{Entry, Fields, Keys, Reader, Unset, did_you_mean, opening};
use super::param::{self, Placeless};
use super::source::Span;
use crate::model::command::{Command, CommandPlace, Control, Executable};
use crate::model::param::{ParamKind, Placed, Presence};
use crate::model::tool::{Action, Tool};

const GROUP: Keys = Keys {
    what: "a command group",
    read: &["name", "description", "commands"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};
const COMMAND: Keys = Keys {
    what: "a command",
    read: &["id", "name", "description", "parameters", "hints"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};
const PARAMETER: Keys = Keys {
    what: "a command's parameter",
    read: &[
        "name",
        "alias",
        "description",
        "type",
        "items",
        "required",
        "location",
        "default",
        "static",
        "examples",
        "validation",
        "prefix",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "enum",
        "format",
    ],
    not_yet: &[],
    tuning: &[],
    idle: &["transform", "transforms", "quoted", "fileNameParam"],
};
const LOCATIONS: &[&str] = &["argument", "arglist", "environment", "stdin", "control"];
const CONTROLS: &[(&str, Control)] = &[
    ("executable", Control::Executable),
    ("timeout", Control::Timeout),
    ("cwd", Control::Cwd),
    ("use_shell", Control::UseShell),
    ("shell_interpreter", Control::ShellInterpreter),
    ("capture_stdout", Control::CaptureStdout),
    ("capture_stderr", Control::CaptureStderr),
];
/// A control that is accepted and does nothing: the policy has the grace.
const KILL_GRACE: &str = "kill_grace_period";

/// Reads one group.
pub(super) fn read(cx: &mut Reader<'_>, entry: Entry<'_>) -> Vec<Found> {
    let Some(fields) = cx.fields(entry.value, &GROUP) else { return Vec::new() };
    // Neither is shown anywhere; they are read for what is wrong with them.
    fields.text(cx, "name", Unset::Warn);
    fields.text(cx, "description", Unset::Warn);
    let Some(commands) = fields.get("commands") else {
        fields.missing(cx, "commands");
        return Vec::new();
    };
    let Some(items) = cx.list(commands.value, &fields.name("commands")) else { return Vec::new() };
    if items.is_empty() {
        cx.warning(opening(commands.value), "a command group has no commands", "remove it");
    }
    items.iter().filter_map(|item| command(cx, item)).collect()
}

fn command(cx: &mut Reader<'_>, ast: &Ast<'_>) -> Option<Found> {
    let fields = cx.fields(ast, &COMMAND)?;
    let id = fields.required_text(cx, "id", Unset::Warn);
    let title = fields.text(cx, "name", Unset::Warn).filter(|name| !name.value.trim().is_empty());
    let description = fields.text(cx, "description", Unset::Warn);
    let hints = hints::read(cx, &fields, hints::COMMAND);
    let mut params = params(cx, &fields)?;
    let executable = executable(cx, &fields, &mut params)?;

    let id = id?;
    let name = tool_name(cx, &format!("command_{}", id.value), id.span)?;
    let title = title.map(|text| text.value);
    let words = description.map(|text| text.value).filter(|text| !text.trim().is_empty());
    let tool = Tool {
        name,
        description: words.or_else(|| title.clone()).unwrap_or_else(|| id.value.clone()),
        title,
        hints,
        action: Action::Command(Command { executable, params }),
    };
    Some(Found { tool, source: Arc::clone(&cx.source), at: id.span })
}

/// The parameters, or `None` if one of them is not right: what is missing then is not known.
fn params(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Placed<CommandPlace>>> {
    let items = param::list(cx, fields)?;
    let mut params: Vec<(Placed<CommandPlace>, Span)> = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        let Some(read) = param::read(cx, item, &PARAMETER) else {
            whole = false;
            continue;
        };
        if read.location.value == "control" && read.param.name == KILL_GRACE {
            continue;
        }
        let Some(place) = place(cx, &read) else {
            whole = false;
            continue;
        };
        let single = matches!(place, CommandPlace::Stdin | CommandPlace::Control(_));
        if single && params.iter().any(|(other, _)| other.place == place) {
            let message = "a command has this parameter already";
            cx.error(read.name_span, message, "remove one");
            whole = false;
        }
        params.push((Placed { param: read.param, place }, read.name_span));
    }
    param::check_exposed(cx, &params);
    whole.then(|| params.into_iter().map(|(placed, _)| placed).collect())
}

fn place(cx: &mut Reader<'_>, read: &Placeless<'_>) -> Option<CommandPlace> {
    let prefix = read.fields.text(cx, "prefix", Unset::Warn).filter(|text| !text.value.is_empty());
    let location = read.location.value.as_str();
    let is_flag = read.param.kind == ParamKind::Boolean;
    if let Some(prefix) = prefix.as_ref().filter(|_| location != "argument" || is_flag) {
        let why =
            if is_flag { "on a boolean, whose name is the flag" } else { "outside `argument`" };
        cx.warning(prefix.span, format!("`prefix` has no effect {why}"), "remove it");
    }
    let place = match location {
        "argument" => CommandPlace::Argument {
            prefix: prefix.filter(|_| !is_flag).map(|prefix| prefix.value),
        },
        "arglist" => CommandPlace::ArgList,
        "environment" => CommandPlace::Environment,
        "stdin" => CommandPlace::Stdin,
        "control" => CommandPlace::Control(control(cx, read)?),
        other => {
            let help = did_you_mean(other, LOCATIONS);
            let at = read.location.span;
            cx.error(at, format!("`{}` is no location of a command", cx.written(at)), help);
            return None;
        }
    };
    check_kind(cx, read, &place)?;
    Some(place)
}

fn control(cx: &mut Reader<'_>, read: &Placeless<'_>) -> Option<Control> {
    let name = read.param.name.as_str();
    let Some((_, control)) = CONTROLS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> =
            CONTROLS.iter().map(|(known, _)| *known).chain([KILL_GRACE]).collect();
        cx.error(read.name_span, format!("`{name}` is no control"), did_you_mean(name, &known));
        return None;
    };
    let value = match &read.param.presence {
        Presence::Default(value) | Presence::Fixed(value) => value.as_f64(),
        Presence::Optional | Presence::Required => None,
    };
    if *control == Control::Timeout && value.is_some_and(|seconds| seconds <= 0.0) {
        let message = "the timeout must be above 0: every run ends";
        cx.error(read.name_span, message, "give seconds; the policy's own limit holds as well");
        return None;
    }
    Some(*control)
}

fn check_kind(cx: &mut Reader<'_>, read: &Placeless<'_>, place: &CommandPlace) -> Option<()> {
    use ParamKind as Kind;
    let kind = &read.param.kind;
    let scalar = !matches!(kind, Kind::Array(_) | Kind::Object);
    let (fits, needs) = match place {
        CommandPlace::Argument { .. } => (scalar, "a scalar; an array goes in location `arglist`"),
        CommandPlace::ArgList => (matches!(kind, Kind::Array(_)), "type array"),
        CommandPlace::Environment => (scalar || *kind == Kind::Object, "a scalar or type object"),
        CommandPlace::Stdin => (*kind == Kind::String, "type string"),
        CommandPlace::Control(Control::Timeout) => {
            (matches!(kind, Kind::Integer | Kind::Number), "type integer or number")
        }
        CommandPlace::Control(
            Control::UseShell | Control::CaptureStdout | Control::CaptureStderr,
        ) => (*kind == Kind::Boolean, "type boolean"),
        CommandPlace::Control(Control::Cwd | Control::Executable | Control::ShellInterpreter) => {
            (*kind == Kind::String, "type string")
        }
    };
    if !fits {
        let (name, kind) = (&read.param.name, kind.as_str());
        let message = format!("`{name}` of location `{}` has type {kind}", read.location.value);
        cx.error(read.name_span, message, format!("it needs {needs}"));
        return None;
    }
    let name = &read.param.name;
    let is_variable = !name.is_empty() && !name.contains(['=', '\0']);
    if *place == CommandPlace::Environment && scalar && !is_variable {
        cx.error(read.name_span, format!("`{name}` is no name of a variable"), "");
        return None;
    }
    Some(())
}

/// What runs. A parameter that names it for good leaves the list: it is nothing to send.
fn executable(
    cx: &mut Reader<'_>,
    fields: &Fields<'_>,
    params: &mut Vec<Placed<CommandPlace>>,
) -> Option<Executable> {
    let of =
        |control| params.iter().position(|param| param.place == CommandPlace::Control(control));
    let Some(index) = of(Control::Executable) else {
        let switch = of(Control::UseShell).and_then(|index| params.get(index));
        if switch.is_none_or(|param| !may_be_true(&param.param.presence)) {
            let message = "a command has no `executable`";
            let help = "add a static parameter `executable` of location `control`";
            cx.error(fields.span, message, help);
            return None;
        }
        return Some(Executable::Named(String::new()));
    };
    let name = match &params.get(index)?.param.presence {
        Presence::Fixed(value) => value.as_str().unwrap_or_default().to_owned(),
        Presence::Default(value) => {
            let message = "clients cannot choose an `executable` that has a default";
            cx.warning(fields.span, message, "make it static, or remove the default");
            value.as_str().unwrap_or_default().to_owned()
        }
        Presence::Optional | Presence::Required => return Some(Executable::Param(index)),
    };
    params.remove(index);
    if name.trim().is_empty() {
        cx.error(fields.span, "a command's `executable` is empty", "name a rule of the policy");
        return None;
    }
    Some(Executable::Named(name))
}

/// Whether a command that needs `use_shell` can run at all.
fn may_be_true(use_shell: &Presence) -> bool {
    match use_shell {
        Presence::Default(value) | Presence::Fixed(value) => *value == Value::Bool(true),
        Presence::Optional => false,
        Presence::Required => true,
    }
}

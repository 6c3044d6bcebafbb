//! `parameters` to `model::param`: all that a parameter is, whichever place its value goes to.

use jsonc_parser::ast::Value as Ast;
use serde_json::Value;

use super::constraint::{self, coerce};
use super::node::{Fields, Keys, Reader, Spanned, Unset, did_you_mean, opening, span};
use super::source::Span;
use crate::limits;
use crate::model::name::MAX_TOOL_NAME;
use crate::model::param::{Constraints, ItemKind, Param, ParamKind, Placed, Presence};

const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object"];

/// A parameter before its value has a place.
#[derive(Debug)]
pub(super) struct Placeless<'a> {
    /// The parameter.
    pub param: Param,
    /// The place of its name.
    pub name_span: Span,
    /// What the config calls the place.
    pub location: Spanned<String>,
    /// The other keys.
    pub fields: Fields<'a>,
}

/// Reads one parameter.
pub(super) fn read<'a>(
    cx: &mut Reader<'_>,
    ast: &'a Ast<'a>,
    keys: &Keys,
) -> Option<Placeless<'a>> {
    let fields = cx.fields(ast, keys)?;
    let name = fields.required_text(cx, "name", Unset::Warn);
    let location = fields.required_text(cx, "location", Unset::Warn);
    let kind = kind(cx, &fields);
    let alias = fields.text(cx, "alias", Unset::Warn).filter(|alias| !alias.value.is_empty());
    let description = fields.text(cx, "description", Unset::Warn);
    let required = fields.boolean(cx, "required").unwrap_or_default();
    let fixed = fields.boolean(cx, "static").unwrap_or_default();
    let (name, location, kind) = (name?, location?, kind?);

    let exposed = exposed(cx, &name, alias);
    let constraints = constraint::read(cx, &fields, &kind);
    let default = fields.get("default");
    // No client could see what is missing in a static value, nor send it.
    let unset = if fixed { Unset::Refuse } else { Unset::Warn };
    let value = default.and_then(|entry| {
        let raw = cx.json(entry.value, &fields.name("default"), unset)?;
        own_value(cx, span(entry.value), raw, &fields.name("default"), &kind, &constraints)
    });
    let presence = match value {
        Some(value) if fixed => Presence::Fixed(value),
        Some(value) => Presence::Default(value),
        None if fixed => {
            if default.is_none() {
                let message = "a static parameter has no `default`, so it has no value";
                cx.error(name.span, message, "add `default`, or remove `static`");
            }
            return None;
        }
        None if required => Presence::Required,
        None => Presence::Optional,
    };
    let examples = examples(cx, &fields, &kind, &constraints);
    Some(Placeless {
        param: Param {
            name: name.value,
            exposed,
            description: description.map(|text| text.value).unwrap_or_default(),
            kind,
            presence,
            constraints,
            examples,
        },
        name_span: name.span,
        location,
        fields,
    })
}

/// The list of a tool's parameters, if there are not too many.
pub(super) fn list<'a>(cx: &mut Reader<'_>, tool: &Fields<'a>) -> Option<&'a [Ast<'a>]> {
    let Some(entry) = tool.get("parameters") else { return Some(&[]) };
    let items = cx.list(entry.value, &tool.name("parameters"))?;
    if items.len() > limits::TOOL_PARAMETERS {
        let message = format!("{} has {} parameters", tool.what, items.len());
        cx.error(
            opening(entry.value),
            message,
            format!("the limit is {}", limits::TOOL_PARAMETERS),
        );
        return None;
    }
    Some(items)
}

/// Reports parameters that clients could not tell apart.
pub(super) fn check_exposed<P>(cx: &mut Reader<'_>, params: &[(Placed<P>, Span)]) {
    let mut seen: Vec<(&str, Span)> = Vec::new();
    for (Placed { param, .. }, span) in params {
        if matches!(param.presence, Presence::Fixed(_)) {
            continue;
        }
        match seen.iter().find(|(name, _)| *name == param.exposed) {
            None => seen.push((&param.exposed, *span)),
            Some((name, first)) => {
                let line = cx.source.position(first.start).line;
                let message = format!("two parameters are shown to clients as `{name}`");
                cx.error(
                    *span,
                    message,
                    format!("the other is in line {line}; give one an `alias`"),
                );
            }
        }
    }
}

fn kind(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ParamKind> {
    let text = fields.required_text(cx, "type", Unset::Warn)?;
    let kind = match text.value.as_str() {
        "string" => ParamKind::String,
        "number" => ParamKind::Number,
        "integer" => ParamKind::Integer,
        "boolean" => ParamKind::Boolean,
        "array" => ParamKind::Array(items(cx, fields)?),
        "object" => ParamKind::Object,
        other => {
            let help = did_you_mean(other, TYPES);
            let help =
                if help.is_empty() { format!("known are {}", TYPES.join(", ")) } else { help };
            let written = cx.written(text.span);
            cx.error(text.span, format!("`{written}` is no type of a parameter"), help);
            return None;
        }
    };
    if let (Some(items), false) = (fields.get("items"), matches!(kind, ParamKind::Array(_))) {
        cx.warning(items.key_span, "`items` has no effect without type `array`", "remove it");
    }
    Some(kind)
}

fn items(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ItemKind> {
    let Some(entry) = fields.get("items") else { return Some(ItemKind::String) };
    let at = opening(entry.value);
    match cx.json(entry.value, &fields.name("items"), Unset::Warn)? {
        Value::String(text) => {
            let kind = item_kind(&text);
            if kind.is_none() && !text.is_empty() {
                let message = format!("`{}` is no type of an item", cx.written(span(entry.value)));
                let help = "use string, number, integer, boolean or object, or a JSON Schema";
                cx.error(span(entry.value), message, help);
                return None;
            }
            Some(kind.unwrap_or(ItemKind::String))
        }
        schema @ Value::Object(_) => {
            if let Err(error) = jsonschema::validator_for(&schema) {
                cx.error(at, format!("`items` is no JSON Schema: {error}"), "");
                return None;
            }
            let bare = schema.as_object().filter(|schema| schema.len() == 1);
            let kind = bare.and_then(|schema| item_kind(schema.get("type")?.as_str()?));
            Some(kind.unwrap_or(ItemKind::Schema(schema)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            cx.error(at, "`items` must be the name of a type or a JSON Schema", "");
            None
        }
    }
}

fn item_kind(text: &str) -> Option<ItemKind> {
    match text {
        "string" => Some(ItemKind::String),
        "number" => Some(ItemKind::Number),
        "integer" => Some(ItemKind::Integer),
        "boolean" => Some(ItemKind::Boolean),
        "object" => Some(ItemKind::Object),
        _ => None,
    }
}

/// The name that clients see. Model APIs take only these characters and this length.
fn exposed(cx: &mut Reader<'_>, name: &Spanned<String>, alias: Option<Spanned<String>>) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let stripped = |text: &str| -> String {
        let kept: String = text.chars().filter(|&c| fits(c)).take(MAX_TOOL_NAME).collect();
        if kept.is_empty() { "param".to_owned() } else { kept }
    };
    let Some(alias) = alias else { return stripped(&name.value) };
    let shown = stripped(&alias.value);
    if shown != alias.value {
        let message = "clients do not take this `alias`: 1 to 64 of letters, digits, `_`, `.`, `-`";
        cx.error(alias.span, message, format!("`{shown}` would do"));
    }
    alias.value
}

fn examples(
    cx: &mut Reader<'_>,
    fields: &Fields<'_>,
    kind: &ParamKind,
    constraints: &Constraints,
) -> Vec<Value> {
    let name = fields.name("examples");
    let Some(entry) = fields.get("examples") else { return Vec::new() };
    let Some(items) = cx.list(entry.value, &name) else { return Vec::new() };
    let mut out = Vec::with_capacity(items.len());
    for value in items {
        let raw = cx.json(value, &name, Unset::Warn);
        out.extend(raw.and_then(|raw| own_value(cx, span(value), raw, &name, kind, constraints)));
    }
    out
}

/// A value that the config gives for its own parameter.
fn own_value(
    cx: &mut Reader<'_>,
    at: Span,
    raw: Value,
    name: &str,
    kind: &ParamKind,
    constraints: &Constraints,
) -> Option<Value> {
    let wrote_text = raw.is_string();
    let Ok(value) = coerce(kind, raw) else {
        cx.error(at, format!("{name} is not of type {}", kind.as_str()), "");
        return None;
    };
    if *kind == ParamKind::String && !wrote_text {
        cx.warning(at, format!("{name} is taken as text, because the type is string"), "quote it");
    }
    if let Some(broken) = constraint::broken(constraints, &value) {
        // The constraint is for what the token becomes at a call.
        if constraint::has_time_token(&value) {
            cx.not_yet(at, &format!("a time token in {name}"));
            return None;
        }
        let help = "clients are told the constraint, and their calls are held against it";
        cx.error(at, format!("{name} {broken}"), help);
        return None;
    }
    Some(value)
}

//! What a parameter's value must satisfy: read from `validation` or, as its alias, from the
//! parameter itself, and held against the parameter's own default and examples.

use std::collections::BTreeSet;

use jsonc_parser::ast::Value as Ast;
use serde_json::{Number, Value};

use super::node::{Fields, Keys, Reader, Unset, span};
use super::source::Span;
use crate::limits;
use crate::model::param::{Constraints, ItemKind, ParamKind};
use crate::model::plain::whole;

/// The keys of `validation`, and their aliases on a parameter.
pub(super) const KEYS: &[&str] =
    &["pattern", "minLength", "maxLength", "minimum", "maximum", "enum", "format"];

const VALIDATION: Keys =
    Keys { what: "a validation", read: KEYS, not_yet: &[], tuning: &[], idle: &[] };

/// The constraints of a parameter.
pub(super) fn read(cx: &mut Reader<'_>, param: &Fields<'_>, kind: &ParamKind) -> Constraints {
    let validation = param.get("validation").and_then(|entry| cx.fields(entry.value, &VALIDATION));
    let find = |key: &str| {
        let inner =
            validation.as_ref().and_then(|fields| Some((fields.get(key)?, fields.name(key))));
        inner.or_else(|| Some((param.get(key)?, param.name(key))))
    };
    if let Some(inner) = &validation {
        for key in KEYS {
            if let (Some(_), Some(alias)) = (inner.get(key), param.get(key)) {
                let message = format!("`{key}` is in `validation` too; that one is used");
                cx.warning(alias.key_span, message, "remove one");
            }
        }
    }
    let mut out = Constraints::default();
    for key in KEYS {
        let Some((entry, name)) = find(key) else { continue };
        if !applies(key, kind) {
            let message = format!("`{key}` has no effect on a value of type {}", kind.as_str());
            cx.warning(entry.key_span, message, other_key(key, kind));
            continue;
        }
        match *key {
            "pattern" => out.pattern = pattern(cx, entry.value, &name),
            "minLength" => out.min_length = length(cx, entry.value, &name),
            "maxLength" => out.max_length = length(cx, entry.value, &name),
            "minimum" => out.minimum = cx.number(entry.value, &name),
            "maximum" => out.maximum = cx.number(entry.value, &name),
            "enum" => out.one_of = one_of(cx, entry.value, &name, kind),
            _ => out.format = cx.text(entry.value, &name, Unset::Warn).map(|text| text.value),
        }
    }
    let at = |key: &str| find(key).map_or(param.span, |(entry, _)| span(entry.value));
    let below = |low: &Number, high: &Number| low.as_f64() > high.as_f64();
    if let (Some(min), Some(max)) = (&out.minimum, &out.maximum)
        && below(min, max)
    {
        cx.error(at("minimum"), format!("`minimum` {min} is above `maximum` {max}"), "");
    }
    if let (Some(min), Some(max)) = (out.min_length, out.max_length)
        && min > max
    {
        cx.error(at("minLength"), format!("`minLength` {min} is above `maxLength` {max}"), "");
    }
    out
}

fn applies(key: &str, kind: &ParamKind) -> bool {
    match key {
        "pattern" | "minLength" | "maxLength" => *kind == ParamKind::String,
        "minimum" | "maximum" => matches!(kind, ParamKind::Integer | ParamKind::Number),
        _ => true,
    }
}

fn other_key(key: &str, kind: &ParamKind) -> &'static str {
    match (key, kind) {
        ("minLength", ParamKind::Integer | ParamKind::Number) => "did you mean `minimum`?",
        ("maxLength", ParamKind::Integer | ParamKind::Number) => "did you mean `maximum`?",
        ("minimum", ParamKind::String) => "did you mean `minLength`?",
        ("maximum", ParamKind::String) => "did you mean `maxLength`?",
        _ => "remove it",
    }
}

fn pattern(cx: &mut Reader<'_>, value: &Ast<'_>, name: &str) -> Option<String> {
    let text = cx.text(value, name, Unset::Warn)?;
    if text.value.is_empty() {
        return None;
    }
    match regex_syntax::Parser::new().parse(&text.value) {
        Err(error) => {
            let (reason, at) = match &error {
                regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
                regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
                _ => (error.to_string(), regex_syntax::ast::Span::splat(no_position())),
            };
            let message = format!("{name} is no regular expression: {reason}");
            let help = format!("see character {} of the pattern", at.start.column);
            cx.error(inside(cx, &text.value, text.span, at), message, help);
            return None;
        }
        Ok(_) => {
            if let Err(error) =
                regex::RegexBuilder::new(&text.value).size_limit(limits::PATTERN).build()
            {
                let message = format!("{name} cannot be compiled: {error}");
                cx.error(text.span, message, "make it simpler");
                return None;
            }
        }
    }
    Some(text.value)
}

fn no_position() -> regex_syntax::ast::Position {
    regex_syntax::ast::Position::new(0, 1, 1)
}

/// The place of a part of a string, if the string is written without escapes and references.
fn inside(cx: &Reader<'_>, text: &str, at: Span, part: regex_syntax::ast::Span) -> Span {
    let start = at.start + 1;
    if cx.source.text.get(start..start + text.len()) == Some(text) {
        let (from, to) = (start + part.start.offset, start + part.end.offset);
        Span { start: from, end: to.max(from + 1) }
    } else {
        at
    }
}

/// A length; 0 is none, as it always was.
fn length(cx: &mut Reader<'_>, value: &Ast<'_>, name: &str) -> Option<u64> {
    let number = cx.number(value, name)?;
    let length = number.as_u64();
    if length.is_none() {
        cx.error(span(value), format!("{name} must be a whole number, 0 or more"), "");
    }
    length.filter(|&length| length > 0)
}

fn one_of(cx: &mut Reader<'_>, value: &Ast<'_>, name: &str, kind: &ParamKind) -> Vec<Value> {
    let Some(items) = cx.list(value, name) else { return Vec::new() };
    let mut out = Vec::with_capacity(items.len());
    let mut seen = BTreeSet::new();
    for item in items {
        let Some(found) = cx.json(item, name, Unset::Warn) else { continue };
        match coerce(kind, found) {
            Ok(found) if !seen.insert(found.to_string()) => {
                cx.warning(span(item), format!("{name} has a value twice"), "remove one");
            }
            Ok(found) => out.push(found),
            Err(_) => {
                let message = format!("{name} holds what is not of type {}", kind.as_str());
                let help = if matches!(kind, ParamKind::Array(_)) {
                    "to limit the items, give `items` as a JSON Schema"
                } else {
                    ""
                };
                cx.error(span(item), message, help);
            }
        }
    }
    out
}

/// A value that is not of the type, also when read as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongType;

/// The value as the type has it. Text is read as the type, because what a `${VAR}` gives is text.
pub(super) fn coerce(kind: &ParamKind, value: Value) -> Result<Value, WrongType> {
    let value = match (kind, value) {
        (ParamKind::String, value @ (Value::Number(_) | Value::Bool(_))) => {
            Value::String(value.to_string())
        }
        (ParamKind::String, value) => value,
        (_, Value::String(text)) => serde_json::from_str(text.trim()).ok().ok_or(WrongType)?,
        (_, value) => value,
    };
    let fits = match kind {
        ParamKind::String => value.is_string(),
        ParamKind::Boolean => value.is_boolean(),
        ParamKind::Number => value.is_number(),
        ParamKind::Integer => return as_whole(&value).ok_or(WrongType),
        ParamKind::Object => value.is_object(),
        ParamKind::Array(items) => {
            value.as_array().is_some_and(|found| found.iter().all(|item| item_fits(items, item)))
        }
    };
    if fits { Ok(value) } else { Err(WrongType) }
}

fn item_fits(kind: &ItemKind, item: &Value) -> bool {
    match kind {
        ItemKind::String => item.is_string(),
        ItemKind::Number => item.is_number(),
        ItemKind::Integer => as_whole(item).is_some(),
        ItemKind::Boolean => item.is_boolean(),
        ItemKind::Object => item.is_object(),
        ItemKind::Schema(schema) => {
            jsonschema::validator_for(schema).is_ok_and(|schema| schema.is_valid(item))
        }
    }
}

fn as_whole(value: &Value) -> Option<Value> {
    value.as_number().and_then(whole).map(Value::Number)
}

/// Whether a value holds what the original makes a time of at each call, like `#DAYS-7`.
pub(super) fn has_time_token(value: &Value) -> bool {
    let is_offset = |after: &str| {
        let digits = after.strip_prefix(['+', '-']);
        digits.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
    };
    let text = value.as_str().unwrap_or_default();
    let has = |token: &str| text.split(token).skip(1).any(is_offset);
    ["#DAYS", "#HOURS", "#MINS"].into_iter().any(has)
}

/// What a value of the right type breaks, in words.
pub(super) fn broken(constraints: &Constraints, value: &Value) -> Option<String> {
    if !constraints.one_of.is_empty() && !constraints.one_of.contains(value) {
        return Some("is not in `enum`".to_owned());
    }
    if let Some(text) = value.as_str() {
        let n_chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if let Some(min) = constraints.min_length.filter(|&min| n_chars < min) {
            return Some(format!("is shorter than `minLength` {min}"));
        }
        if let Some(max) = constraints.max_length.filter(|&max| n_chars > max) {
            return Some(format!("is longer than `maxLength` {max}"));
        }
        let pattern = constraints.pattern.as_deref().and_then(|text| regex::Regex::new(text).ok());
        if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            return Some("does not match `pattern`".to_owned());
        }
    }
    if let Some(number) = value.as_f64() {
        let limit = |limit: &Option<Number>| limit.as_ref().and_then(Number::as_f64);
        if let Some(min) = limit(&constraints.minimum).filter(|&min| number < min) {
            return Some(format!("is below `minimum` {min}"));
        }
        if let Some(max) = limit(&constraints.maximum).filter(|&max| number > max) {
            return Some(format!("is above `maximum` {max}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_read_as_the_type() {
        let strings = ParamKind::Array(ItemKind::String);
        for (kind, value, want) in [
            (&ParamKind::Integer, json!("10"), json!(10)),
            (&ParamKind::Integer, json!(10.0), json!(10)),
            (&ParamKind::Number, json!("1.5"), json!(1.5)),
            (&ParamKind::Boolean, json!("true"), json!(true)),
            (&ParamKind::String, json!(4), json!("4")),
            (&strings, json!("[\"a\"]"), json!(["a"])),
            (&ParamKind::Object, json!("{\"a\":1}"), json!({"a": 1})),
        ] {
            assert_eq!(coerce(kind, value), Ok(want));
        }
    }

    #[test]
    fn what_is_not_of_the_type_is_refused() {
        let strings = ParamKind::Array(ItemKind::String);
        let small = ParamKind::Array(ItemKind::Schema(json!({"type": "integer", "maximum": 3})));
        for (kind, value) in [
            (&ParamKind::Integer, json!(1.5)),
            (&ParamKind::Integer, json!("x")),
            (&ParamKind::Boolean, json!(1)),
            (&ParamKind::String, json!(["a"])),
            (&ParamKind::Object, json!([])),
            (&strings, json!([1])),
            (&small, json!([4])),
        ] {
            assert_eq!(coerce(kind, value), Err(WrongType));
        }
    }

    #[test]
    fn a_broken_constraint_is_named() {
        let constraints = Constraints {
            pattern: Some("^[a-z]+$".to_owned()),
            min_length: Some(2),
            max_length: Some(3),
            minimum: Some(1.into()),
            maximum: Some(5.into()),
            ..Constraints::default()
        };
        for (value, want) in [
            (json!("a"), Some("is shorter than `minLength` 2")),
            (json!("abcd"), Some("is longer than `maxLength` 3")),
            (json!("a1"), Some("does not match `pattern`")),
            (json!("ab"), None),
            (json!(0), Some("is below `minimum` 1")),
            (json!(6), Some("is above `maximum` 5")),
            (json!(5), None),
        ] {
            assert_eq!(broken(&constraints, &value).as_deref(), want);
        }
        let listed = Constraints { one_of: vec![json!("a")], ..Constraints::default() };
        assert_eq!(broken(&listed, &json!("b")).as_deref(), Some("is not in `enum`"));
    }
}

//! What models send, as what the schema asks for: a number in quotes is a number, a list that was
//! serialised twice is a list. What does not clearly mean the right kind stays as it came, and the
//! validator names it.

use serde_json::{Number, Value};

use crate::model::param::{ItemKind, ParamKind};
use crate::model::plain::whole;

/// `value` as `kind`, where it clearly means one.
pub fn coerce(value: Value, kind: &ParamKind) -> Value {
    match kind {
        ParamKind::Array(item) => {
            let mut value = parsed(value, Value::is_array);
            for item_value in value.as_array_mut().into_iter().flatten() {
                *item_value = coerce_item(item_value.take(), item);
            }
            value
        }
        ParamKind::Boolean => boolean(value),
        ParamKind::Integer => integer(value),
        ParamKind::Number => number(value),
        ParamKind::Object => parsed(value, Value::is_object),
        ParamKind::String => value,
    }
}

fn coerce_item(value: Value, item: &ItemKind) -> Value {
    match item {
        ItemKind::Boolean => boolean(value),
        ItemKind::Integer => integer(value),
        ItemKind::Number => number(value),
        ItemKind::Object => parsed(value, Value::is_object),
        ItemKind::Schema(_) | ItemKind::String => value,
    }
}

fn parsed(value: Value, wanted: fn(&Value) -> bool) -> Value {
    let inner = value.as_str().and_then(|text| serde_json::from_str(text).ok()).filter(wanted);
    inner.unwrap_or(value)
}

fn boolean(value: Value) -> Value {
    match value.as_str().map(str::trim) {
        Some(text) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ => value,
    }
}

fn number(value: Value) -> Value {
    let text = value.as_str().map(str::trim);
    let number = text.and_then(|text| serde_json::from_str::<Number>(text).ok());
    number.map_or(value, Value::Number)
}

fn integer(value: Value) -> Value {
    let value = number(value);
    value.as_number().and_then(whole).map_or(value, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_clearly_means_the_kind_becomes_it_and_the_rest_stays() {
        use ParamKind::{Array, Boolean, Integer, Number, Object, String};
        let numbers = Array(ItemKind::Integer);
        for (kind, came, becomes) in [
            (&Number, json!("12"), json!(12)),
            (&Number, json!(" -1.5e3 "), json!(-1500.0)),
            (&Number, json!("123456789"), json!(123_456_789)),
            (&Number, json!("1e21"), json!(1e21)),
            (&Number, json!("1e999"), json!("1e999")),
            (&Number, json!("NaN"), json!("NaN")),
            (&Number, json!("0x10"), json!("0x10")),
            (&Number, json!("12 apples"), json!("12 apples")),
            (&Number, json!(""), json!("")),
            (&Number, json!(true), json!(true)),
            (&Integer, json!("7"), json!(7)),
            (&Integer, json!("7.0"), json!(7)),
            (&Integer, json!(7.0), json!(7)),
            (&Integer, json!("7.5"), json!(7.5)),
            (&Integer, json!(1e21), json!(1e21)),
            (&Boolean, json!("true"), json!(true)),
            (&Boolean, json!("False"), json!(false)),
            (&Boolean, json!(" true "), json!(true)),
            (&Boolean, json!("yes"), json!("yes")),
            (&Boolean, json!(1), json!(1)),
            (&numbers, json!("[1, \"2\"]"), json!([1, 2])),
            (&numbers, json!(["3", 4.0]), json!([3, 4])),
            (&numbers, json!("{}"), json!("{}")),
            (&numbers, json!("1,2"), json!("1,2")),
            (&Object, json!("{\"a\": 1}"), json!({"a": 1})),
            (&Object, json!("[1]"), json!("[1]")),
            (&Object, json!("{"), json!("{")),
            (&String, json!(5), json!(5)),
            (&String, json!("5"), json!("5")),
        ] {
            assert_eq!(coerce(came.clone(), kind), becomes, "{came} as {kind:?}");
        }
    }

    #[test]
    fn a_text_that_nests_too_deep_stays_text() {
        let deep = Value::from("[".repeat(100_000));
        assert_eq!(coerce(deep.clone(), &ParamKind::Array(ItemKind::String)), deep);
    }
}

//! A JSON value as the text that a URL, a header or a command line carries.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// `value` as text: a string as it is, a number without exponent, `true` or `false`, nothing for
/// null, and JSON for what has parts.
pub fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Number(number) => Cow::Owned(digits(number)),
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

/// The number in digits: `1e21` is 1 and 21 zeros, `5.0` is 5.
pub fn digits(number: &Number) -> String {
    match number.as_f64() {
        // Display of a float never uses an exponent; JSON's own spelling does.
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

/// The number as a whole one: `10.0` is 10 (JSON Schema validation, 6.1.1).
pub fn whole(number: &Number) -> Option<Number> {
    if number.is_f64() {
        return digits(number).parse::<i64>().ok().map(Number::from);
    }
    Some(number.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_never_has_an_exponent() {
        for (number, text) in [
            (json!(123_456_789), "123456789"),
            (json!(123_456_789.0), "123456789"),
            (json!(1e21), "1000000000000000000000"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(-0.000_000_1), "-0.0000001"),
            (json!(2.5), "2.5"),
        ] {
            assert_eq!(plain(&number), text);
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        for (number, expected) in [
            (json!(10.0), Some(json!(10))),
            (json!(-3.0), Some(json!(-3))),
            (json!(u64::MAX), Some(json!(u64::MAX))),
            (json!(7.5), None),
            (json!(1e21), None),
        ] {
            let found = number.as_number().and_then(whole).map(Value::Number);
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn what_has_parts_is_json_and_null_is_nothing() {
        assert_eq!(plain(&json!({"a": [1, "b"]})), r#"{"a":[1,"b"]}"#);
        assert_eq!(plain(&json!(null)), "");
        assert_eq!(plain(&json!("a b")), "a b");
        assert_eq!(plain(&json!(true)), "true");
    }
}

//! One parameter of a tool: what a client may send, and what stands in when it sends nothing.

use std::fmt;

use serde_json::Value;

/// A parameter with the place that its value goes to (an HTTP request's or a command's).
#[derive(Debug, Clone)]
pub struct Placed<P> {
    /// The parameter.
    pub param: Param,
    /// Where its value goes.
    pub place: P,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// The name that the upstream or the command knows it by.
    pub name: String,
    /// The name that clients see: the config's alias, or `name` made fit for clients.
    pub exposed: String,
    /// For the model to read.
    pub description: String,
    /// What kind of value.
    pub kind: ParamKind,
    /// What happens when the client sends none.
    pub presence: Presence,
    /// What the value must satisfy beyond its kind.
    pub constraints: Constraints,
    /// Values to show as examples.
    pub examples: Vec<Value>,
}

/// The JSON type of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamKind {
    /// A list of one kind of item.
    Array(ItemKind),
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A JSON object.
    Object,
    /// Text.
    String,
}

impl ParamKind {
    /// The type's name in JSON Schema and in a config.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Array(_) => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
        }
    }
}

/// The items of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// Text.
    String,
    /// Numbers.
    Number,
    /// Whole numbers.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// JSON objects.
    Object,
    /// As a JSON Schema of the config's own says.
    Schema(Value),
}

/// What happens when the client sends no value. `Debug` shows no fixed value: many a one is a key
/// of an API. A default is in what every client is told.
#[derive(Clone, PartialEq)]
pub enum Presence {
    /// This value is used.
    Default(Value),
    /// This value is used always; the parameter is not shown and cannot be sent.
    Fixed(Value),
    /// It is left out.
    Optional,
    /// The call is refused.
    Required,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(value) => write!(f, "Default({value})"),
            Self::Fixed(_) => f.write_str("Fixed([redacted])"),
            Self::Optional => f.write_str("Optional"),
            Self::Required => f.write_str("Required"),
        }
    }
}

/// JSON Schema keywords (2020-12) beside `type`; `None` is no constraint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraints {
    /// `pattern`: a regular expression that is searched for, as JSON Schema does.
    pub pattern: Option<String>,
    /// `minLength`, characters.
    pub min_length: Option<u64>,
    /// `maxLength`, characters.
    pub max_length: Option<u64>,
    /// `minimum`.
    pub minimum: Option<serde_json::Number>,
    /// `maximum`.
    pub maximum: Option<serde_json::Number>,
    /// `enum`; empty is no constraint.
    pub one_of: Vec<Value>,
    /// `format`.
    pub format: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_output_has_no_fixed_value() {
        let deep = json!({"headers": ["hunter2", {"key": "hunter2"}]});
        for value in [json!("hunter2"), deep] {
            assert_eq!(format!("{:?}", Presence::Fixed(value.clone())), "Fixed([redacted])");
            assert_eq!(
                format!("{:#?}", Some(Presence::Fixed(value))).matches("hunter2").count(),
                0
            );
        }
        assert_eq!(format!("{:?}", Presence::Default(json!("a"))), "Default(\"a\")");
    }
}

//! The JSON Schemas (2020-12) that clients see: a tool's parameters as `inputSchema`, and the
//! `outputSchema` that every command tool shares.

use serde_json::{Map, Value, json};

use crate::model::param::{ItemKind, Param, ParamKind, Presence};
use crate::model::tool::Tool;

/// The object schema of what a client may send. Fixed parameters are not in it.
pub fn input(tool: &Tool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in tool.params() {
        if matches!(param.presence, Presence::Fixed(_)) {
            continue;
        }
        if param.presence == Presence::Required {
            required.push(Value::from(param.exposed.as_str()));
        }
        properties.insert(param.exposed.clone(), property(param));
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), Value::Array(required));
    }
    schema.insert("additionalProperties".into(), Value::Bool(false));
    Value::Object(schema)
}

fn property(param: &Param) -> Value {
    let mut schema = Map::new();
    schema.insert("type".into(), param.kind.as_str().into());
    if !param.description.is_empty() {
        schema.insert("description".into(), param.description.as_str().into());
    }
    if let ParamKind::Array(item) = &param.kind {
        schema.insert("items".into(), items(item));
    }
    let rules = &param.constraints;
    let keywords = [
        ("pattern", rules.pattern.as_deref().map(Value::from)),
        ("minLength", rules.min_length.map(Value::from)),
        ("maxLength", rules.max_length.map(Value::from)),
        ("minimum", rules.minimum.clone().map(Value::Number)),
        ("maximum", rules.maximum.clone().map(Value::Number)),
        ("enum", (!rules.one_of.is_empty()).then(|| Value::Array(rules.one_of.clone()))),
        ("format", rules.format.as_deref().map(Value::from)),
        ("default", default(&param.presence)),
        ("examples", (!param.examples.is_empty()).then(|| Value::Array(param.examples.clone()))),
    ];
    for (keyword, value) in keywords {
        if let Some(value) = value {
            schema.insert(keyword.into(), value);
        }
    }
    Value::Object(schema)
}

fn items(item: &ItemKind) -> Value {
    match item {
        ItemKind::Boolean => json!({"type": "boolean"}),
        ItemKind::Integer => json!({"type": "integer"}),
        ItemKind::Number => json!({"type": "number"}),
        ItemKind::Object => json!({"type": "object"}),
        ItemKind::Schema(schema) => schema.clone(),
        ItemKind::String => json!({"type": "string"}),
    }
}

fn default(presence: &Presence) -> Option<Value> {
    match presence {
        Presence::Default(value) => Some(value.clone()),
        Presence::Fixed(_) | Presence::Optional | Presence::Required => None,
    }
}

/// What a command tool's structured content looks like. Only what every outcome has, a refusal
/// included, is required: clients check it and drop a result that does not fit. It says little,
/// because every command tool repeats it in the list.
pub fn command_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "rule": {
                "type": ["string", "null"],
                "description": "The policy rule that allowed or refused the run."
            },
            "exit_code": {
                "type": ["integer", "null"],
                "description": "Null when a signal ended the command or its end is not known."
            },
            "signal": {
                "type": ["integer", "null"],
                "description": "The signal that ended the command."
            },
            "timed_out": {"type": "boolean"},
            "cancelled": {"type": "boolean"},
            "truncated": {"type": "boolean", "description": "Some output is not shown."},
            "error": {
                "type": "string",
                "description": "Why the command did not run or its end is not known, as one word."
            },
            "stdout": {"type": "string"},
            "stderr": {"type": "string"},
            "stdout_bytes": {"type": "integer"},
            "stderr_bytes": {"type": "integer"},
            "duration_ms": {"type": "integer"},
            "cpu_ms": {"type": "integer"},
            "max_rss_kib": {"type": "integer"}
        },
        "required": ["rule", "exit_code", "signal", "timed_out", "cancelled", "truncated"]
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Number;

    use super::*;
    use crate::catalog::fixture::{api_tool, param};
    use crate::model::endpoint::ApiPlace;
    use crate::model::param::Constraints;

    #[test]
    fn a_schema_says_all_that_is_checked_and_hides_what_is_fixed() {
        let mut title = param("$title", ParamKind::String, Presence::Required);
        title.exposed = "title".into();
        title.description = "What it is called.".into();
        title.constraints = Constraints {
            pattern: Some("^[a-z]+$".into()),
            min_length: Some(1),
            max_length: Some(9),
            format: Some("hostname".into()),
            ..Constraints::default()
        };
        title.examples = vec!["abc".into()];
        let mut count = param("count", ParamKind::Integer, Presence::Default(json!(10)));
        count.constraints.minimum = Some(Number::from(1));
        count.constraints.maximum = Number::from_f64(99.5);
        let mut mode = param("mode", ParamKind::String, Presence::Optional);
        mode.constraints.one_of = vec!["a".into(), "b".into()];
        let names = param("names", ParamKind::Array(ItemKind::String), Presence::Optional);
        let deep = ItemKind::Schema(json!({"type": "object", "required": ["x"]}));
        let deep = param("deep", ParamKind::Array(deep), Presence::Optional);
        let key = param("key", ParamKind::String, Presence::Fixed("hidden".into()));
        let places = [title, count, mode, names, deep, key]
            .into_iter()
            .map(|param| (param, ApiPlace::Query("q".into())));

        assert_eq!(
            input(&api_tool("golden", places)),
            json!({
                "type": "object",
                "properties": {
                    "title": {
                        "type": "string", "description": "What it is called.",
                        "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 9,
                        "format": "hostname", "examples": ["abc"]
                    },
                    "count": {"type": "integer", "minimum": 1, "maximum": 99.5, "default": 10},
                    "mode": {"type": "string", "enum": ["a", "b"]},
                    "names": {"type": "array", "items": {"type": "string"}},
                    "deep": {"type": "array", "items": {"type": "object", "required": ["x"]}}
                },
                "required": ["title"],
                "additionalProperties": false
            })
        );
    }

    #[test]
    fn a_tool_without_parameters_takes_an_empty_object() {
        assert_eq!(
            input(&api_tool("none", [])),
            json!({"type": "object", "properties": {}, "additionalProperties": false})
        );
    }

    #[test]
    fn the_output_schema_compiles() {
        assert!(jsonschema::draft202012::new(&command_output()).is_ok());
    }
}

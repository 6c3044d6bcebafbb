//! Arguments that were checked. [`ValidArgs`] has no other maker, so nothing runs on anything else:
//! names are known, nothing fixed was sent, the schema holds, defaults and fixed values are in.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Map, Value};

use super::coerce::coerce;
use crate::catalog::Entry;
use crate::model::nearest::nearest;
use crate::model::param::{Param, Presence};

/// Most problems that one refusal lists; what is wrong beyond them is not looked for.
const MAX_PROBLEMS: usize = 20;
/// Values in the arguments up to which all violations of the schema are collected. The validator
/// collects without a bound, so a larger text gets its first violation only.
const MAX_COLLECTED: usize = 10_000;
/// Longest piece of the client's own text that a refusal repeats, characters.
const MAX_QUOTE: usize = 64;
/// Longest description of one problem, characters: an enum may be long.
const MAX_PROBLEM: usize = 1024;

/// Checked values, one for each parameter of the tool. `Debug` shows none: fixed ones may be
/// secrets.
#[derive(Clone, PartialEq)]
pub struct ValidArgs {
    values: Vec<Option<Value>>,
}

impl ValidArgs {
    /// Checks what a client sent for the tool of `entry`, and completes it.
    pub fn check(entry: &Entry, arguments: Map<String, Value>) -> Result<Self, ArgsError> {
        let params: Vec<&Param> = entry.tool.params().collect();
        let mut problems = Vec::new();
        let mut sent = Map::new();
        for (name, value) in arguments {
            match recognise(&params, &name) {
                // Models send null for what they leave out.
                Ok(_) if value.is_null() => {}
                Ok(param) => {
                    let value = coerce(value, &param.kind);
                    if sent.insert(param.exposed.clone(), value).is_some() {
                        problems.push(both_names(param));
                    }
                }
                Err(problem) => problems.push(problem),
            }
            if problems.len() > MAX_PROBLEMS {
                return Err(ArgsError { problems });
            }
        }
        let mut sent = Value::Object(sent);
        problems.extend(violations(entry, &sent));
        if !problems.is_empty() {
            return Err(ArgsError { problems });
        }
        let values = params.iter().map(|param| complete(param, &mut sent)).collect();
        Ok(Self { values })
    }

    /// The value of the tool's parameter `index`; `None` when there is none.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)?.as_ref()
    }
}

impl fmt::Debug for ValidArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.values.iter().flatten().count();
        write!(f, "{sent} values for {} parameters", self.values.len())
    }
}

/// The arguments of a call are wrong; the text lists all that is, up to a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgsError {
    /// The problems, each in one line.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The argument, and the place inside it: `filter/tags/0`.
    pub at: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl std::error::Error for ArgsError {}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the arguments are not valid; correct them and call again:")?;
        for problem in self.problems.iter().take(MAX_PROBLEMS) {
            write!(f, "\n- `{}` {}", problem.at, problem.what)?;
        }
        if self.problems.len() > MAX_PROBLEMS { f.write_str("\n- and more") } else { Ok(()) }
    }
}

/// The parameter that a client means by `name`: what it is shown as, or its original name.
fn recognise<'a>(params: &[&'a Param], name: &str) -> Result<&'a Param, Problem> {
    let is_fixed = |param: &&&Param| matches!(param.presence, Presence::Fixed(_));
    let shown = || params.iter().filter(|param| !is_fixed(param));
    let exact =
        shown().find(|p| p.exposed == name).or_else(|| shown().find(|p| p.name == name)).copied();
    if let Some(param) = exact {
        return Ok(param);
    }
    let same = |own: &str| own.eq_ignore_ascii_case(name);
    let at = quote(name);
    if params.iter().filter(is_fixed).any(|p| same(&p.exposed) || same(&p.name)) {
        return Err(Problem { at, what: "is set by the server and cannot be sent".into() });
    }
    let names = || shown().map(|param| param.exposed.as_str());
    let hint = nearest(name, names())
        .map(|meant| format!("; did you mean `{meant}`?"))
        .unwrap_or_default();
    let list = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "none".to_owned() } else { list };
    let what = format!("is not a parameter of this tool{hint}; it takes {list}");
    Err(Problem { at, what: clip(&what, MAX_PROBLEM) })
}

fn both_names(param: &Param) -> Problem {
    Problem {
        at: param.exposed.clone(),
        what: format!("was sent twice, also as `{}`; send it once", param.name),
    }
}

fn violations(entry: &Entry, sent: &Value) -> Vec<Problem> {
    let mut left = MAX_COLLECTED;
    if within(sent, &mut left) {
        let all = entry.validator.iter_errors(sent);
        return all.take(MAX_PROBLEMS + 1).map(|error| violation(&error)).collect();
    }
    entry.validator.validate(sent).err().iter().map(violation).collect()
}

/// Whether `value` has no more values in it than `left`.
fn within(value: &Value, left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    *left > 0
        && match value {
            Value::Array(items) => items.iter().all(|item| within(item, left)),
            Value::Object(map) => map.values().all(|item| within(item, left)),
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => true,
        }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Problem {
    let at = error.instance_path().to_string();
    let at = at.trim_start_matches('/');
    let kind = error.kind();
    if let ValidationErrorKind::Required { property } = kind {
        let name = property.as_str().unwrap_or_default();
        let at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
        return Problem { at, what: "is required and was not sent".into() };
    }
    let what = if let ValidationErrorKind::Enum { options } = kind {
        format!("must be one of {options}")
    } else if let ValidationErrorKind::Pattern { pattern } = kind {
        format!("must match the regular expression {pattern}")
    } else if let ValidationErrorKind::Minimum { limit } = kind {
        format!("must be at least {limit}")
    } else if let ValidationErrorKind::Maximum { limit } = kind {
        format!("must be at most {limit}")
    } else if let ValidationErrorKind::Format { format } = kind {
        format!("must be a valid {format}")
    } else if let ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } = kind {
        format!("must be of type {wanted}, not {}", type_name(error.instance()))
    } else {
        // Never the value itself: it may be a secret, and it may be long.
        format!("is not valid: {}", error.masked_with("the value"))
    };
    Problem { at: clip(at, MAX_PROBLEM), what: clip(&what, MAX_PROBLEM) }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

fn complete(param: &Param, sent: &mut Value) -> Option<Value> {
    let standing = match &param.presence {
        Presence::Fixed(value) => return Some(value.clone()).filter(|value| !value.is_null()),
        Presence::Default(value) => Some(value),
        Presence::Optional | Presence::Required => None,
    };
    let own = sent.as_object_mut().and_then(|map| map.remove(&param.exposed));
    own.or_else(|| standing.cloned()).filter(|value| !value.is_null())
}

/// The client's own text, made fit to be repeated.
fn quote(text: &str) -> String {
    clip(text, MAX_QUOTE).escape_debug().to_string()
}

fn clip(text: &str, max: usize) -> String {
    let mut chars = text.chars();
    let mut clipped: String = chars.by_ref().take(max).collect();
    if chars.next().is_some() {
        clipped.push_str("...");
    }
    clipped
}

#[cfg(test)]
mod tests;

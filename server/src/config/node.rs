//! A typed reader over a parsed file: every value has its span, every surprise becomes a
//! diagnostic. Keys are matched as Go's `encoding/json` did: without case, and the last of two wins.

use std::sync::Arc;

use jsonc_parser::ast::{ObjectPropName, Value as Ast};
use jsonc_parser::common::Ranged;
use serde_json::{Map, Number, Value};

use super::diagnostic::{Diagnostic, Report, Severity};
use super::expand;
use super::last_wins::LastWins;
use super::source::{Source, Span};
use crate::model::nearest::nearest;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    /// The value.
    pub(super) value: T,
    /// Its place.
    pub(super) span: Span,
}

/// The keys of one kind of object.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the object is called in a diagnostic, `an endpoint`.
    pub(super) what: &'static str,
    /// Keys that are read.
    pub(super) read: &'static [&'static str],
    /// Keys that change what a call does and are not supported: an error.
    pub(super) not_yet: &'static [&'static str],
    /// Keys that only tune and are not supported: a warning.
    pub(super) tuning: &'static [&'static str],
    /// Keys of the format that do nothing here: a warning.
    pub(super) idle: &'static [&'static str],
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The key as it was written.
    pub(super) key: &'a str,
    /// The key's place.
    pub(super) key_span: Span,
    /// The value.
    pub(super) value: &'a Ast<'a>,
}

/// An object whose keys were checked.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// What the object is called, `an endpoint`.
    pub(super) what: &'static str,
    /// The object's opening brace.
    pub(super) span: Span,
    entries: Vec<Entry<'a>>,
}

/// How bad an unset variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// The value is of no use without it: credentials, URLs, what a call sends unseen.
    Refuse,
    /// The reference stays as it was written.
    Warn,
}

/// Reads one file.
pub(super) struct Reader<'e> {
    /// The file.
    pub(super) source: Arc<Source>,
    /// The environment.
    pub(super) env: &'e dyn Fn(&str) -> Option<String>,
    /// Where problems go.
    pub(super) report: &'e mut Report,
}

impl Reader<'_> {
    /// Reports an error and what to do about it.
    pub(super) fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, span, message.into(), help.into());
    }

    /// Reports a warning and what to do about it.
    pub(super) fn warning(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, span, message.into(), help.into());
    }

    fn push(&mut self, severity: Severity, span: Span, message: String, help: String) {
        let help = (!help.is_empty()).then_some(help);
        let source = Arc::clone(&self.source);
        self.report.push(Diagnostic { severity, source, span: Some(span), message, help });
    }

    fn expected(&mut self, value: &Ast<'_>, what: &str, kind: &str) {
        let message = format!("{what} must be {kind}, not {}", found(value));
        self.error(span(value), message, "");
    }

    /// Opens an object of known keys.
    pub(super) fn fields<'a>(&mut self, value: &'a Ast<'a>, keys: &Keys) -> Option<Fields<'a>> {
        let entries = self.entries(value, keys.what, str::to_ascii_lowercase)?;
        let fields = Fields { what: keys.what, span: opening(value), entries };
        for entry in &fields.entries {
            self.check_key(*entry, keys);
        }
        Some(fields)
    }

    /// Opens an object of free keys, which do differ in case.
    pub(super) fn map<'a>(&mut self, value: &'a Ast<'a>, what: &str) -> Option<Vec<Entry<'a>>> {
        self.entries(value, what, str::to_owned)
    }

    fn entries<'a>(
        &mut self,
        value: &'a Ast<'a>,
        what: &str,
        same: fn(&str) -> String,
    ) -> Option<Vec<Entry<'a>>> {
        let Ast::Object(object) = value else {
            self.expected(value, what, "an object");
            return None;
        };
        let mut entries = LastWins::default();
        for property in &object.properties {
            let (key, range) = match &property.name {
                ObjectPropName::String(name) => (name.value.as_ref(), name.range),
                ObjectPropName::Word(name) => (name.value, name.range),
            };
            let key_span = Span { start: range.start, end: range.end };
            let entry = Entry { key, key_span, value: &property.value };
            if entries.insert(same(key), entry).is_some() {
                let message = format!("`{key}` is in {what} twice; the last one is used");
                self.warning(key_span, message, "remove one");
            }
        }
        Some(entries.into_entries())
    }

    fn check_key(&mut self, entry: Entry<'_>, keys: &Keys) {
        let Entry { key, key_span, value } = entry;
        let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(key));
        let what = keys.what;
        if is_in(keys.read) {
            return;
        }
        if is_in(keys.not_yet) {
            if !is_neutral(value) {
                self.not_yet(key_span, &format!("`{key}` of {what}"));
            }
        } else if is_in(keys.tuning) {
            if !is_neutral(value) {
                let message = format!("`{key}` of {what} is not supported yet; it is ignored");
                self.warning(key_span, message, "calls work without it");
            }
        } else if is_in(keys.idle) {
            if !is_neutral(value) {
                self.warning(key_span, format!("`{key}` has no effect in {what}"), "remove it");
            }
        } else {
            let known = [keys.read, keys.not_yet, keys.tuning, keys.idle].concat();
            self.warning(
                key_span,
                format!("unknown key `{key}` in {what}"),
                did_you_mean(key, &known),
            );
        }
    }

    /// Reports what the format has and this server does not have.
    pub(super) fn not_yet(&mut self, span: Span, what: &str) {
        let help = "a call would not do what the config says; remove it, or the tool";
        self.error(span, format!("{what} is not supported yet"), help);
    }

    /// A string as it was written, before expansion: what a message quotes.
    pub(super) fn written(&self, span: Span) -> String {
        let literal = self.source.text.get(span.start..span.end).unwrap_or_default();
        literal.trim_matches('"').to_owned()
    }

    /// Reads a list.
    pub(super) fn list<'a>(&mut self, value: &'a Ast<'a>, what: &str) -> Option<&'a [Ast<'a>]> {
        let Ast::Array(array) = value else {
            self.expected(value, what, "an array");
            return None;
        };
        Some(&array.elements)
    }

    /// Reads and expands a string.
    pub(super) fn text(
        &mut self,
        value: &Ast<'_>,
        what: &str,
        unset: Unset,
    ) -> Option<Spanned<String>> {
        let Ast::StringLit(literal) = value else {
            self.expected(value, what, "a string");
            return None;
        };
        let text = self.expand(&literal.value, span(value), what, unset)?;
        Some(Spanned { value: text, span: span(value) })
    }

    fn expand(&mut self, text: &str, span: Span, what: &str, unset: Unset) -> Option<String> {
        let expanded = expand::expand(text, self.env);
        for name in &expanded.unset {
            let message = format!("{what} needs the environment variable {name}, which is not set");
            let help = format!("set {name}, or write a default: ${{{name}:default}}");
            match unset {
                Unset::Refuse => self.error(span, message, help),
                Unset::Warn => self.warning(span, message, help),
            }
        }
        (unset == Unset::Warn || expanded.unset.is_empty()).then_some(expanded.text)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, value: &Ast<'_>, what: &str) -> Option<bool> {
        let Ast::BooleanLit(literal) = value else {
            self.expected(value, what, "true or false");
            return None;
        };
        Some(literal.value)
    }

    /// Reads a number.
    pub(super) fn number(&mut self, value: &Ast<'_>, what: &str) -> Option<Number> {
        let Ast::NumberLit(literal) = value else {
            self.expected(value, what, "a number");
            return None;
        };
        let number = literal.value.parse().ok();
        if number.is_none() {
            self.error(span(value), format!("{what} is out of range"), "");
        }
        number
    }

    /// Reads any JSON; strings in it are expanded, keys are not.
    pub(super) fn json(&mut self, value: &Ast<'_>, what: &str, unset: Unset) -> Option<Value> {
        Some(match value {
            Ast::StringLit(_) => Value::String(self.text(value, what, unset)?.value),
            Ast::NumberLit(_) => Value::Number(self.number(value, what)?),
            Ast::BooleanLit(literal) => Value::Bool(literal.value),
            Ast::NullKeyword(_) => Value::Null,
            Ast::Array(array) => {
                let items = array.elements.iter().map(|item| self.json(item, what, unset));
                // Each is read, also after one that is wrong: all problems are told at once.
                let items: Vec<_> = items.collect();
                Value::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Ast::Object(_) => {
                let entries = self.map(value, what)?.into_iter();
                let members = entries.map(|entry| {
                    Some((entry.key.to_owned(), self.json(entry.value, what, unset)?))
                });
                let members: Vec<_> = members.collect();
                Value::Object(members.into_iter().collect::<Option<Map<_, _>>>()?)
            }
        })
    }
}

impl<'a> Fields<'a> {
    /// The entry of a key. A `null` is none, as in Go.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let mut entries = self.entries.iter().copied();
        entries
            .find(|entry| entry.key.eq_ignore_ascii_case(key))
            .filter(|entry| !matches!(entry.value, Ast::NullKeyword(_)))
    }

    /// A string, if the key is there.
    pub(super) fn text(
        &self,
        cx: &mut Reader<'_>,
        key: &str,
        unset: Unset,
    ) -> Option<Spanned<String>> {
        let entry = self.get(key)?;
        cx.text(entry.value, &self.name(key), unset)
    }

    /// A string that must be there and hold more than blanks.
    pub(super) fn required_text(
        &self,
        cx: &mut Reader<'_>,
        key: &str,
        unset: Unset,
    ) -> Option<Spanned<String>> {
        let Some(entry) = self.get(key) else {
            self.missing(cx, key);
            return None;
        };
        let text = cx.text(entry.value, &self.name(key), unset)?;
        if text.value.trim().is_empty() {
            cx.error(text.span, format!("{} is empty", self.name(key)), "");
            return None;
        }
        Some(text)
    }

    /// `true` or `false`, if the key is there.
    pub(super) fn boolean(&self, cx: &mut Reader<'_>, key: &str) -> Option<bool> {
        let entry = self.get(key)?;
        cx.boolean(entry.value, &self.name(key))
    }

    /// Reports that a key is not there.
    pub(super) fn missing(&self, cx: &mut Reader<'_>, key: &str) {
        cx.error(self.span, format!("{} has no `{key}`", self.what), format!("add `{key}`"));
    }

    /// How a diagnostic names the value of a key.
    pub(super) fn name(&self, key: &str) -> String {
        format!("`{key}` of {}", self.what)
    }
}

/// A value's place.
pub(super) fn span(value: &Ast<'_>) -> Span {
    let range = value.range();
    Span { start: range.start, end: range.end }
}

/// Where an object or array begins: its whole extent would be no help.
pub(super) fn opening(value: &Ast<'_>) -> Span {
    let start = value.range().start;
    Span { start, end: start + 1 }
}

/// `did you mean ...?`, if one of the known words is near.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = nearest(word, known.iter().copied());
    nearest.map(|known| format!("did you mean `{known}`?")).unwrap_or_default()
}

/// Whether a value means the same as its key not being there.
fn is_neutral(value: &Ast<'_>) -> bool {
    match value {
        Ast::NullKeyword(_) => true,
        Ast::BooleanLit(literal) => !literal.value,
        Ast::StringLit(literal) => literal.value.is_empty(),
        Ast::NumberLit(_) => false,
        Ast::Array(array) => array.elements.is_empty(),
        Ast::Object(object) => {
            let off = |value: &Ast<'_>| matches!(value, Ast::BooleanLit(literal) if !literal.value);
            object.properties.is_empty()
                || object.properties.iter().any(|property| {
                    property.name.as_str().eq_ignore_ascii_case("enabled") && off(&property.value)
                })
        }
    }
}

fn found(value: &Ast<'_>) -> &'static str {
    match value {
        Ast::StringLit(_) => "a string",
        Ast::NumberLit(_) => "a number",
        Ast::BooleanLit(_) => "true or false",
        Ast::Object(_) => "an object",
        Ast::Array(_) => "an array",
        Ast::NullKeyword(_) => "null",
    }
}

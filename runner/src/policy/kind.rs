//! From a type as it is written to a type that accepts values: which keys go with it, and whether
//! what they say makes sense.

use std::collections::BTreeMap;

use toml::Spanned;

use super::defaults::number_of;
use super::parse::At;
use super::raw::{RawScalar, RawSize, RawType, Words};
use super::value::number::{Range, Rendering};
use super::value::target::Scope;
use super::value::text::Pattern;
use super::value::{Kind, List, ValueType, file};
use crate::diagnostic::Report;

/// Longest value unless the type says otherwise, bytes.
const MAX_LEN: usize = 1_024;
/// Longest text unless the type says otherwise, bytes.
const MAX_TEXT: usize = 256;
/// Most ports in one value unless the type says otherwise.
const MAX_PORTS: u64 = 1_024;
/// Most addresses of a network in one value unless the type says otherwise.
const MAX_HOSTS: u64 = 256;
/// Most items of a list unless the type says otherwise.
const MAX_ITEMS: u64 = 16;

/// The names of the types.
pub(super) const KINDS: [&str; 16] = [
    "bool",
    "duration",
    "enum",
    "file",
    "hostname",
    "int",
    "list",
    "literal",
    "path",
    "ports",
    "regex",
    "size",
    "target",
    "text",
    "url",
    "url_or_target",
];

/// What only options have.
pub(super) const OPTION_KEYS: [&str; 4] = ["style", "required", "default", "repeat"];

/// Makes the type. The keys of an option are the caller's concern.
pub(super) fn value_type(raw: &RawType, at: &At, report: &mut Report) -> Option<ValueType> {
    let mut reader = Reader { raw, at, report };
    let kind = reader.kind()?;
    reader.refuse_other_keys(raw.kind.get_ref());
    let value_type = ValueType {
        max_len: reader.max_len(&kind),
        lead: reader.lead(),
        unicode: raw.unicode.as_ref().is_some_and(|unicode| *unicode.get_ref()),
        kind,
    };
    reader.check_words(&value_type);
    Some(value_type)
}

/// Reports keys of an option where there is none.
pub(super) fn refuse_option_keys(raw: &RawType, at: &At, report: &mut Report) {
    for (key, span) in present(raw) {
        if OPTION_KEYS.contains(&key) {
            report
                .error(&at.place(span), format!("\"{key}\" is for options, and this is none"))
                .help("take it out");
        }
    }
}

/// A default as text.
pub(super) fn scalar(raw: &RawScalar) -> String {
    match raw {
        RawScalar::Bool(value) => value.to_string(),
        RawScalar::Number(value) => value.to_string(),
        RawScalar::Text(value) => value.clone(),
    }
}

struct Reader<'a> {
    raw: &'a RawType,
    at: &'a At,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn kind(&mut self) -> Option<Kind> {
        let raw = self.raw;
        Some(match raw.kind.get_ref().as_str() {
            "bool" => Kind::Bool,
            "duration" => Kind::Duration(self.range(0, 86_400)?, self.rendering()?),
            "enum" => Kind::Enum(self.words("values", raw.values.as_ref())?),
            "file" => Kind::File(self.names()?),
            "hostname" => Kind::Hostname { ip: self.ip() },
            "int" => Kind::Int(self.range(0, u64::from(u32::MAX))?),
            "list" => Kind::List(Box::new(self.list()?)),
            "literal" => match &raw.value {
                Some(value) => Kind::Literal(value.get_ref().clone()),
                None => return self.missing("value", "the word that is allowed"),
            },
            "path" => Kind::Path { beneath: self.beneath()? },
            "ports" => Kind::Ports { max: self.number("max", raw.max.as_ref(), MAX_PORTS)? },
            "regex" => Kind::Regex(self.pattern()?),
            "size" => Kind::Size(self.range(0, 1 << 40)?, self.rendering()?),
            "target" => Kind::Target { max_hosts: self.max_hosts()?, scope: self.scope()? },
            "text" => Kind::Text,
            "url" => Kind::Url { schemes: self.schemes()?, ip: self.ip(), scope: self.scope()? },
            "url_or_target" => Kind::UrlOrTarget {
                schemes: self.schemes()?,
                max_hosts: self.max_hosts()?,
                scope: self.scope()?,
            },
            other => {
                let place = self.at.place(raw.kind.span());
                self.report.unknown_word(&place, "value type", other, &KINDS);
                return None;
            }
        })
    }

    fn refuse_other_keys(&mut self, kind: &str) {
        let allowed: &[&str] = match kind {
            "duration" | "size" => &["min", "max", "render"],
            "enum" => &["values"],
            "file" => &["names"],
            "hostname" => &["ip"],
            "int" => &["min", "max"],
            "list" => &["of", "separator", "max"],
            "literal" => &["value"],
            "path" => &["beneath"],
            "ports" => &["max"],
            "regex" => &["pattern", "max_len", "lead", "unicode"],
            "text" => &["max_len", "lead", "unicode"],
            "target" => &["max_hosts", "scope"],
            "url" => &["schemes", "ip", "scope"],
            "url_or_target" => &["schemes", "max_hosts", "scope"],
            _ => &[],
        };
        let common = ["max_len"];
        for (key, span) in present(self.raw) {
            if allowed.contains(&key) || common.contains(&key) || OPTION_KEYS.contains(&key) {
                continue;
            }
            let help = if allowed.is_empty() {
                format!("{kind} has no keys of its own")
            } else {
                format!("{kind} has: {}", allowed.join(", "))
            };
            self.report
                .error(&self.at.place(span), format!("\"{key}\" means nothing for type \"{kind}\""))
                .help(help);
        }
    }

    fn max_len(&mut self, kind: &Kind) -> usize {
        let base = if matches!(kind, Kind::Text) { MAX_TEXT } else { MAX_LEN };
        let Some(raw) = &self.raw.max_len else { return base };
        match usize::try_from(*raw.get_ref()) {
            Ok(n) if (1..=proto::limit::ARG).contains(&n) => n,
            _ => {
                self.report
                    .error(&self.at.place(raw.span()), "max_len is out of range")
                    .help(format!("1 to {}, the longest argument", proto::limit::ARG));
                base
            }
        }
    }

    fn lead(&mut self) -> Vec<char> {
        let Some(raw) = &self.raw.lead else { return Vec::new() };
        let mut lead = Vec::new();
        for word in raw.get_ref() {
            match word.get_ref().as_str() {
                "@" => lead.push('@'),
                "+" => lead.push('+'),
                other => {
                    let place = self.at.place(word.span());
                    self.report.unknown_word(&place, "allowed first character", other, &["@", "+"]);
                }
            }
        }
        lead
    }

    /// The words of the policy itself must be values, else a rule could smuggle an option.
    fn check_words(&mut self, value_type: &ValueType) {
        let raw = self.raw;
        let values = raw.values.iter().flat_map(Spanned::get_ref);
        let names = raw.names.iter().flat_map(|names| names.get_ref().keys());
        for word in values.chain(&raw.value).chain(names) {
            let (word, span) = (word.get_ref(), word.span());
            if let Err(why) = value_type.accept(word) {
                self.report.error(&self.at.place(span), format!("this can never be given: {why}"));
            }
        }
    }

    fn missing<T>(&mut self, key: &str, what: &str) -> Option<T> {
        let kind = self.raw.kind.get_ref();
        self.report
            .error(&self.at.place(self.raw.kind.span()), format!("type \"{kind}\" needs \"{key}\""))
            .help(format!("add {key}: {what}"));
        None
    }

    fn words(&mut self, key: &str, raw: Option<&Spanned<Words>>) -> Option<Vec<String>> {
        let Some(raw) = raw else { return self.missing(key, "a list of words") };
        if raw.get_ref().is_empty() {
            self.report.error(&self.at.place(raw.span()), format!("\"{key}\" is empty"));
            return None;
        }
        Some(raw.get_ref().iter().map(|word| word.get_ref().clone()).collect())
    }

    fn names(&mut self) -> Option<BTreeMap<String, String>> {
        let Some(raw) = &self.raw.names else {
            return self.missing("names", "a table of name = \"/path\"");
        };
        if raw.get_ref().is_empty() {
            self.report.error(&self.at.place(raw.span()), "\"names\" is empty");
            return None;
        }
        let mut names = BTreeMap::new();
        for (name, path) in raw.get_ref() {
            self.check_path(path.get_ref(), path.span());
            names.insert(name.get_ref().clone(), path.get_ref().clone());
        }
        Some(names)
    }

    fn beneath(&mut self) -> Option<String> {
        let Some(raw) = &self.raw.beneath else { return self.missing("beneath", "a directory") };
        self.check_path(raw.get_ref(), raw.span());
        if raw.get_ref() == "/" {
            self.report
                .error(&self.at.place(raw.span()), "every path lies beneath \"/\"")
                .help("name the directory that the command is for");
            return None;
        }
        Some(raw.get_ref().clone())
    }

    fn check_path(&mut self, path: &str, span: std::ops::Range<usize>) {
        if let Err(why) = file::check_normal(path) {
            self.report.error(&self.at.place(span), format!("the path is not usable: {why}"));
        } else if path.len() > MAX_LEN || path.chars().any(char::is_control) {
            self.report
                .error(&self.at.place(span), "the path is too long or has control characters");
        }
    }

    fn list(&mut self) -> Option<List> {
        let Some(raw) = &self.raw.of else { return self.missing("of", "the type of an item") };
        refuse_option_keys(raw.get_ref(), self.at, self.report);
        let of = value_type(raw.get_ref(), self.at, self.report)?;
        if matches!(of.kind, Kind::List(_)) {
            self.report
                .error(&self.at.place(raw.span()), "a list of lists cannot be written in one word");
            return None;
        }
        let separator = match &self.raw.separator {
            None => ",".to_owned(),
            Some(word) => {
                let text = word.get_ref();
                if text.is_empty()
                    || text.len() > 3
                    || !text.bytes().all(|b| b.is_ascii_punctuation())
                {
                    self.report
                        .error(&self.at.place(word.span()), "this cannot separate items")
                        .help("one to three punctuation characters, such as \",\"");
                    return None;
                }
                text.clone()
            }
        };
        let max = self.number("max", self.raw.max.as_ref(), MAX_ITEMS)?;
        Some(List { of, separator, max: usize::try_from(max).unwrap_or(usize::MAX) })
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let Some(raw) = &self.raw.pattern else {
            return self.missing("pattern", "a regular expression for the whole value");
        };
        match Pattern::new(raw.get_ref()) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                self.report
                    .error(&self.at.place(raw.span()), why.to_string())
                    .help("say which characters may stand where, as in [a-z0-9][a-z0-9-]{0,62}");
                None
            }
        }
    }

    fn schemes(&mut self) -> Option<Vec<String>> {
        let Some(raw) = &self.raw.schemes else {
            return Some(vec!["http".to_owned(), "https".to_owned()]);
        };
        let schemes = self.words("schemes", Some(raw))?;
        for scheme in raw.get_ref() {
            let text = scheme.get_ref();
            let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            if !plain || !text.starts_with(|c: char| c.is_ascii_lowercase()) || text == "file" {
                self.report
                    .error(&self.at.place(scheme.span()), "this is no scheme of a host")
                    .help("lower-case letters and digits; \"file\" is for paths");
            }
        }
        Some(schemes)
    }

    fn max_hosts(&mut self) -> Option<u64> {
        let Some(raw) = &self.raw.max_hosts else { return Some(MAX_HOSTS) };
        if *raw.get_ref() == 0 {
            self.report.error(&self.at.place(raw.span()), "a max_hosts of 0 allows nothing");
            return None;
        }
        Some(*raw.get_ref())
    }

    fn scope(&mut self) -> Option<Scope> {
        let Some(raw) = &self.raw.scope else { return Some(Scope::Engagement) };
        let place = self.at.place(raw.span());
        match raw.get_ref().as_str() {
            "engagement" => Some(Scope::Engagement),
            "public" => {
                self.report
                    .warning(&place, "this may lead to any host, whatever the engagements say")
                    .help("keep it for what looks things up and attacks nobody");
                Some(Scope::Public)
            }
            other => {
                self.report.unknown_word(&place, "scope", other, &["engagement", "public"]);
                None
            }
        }
    }

    fn ip(&self) -> bool {
        self.raw.ip.as_ref().is_some_and(|ip| *ip.get_ref())
    }

    fn rendering(&mut self) -> Option<Rendering> {
        let Some(raw) = &self.raw.render else { return Some(Rendering::Plain) };
        match raw.get_ref().as_str() {
            "plain" => Some(Rendering::Plain),
            "unit" => Some(Rendering::Unit),
            other => {
                let place = self.at.place(raw.span());
                self.report.unknown_word(&place, "rendering", other, &["plain", "unit"]);
                None
            }
        }
    }

    fn range(&mut self, min: u64, max: u64) -> Option<Range> {
        let min = self.number("min", self.raw.min.as_ref(), min)?;
        let max = self.number("max", self.raw.max.as_ref(), max)?;
        if min > max {
            let span = self.raw.max.as_ref().map_or(self.raw.kind.span(), Spanned::span);
            self.report.error(&self.at.place(span), format!("max {max} is less than min {min}"));
            return None;
        }
        Some(Range { min, max })
    }

    fn number(&mut self, key: &str, raw: Option<&Spanned<RawSize>>, base: u64) -> Option<u64> {
        let Some(raw) = raw else { return Some(base) };
        match number_of(raw.get_ref()) {
            Ok(0) if key == "max" => {
                self.report.error(&self.at.place(raw.span()), "a max of 0 allows nothing");
                None
            }
            Ok(n) => Some(n),
            Err(why) => {
                self.report.error(&self.at.place(raw.span()), format!("{key}: {why}"));
                None
            }
        }
    }
}

/// The keys that a type has, besides `type`.
fn present(raw: &RawType) -> Vec<(&'static str, std::ops::Range<usize>)> {
    fn key<T>(
        name: &'static str,
        value: Option<&Spanned<T>>,
    ) -> Option<(&'static str, std::ops::Range<usize>)> {
        value.map(|value| (name, value.span()))
    }
    [
        key("style", raw.style.as_ref()),
        key("required", raw.required.as_ref()),
        key("default", raw.default.as_ref()),
        key("repeat", raw.repeat.as_ref()),
        key("value", raw.value.as_ref()),
        key("values", raw.values.as_ref()),
        key("min", raw.min.as_ref()),
        key("max", raw.max.as_ref()),
        key("render", raw.render.as_ref()),
        key("pattern", raw.pattern.as_ref()),
        key("ip", raw.ip.as_ref()),
        key("schemes", raw.schemes.as_ref()),
        key("max_hosts", raw.max_hosts.as_ref()),
        key("scope", raw.scope.as_ref()),
        key("beneath", raw.beneath.as_ref()),
        key("names", raw.names.as_ref()),
        key("of", raw.of.as_ref()),
        key("separator", raw.separator.as_ref()),
        key("max_len", raw.max_len.as_ref()),
        key("lead", raw.lead.as_ref()),
        key("unicode", raw.unicode.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

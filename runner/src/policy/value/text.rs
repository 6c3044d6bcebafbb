//! Types of words: literal, enum, bool, and text that a regular expression describes.

use regex::{Regex, RegexBuilder};

use super::Unacceptable;

/// Longest pattern, bytes.
const MAX_PATTERN: usize = 1_024;
/// Largest compiled pattern, bytes.
const MAX_PROGRAM: usize = 256 * 1_024;
/// Deepest nesting of groups in a pattern.
const MAX_NEST: u32 = 16;

/// A regular expression that is held against the whole text, in linear time.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

/// Why a pattern is refused when the policy is loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It cannot be compiled within the limits.
    #[error("the pattern does not compile: {0}")]
    Compile(String),
    /// It is too long to be read by a person.
    #[error("the pattern has {0} bytes, the limit is {MAX_PATTERN}")]
    Long(usize),
    /// It matches what no value may be.
    #[error("the pattern matches {0}")]
    Matches(&'static str),
}

impl Pattern {
    /// Compiles and anchors a pattern, and tries on it what no value may be. The trial is an early
    /// word to the author: such values are refused before a pattern is asked at all.
    pub fn new(source: &str) -> Result<Self, BadPattern> {
        if source.len() > MAX_PATTERN {
            return Err(BadPattern::Long(source.len()));
        }
        // Compiled alone first: "a)|(b" is well-formed only between our own parentheses.
        compile(source)?;
        let regex = compile(&format!(r"\A(?:{source})\z"))?;
        if regex.is_match("") {
            return Err(BadPattern::Matches("the empty string"));
        }
        if probes("-").any(|probe| regex.is_match(&probe)) {
            return Err(BadPattern::Matches("text with a leading dash"));
        }
        let controls = ["\0", "\n", "\r", "\t", "\u{1b}", "\u{7f}"];
        let hidden = controls.iter().any(|c| {
            let around = [(*c).to_owned(), format!("a{c}"), format!("{c}a"), format!("a{c}a")];
            around.iter().any(|probe| regex.is_match(probe))
                || probes(c).any(|probe| regex.is_match(&probe))
        });
        if hidden {
            return Err(BadPattern::Matches("text with control characters"));
        }
        Ok(Self { source: source.to_owned(), regex })
    }

    /// The pattern as the policy has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn accept(&self, given: &str) -> Result<String, Unacceptable> {
        if self.regex.is_match(given) {
            Ok(given.to_owned())
        } else {
            Err(Unacceptable::new("it does not match the pattern"))
        }
    }
}

pub(super) fn accept_bool(given: &str) -> Result<String, Unacceptable> {
    match given {
        "true" | "false" => Ok(given.to_owned()),
        _ => Err(Unacceptable::new("it is neither true nor false")),
    }
}

pub(super) fn accept_literal(given: &str, word: &str) -> Result<String, Unacceptable> {
    if given == word { Ok(word.to_owned()) } else { Err(Unacceptable::new("it is another word")) }
}

pub(super) fn accept_enum(given: &str, words: &[String]) -> Result<String, Unacceptable> {
    words
        .iter()
        .find(|word| *word == given)
        .cloned()
        .ok_or_else(|| Unacceptable::new("it is none of the words that are taken here"))
}

fn compile(pattern: &str) -> Result<Regex, BadPattern> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_PROGRAM)
        .nest_limit(MAX_NEST)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            BadPattern::Compile(last.trim_start_matches("error: ").to_owned())
        })
}

/// `start` followed by many simple tails.
fn probes(start: &str) -> impl Iterator<Item = String> {
    const FILL: [&str; 16] =
        ["a", "A", "z", "0", "1", "9", "-", ".", "/", "=", ",", ":", "_", " ", "-a", "a0"];
    const MAX_TAIL: usize = 24;
    FILL.iter()
        .flat_map(move |fill| (0..MAX_TAIL).map(move |n| format!("{start}{}", fill.repeat(n))))
}

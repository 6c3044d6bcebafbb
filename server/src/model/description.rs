//! What people write about a user or a token.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// One line of text that is safe to print: at most [`limits::DESCRIPTION`] characters, no control
/// characters and none that reorder the text around them. May be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Description(String);

impl Description {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is not a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// A character that does not belong in a line of text.
    #[error("the description holds the control character {0:?}")]
    Character(char),
    /// Over the limit.
    #[error("the description is {found} characters long; the limit is {max}", max = limits::DESCRIPTION)]
    TooLong {
        /// What came.
        found: usize,
    },
}

impl TryFrom<String> for Description {
    type Error = InvalidDescription;

    fn try_from(text: String) -> Result<Self, InvalidDescription> {
        if let Some(other) = text.chars().find(|&c| c.is_control() || steers_layout(c)) {
            return Err(InvalidDescription::Character(other));
        }
        let found = text.chars().count();
        if found > limits::DESCRIPTION {
            return Err(InvalidDescription::TooLong { found });
        }
        Ok(Self(text))
    }
}

/// Line separators and the bidirectional controls of Unicode (UAX 9): a terminal would show
/// something other than what is there.
fn steers_layout(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

impl FromStr for Description {
    type Err = InvalidDescription;

    fn from_str(text: &str) -> Result<Self, InvalidDescription> {
        Self::try_from(text.to_owned())
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_that_shows_what_it_is() {
        assert_eq!("Ann's laptop".parse::<Description>().unwrap().as_str(), "Ann's laptop");
        for wrong in ['\n', '\0', '\u{1b}', '\u{9b}', '\u{202e}', '\u{2028}'] {
            assert_eq!(
                format!("a{wrong}").parse::<Description>(),
                Err(InvalidDescription::Character(wrong))
            );
        }
    }

    #[test]
    fn a_description_is_counted_in_characters() {
        assert!("\u{1f600}".repeat(255).parse::<Description>().is_ok());
        assert_eq!(
            "x".repeat(256).parse::<Description>(),
            Err(InvalidDescription::TooLong { found: 256 })
        );
    }

    #[test]
    fn a_bad_description_does_not_come_in_by_json() {
        assert!(serde_json::from_str::<Description>(r#""fine""#).is_ok());
        assert!(serde_json::from_str::<Description>(r#""a\u001b[2J""#).is_err());
    }
}

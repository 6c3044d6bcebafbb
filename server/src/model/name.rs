//! Names that are checked once, where they enter.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// Longest tool name. MCP allows 128; several model APIs take only 64.
pub const MAX_TOOL_NAME: usize = 64;

/// A text is not a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Over the limit.
    #[error("is {found} characters long; the limit is {max}")]
    TooLong {
        /// What came.
        found: usize,
        /// What is allowed.
        max: usize,
    },
    /// A character that clients or model APIs do not take.
    #[error("holds {0:?}; allowed are letters, digits, `_`, `-` and `.`")]
    Character(char),
}

/// A tool's name as MCP clients see it: 1 to 64 of `[A-Za-z0-9_.-]` (MCP, server/tools).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolName(Box<str>);

impl ToolName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ToolName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if let Some(other) = text.chars().find(|&c| !allowed(c)) {
            return Err(InvalidName::Character(other));
        }
        if text.len() > MAX_TOOL_NAME {
            return Err(InvalidName::TooLong { found: text.len(), max: MAX_TOOL_NAME });
        }
        Ok(Self(text.into()))
    }
}

impl Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_name_is_what_every_client_takes() {
        assert_eq!("a_b-c.D9".parse::<ToolName>().unwrap().as_str(), "a_b-c.D9");
        assert_eq!("".parse::<ToolName>(), Err(InvalidName::Empty));
        assert_eq!("a b".parse::<ToolName>(), Err(InvalidName::Character(' ')));
        assert_eq!(
            "x".repeat(65).parse::<ToolName>(),
            Err(InvalidName::TooLong { found: 65, max: 64 })
        );
    }
}

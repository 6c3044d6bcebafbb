//! How people name a token: by the first digits of its hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::caller::TokenHash;

/// The first 6 to 64 hex digits of a token's hash, in lower case. Prints no more than 12 of them:
/// whoever takes one of the original's tokens, 64 hex digits, for its hash must not see it in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashPrefix(String);

impl HashPrefix {
    /// Fewest digits: below this a slip of the finger finds a token.
    pub const MIN: usize = 6;
    /// All digits of a hash.
    pub const MAX: usize = 64;

    /// Whether the token is among those that this names.
    pub fn names(&self, hash: &TokenHash) -> bool {
        hash.to_string().starts_with(&self.0)
    }
}

/// A text is not a hash prefix. It is not repeated: it may be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token's hash: give its first 6 to 64 hex digits, as `token list` shows them")]
pub struct InvalidPrefix;

impl FromStr for HashPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let length = Self::MIN..=Self::MAX;
        if length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(InvalidPrefix)
    }
}

impl TryFrom<String> for HashPrefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        text.parse()
    }
}

impl From<HashPrefix> for String {
    fn from(prefix: HashPrefix) -> Self {
        prefix.0
    }
}

impl From<TokenHash> for HashPrefix {
    fn from(hash: TokenHash) -> Self {
        Self(hash.to_string())
    }
}

impl fmt::Display for HashPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..SHOWN) {
            Some(start) if self.0.len() > SHOWN => write!(f, "{start}..."),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for HashPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Digits that are printed.
const SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_the_hashes_that_start_with_it() {
        let hash = TokenHash([0xab; 32]);
        assert!("ABABAB".parse::<HashPrefix>().unwrap().names(&hash));
        assert!(!"ababac".parse::<HashPrefix>().unwrap().names(&hash));
        assert!(HashPrefix::from(hash).names(&hash));
    }

    #[test]
    fn a_token_that_is_taken_for_a_hash_is_not_repeated() {
        let original = "0123456789abcdef".repeat(4);
        let prefix: HashPrefix = original.parse().unwrap();
        assert_eq!(prefix.to_string(), "0123456789ab...");
        assert_eq!(format!("{prefix:?}"), "0123456789ab...");
        let error = "mcpf_secret".parse::<HashPrefix>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_prefix_is_6_to_64_hex_digits() {
        assert!("0".repeat(64).parse::<HashPrefix>().is_ok());
        for wrong in ["", "ababa", "ababag", "abab ab", "mcpf_x", &"0".repeat(65)] {
            assert!(wrong.parse::<HashPrefix>().is_err(), "{wrong}");
        }
    }
}

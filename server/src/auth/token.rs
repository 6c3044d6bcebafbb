//! Bearer tokens: made here, shown once, kept only as their hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::entropy::{self, NoEntropy};
use crate::model::caller::{TokenHash, UserId};
use crate::model::secret::Secret;

/// What every token of ours starts with, so that scanners of leaked secrets know it.
pub const PREFIX: &str = "mcpf_";

/// Random bytes of a token: too many to guess, so a plain hash of it is safe to keep.
const RANDOM_BYTES: usize = 32;

/// A bearer token in clear.
#[derive(Debug)]
pub struct Token(Secret);

impl Token {
    /// A token that did not exist before: [`PREFIX`] and 32 random bytes as base64url.
    pub fn generate() -> Result<Self, NoEntropy> {
        let random = entropy::bytes::<RANDOM_BYTES>()?;
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_BYTES.div_ceil(3) * 4);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut text);
        Ok(Self(Secret::new(text)))
    }

    /// The token itself, for the one place that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl TokenHash {
    /// SHA-256 of a token's text. The tokens of the original, 64 hex digits, were hashed the same
    /// way, so its hashes are good here.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl UserId {
    /// An id that did not exist before (RFC 9562, version 4).
    pub fn generate() -> Result<Self, NoEntropy> {
        Ok(Self(uuid::Builder::from_random_bytes(*entropy::bytes()?).into_uuid()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_prefix_and_256_random_bits() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one.expose(), other.expose());
        let random = one.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
        assert_eq!(format!("{one:?}"), "Token([redacted])");
    }

    #[test]
    fn a_token_of_the_original_hashes_as_it_did() {
        let hash = TokenHash::of(&"0123456789abcdef".repeat(4));
        assert_eq!(
            hash.to_string(),
            "a8ae6e6ee929abea3afcfc5258c8ccd6f85273e0d4626d26c7279f3250f77c8e"
        );
    }

    #[test]
    fn a_user_id_is_a_random_uuid() {
        let (one, other) = (UserId::generate().unwrap(), UserId::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.0.get_version_num(), 4);
    }
}

//! Who is calling: from the `Authorization` header to a caller. A look-up is one SHA-256 and one
//! probe of a table in memory; it takes no lock and reads no disk.

use std::sync::Arc;

use http::HeaderValue;

use crate::limits;
use crate::model::caller::{Caller, TokenHash};

pub mod table;
pub mod token;

use table::Tokens;

/// How callers are told apart.
#[derive(Debug, Clone)]
pub enum Access {
    /// Not at all: every caller is [`Caller::LOCAL`].
    NoAuth,
    /// By bearer tokens.
    Tokens(Arc<Tokens>),
}

/// A caller is refused. All three are a 401; which one is for the log, not for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// Not one bearer token in the form of RFC 6750, section 2.1.
    #[error("the Authorization header is not \"Bearer <token>\"")]
    Malformed,
    /// No `Authorization` header.
    #[error("no bearer token came; send \"Authorization: Bearer <token>\"")]
    Missing,
    /// A token that is not known, was revoked or has expired.
    #[error("the bearer token is unknown, revoked or expired")]
    Unknown,
}

impl Access {
    /// The caller that the value of the one `Authorization` header proves. Two headers are for
    /// whoever reads them to refuse.
    pub fn authenticate(
        &self,
        authorization: Option<&HeaderValue>,
    ) -> Result<Caller, Unauthorized> {
        match self {
            Self::NoAuth => Ok(Caller::LOCAL),
            Self::Tokens(tokens) => {
                let value = authorization.ok_or(Unauthorized::Missing)?;
                let token = bearer(value).ok_or(Unauthorized::Malformed)?;
                tokens.find(&TokenHash::of(token)).ok_or(Unauthorized::Unknown)
            }
        }
    }
}

/// The token of a header value.
///
/// ```text
/// value   = scheme 1*SP token68              ; RFC 9110, 11.4; the scheme in any case
/// token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
/// ```
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let token = rest.trim_matches(' ');
    let digits = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let valid = scheme.eq_ignore_ascii_case("bearer")
        && !digits.is_empty()
        && digits.bytes().all(allowed)
        && token.len() <= limits::TOKEN_BYTES;
    valid.then_some(token)
}

#[cfg(test)]
mod tests;

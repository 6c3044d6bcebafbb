// STAND-IN
//! Who may come in.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;

use crate::model::caller::{Caller, TokenHash, UserId};

/// How callers are known.
#[derive(Debug)]
pub enum Access {
    /// Everyone is the local user.
    NoAuth,
    /// By bearer token.
    Tokens(Arc<Tokens>),
}

/// The tokens, by their text.
#[derive(Debug)]
pub struct Tokens(pub HashMap<String, UserId>);

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthorized {
    /// No header.
    Missing,
    /// Not `Bearer <token>`.
    Malformed,
    /// Not a token of ours.
    Unknown,
}

impl Access {
    /// Who sends this header.
    pub fn authenticate(
        &self,
        authorization: Option<&HeaderValue>,
    ) -> Result<Caller, Unauthorized> {
        let Self::Tokens(tokens) = self else {
            return Ok(Caller { user: UserId::LOCAL, token: None });
        };
        let header = authorization.ok_or(Unauthorized::Missing)?;
        let text = header.to_str().map_err(|_ascii| Unauthorized::Malformed)?;
        let token = text.strip_prefix("Bearer ").ok_or(Unauthorized::Malformed)?;
        let user = tokens.0.get(token).ok_or(Unauthorized::Unknown)?;
        Ok(Caller { user: *user, token: Some(TokenHash([0; 32])) })
    }
}

//! Tokens: their hashes, whose they are and until when. Every token belongs to a user.

use std::ops::Bound;

use redb::{ReadableTable, StorageError};
use serde::{Deserialize, Serialize};

use super::error::{ReadError, Refusal, WriteError};
use super::open::Store;
use super::tables::{self, StoredToken, TOKENS, USERS};
use super::users::{self, User};
use super::writer::{Change, Verdict};
use crate::auth::table;
use crate::clock::{Lifetime, Timestamp};
use crate::model::caller::{TokenHash, UserId};
use crate::model::description::Description;
use crate::model::prefix::HashPrefix;

/// A token as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What names it.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: UserId,
    /// For people.
    pub description: Description,
    /// When it was added.
    pub created_at: Timestamp,
    /// When a call last came with it.
    pub last_used_at: Option<Timestamp>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// A token to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What the store keeps of it; the token itself does not come here.
    pub hash: TokenHash,
    /// Whose it is.
    pub owner: Owner,
    /// For people.
    pub description: Description,
    /// How long it is valid; `None` is for ever.
    pub lifetime: Option<Lifetime>,
}

/// Whose token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A user that is there.
    Existing(UserId),
    /// A user that is added together with the token and shares its description.
    New(UserId),
}

impl Store {
    /// Adds a token; it is valid when this returns.
    pub async fn add_token(&self, new: NewToken) -> Result<Token, WriteError> {
        let created_at = self.clock.now();
        self.writer.write(move |change| add(change, new, created_at)).await
    }

    /// Revokes the one token that `prefix` names; it is refused when this returns.
    pub async fn revoke_token(&self, prefix: HashPrefix) -> Result<Token, WriteError> {
        self.writer.write(move |change| revoke(change, &prefix)).await
    }

    /// Up to `limit` tokens in the order of their hashes, from the one behind `after`.
    pub fn list_tokens(
        &self,
        after: Option<TokenHash>,
        limit: usize,
    ) -> Result<Vec<Token>, ReadError> {
        let mut page = self.read(|snapshot| {
            let start = after.as_ref().map(|hash| hash.0.as_slice());
            let start = start.map_or(Bound::Unbounded, Bound::Excluded);
            let tokens = snapshot.open_table(TOKENS)?;
            let mut page = Vec::new();
            for entry in tokens.range::<&[u8]>((start, Bound::Unbounded))?.take(limit) {
                let (key, value) = entry?;
                page.push(token(key.value(), value.value())?);
            }
            Ok(page)
        })?;
        // The memory is ahead of the disk here by up to a minute.
        for token in &mut page {
            token.last_used_at = token.last_used_at.max(self.tokens().last_used_at(&token.hash));
        }
        Ok(page)
    }
}

/// The one token that `prefix` names.
pub fn pick<'a>(
    tokens: impl IntoIterator<Item = &'a Token>,
    prefix: &HashPrefix,
) -> Result<&'a Token, Refusal> {
    let named: Vec<_> = tokens.into_iter().filter(|token| prefix.names(&token.hash)).collect();
    match named.as_slice() {
        [] => Err(Refusal::UnknownToken { prefix: prefix.clone() }),
        [token] => Ok(token),
        several => Err(Refusal::AmbiguousToken { prefix: prefix.clone(), n_tokens: several.len() }),
    }
}

fn add(change: &mut Change<'_>, new: NewToken, created_at: Timestamp) -> Verdict<Token> {
    let NewToken { hash, owner, description, lifetime } = new;
    let mut tokens = change.transaction.open_table(TOKENS)?;
    if tokens.get(hash.0.as_slice())?.is_some() {
        return Ok(Err(Refusal::TokenExists { hash }));
    }
    let user = match owner {
        Owner::Existing(id) => {
            let users = change.transaction.open_table(USERS)?;
            if users.get(id.0.as_bytes().as_slice())?.is_none() {
                return Ok(Err(Refusal::UnknownUser { user: id }));
            }
            id
        }
        Owner::New(id) => {
            let user = User { id, description: description.clone(), created_at };
            if let Err(refusal) = users::insert(change.transaction, &user)? {
                return Ok(Err(refusal));
            }
            id
        }
    };
    let expires_at = lifetime.map(|lifetime| created_at.after(lifetime));
    let stored = StoredToken { user, description, created_at, last_used_at: None, expires_at };
    tokens.insert(hash.0.as_slice(), tables::encode(&stored)?.as_slice())?;
    change.tokens.push(table::Change::Add { hash, user, expires_at, last_used_at: None });
    Ok(Ok(with_hash(hash, stored)))
}

fn revoke(change: &mut Change<'_>, prefix: &HashPrefix) -> Verdict<Token> {
    let mut tokens = change.transaction.open_table(TOKENS)?;
    let mut named = Vec::new();
    for entry in tokens.iter()? {
        let (key, value) = entry?;
        if prefix.names(&tables::token_hash(key.value())?) {
            named.push(token(key.value(), value.value())?);
        }
    }
    let revoked = match pick(&named, prefix) {
        Ok(token) => token.clone(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    tokens.remove(revoked.hash.0.as_slice())?;
    change.tokens.push(table::Change::Remove(revoked.hash));
    Ok(Ok(revoked))
}

fn token(key: &[u8], value: &[u8]) -> Result<Token, StorageError> {
    Ok(with_hash(tables::token_hash(key)?, tables::decode("a token", value)?))
}

fn with_hash(hash: TokenHash, stored: StoredToken) -> Token {
    let StoredToken { user, description, created_at, last_used_at, expires_at } = stored;
    Token { hash, user, description, created_at, last_used_at, expires_at }
}

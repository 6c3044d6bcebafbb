//! Users. A user owns tokens and whatever is kept for them; without the user none of it is left.

use std::ops::Bound;

use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::error::{ReadError, Refusal, WriteError};
use super::open::Store;
use super::tables::{self, StoredToken, StoredUser, TOKENS, USERS};
use crate::auth::table;
use crate::clock::Timestamp;
use crate::model::caller::UserId;
use crate::model::description::Description;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// For people.
    pub description: Description,
    /// When the user was added.
    pub created_at: Timestamp,
}

impl Store {
    /// Adds a user without tokens.
    pub async fn add_user(&self, id: UserId, description: Description) -> Result<User, WriteError> {
        let created_at = self.clock.now();
        let user = User { id, description, created_at };
        self.writer
            .write(move |change| {
                let added = insert(change.transaction, &user)?;
                Ok(added.map(|()| user))
            })
            .await
    }

    /// Deletes a user and all of the user's tokens, which are refused from then on. Gives how many
    /// there were.
    pub async fn delete_user(&self, id: UserId) -> Result<usize, WriteError> {
        self.writer
            .write(move |change| {
                let mut users = change.transaction.open_table(USERS)?;
                if users.remove(id.0.as_bytes().as_slice())?.is_none() {
                    return Ok(Err(Refusal::UnknownUser { user: id }));
                }
                // A walk over all tokens: users go seldom, and an index would have to be kept
                // true by every other change.
                let mut tokens = change.transaction.open_table(TOKENS)?;
                let mut owned = Vec::new();
                for entry in tokens.iter()? {
                    let (key, value) = entry?;
                    if tables::decode::<StoredToken>("a token", value.value())?.user == id {
                        owned.push(tables::token_hash(key.value())?);
                    }
                }
                for hash in &owned {
                    tokens.remove(hash.0.as_slice())?;
                }
                change.tokens.extend(owned.iter().copied().map(table::Change::Remove));
                Ok(Ok(owned.len()))
            })
            .await
    }

    /// Up to `limit` users in the order of their ids, from the one behind `after`.
    pub fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, ReadError> {
        self.read(|snapshot| {
            let start = after.as_ref().map(|id| id.0.as_bytes().as_slice());
            let start = start.map_or(Bound::Unbounded, Bound::Excluded);
            let users = snapshot.open_table(USERS)?;
            let mut page = Vec::new();
            for entry in users.range::<&[u8]>((start, Bound::Unbounded))?.take(limit) {
                let (key, value) = entry?;
                let StoredUser { description, created_at } =
                    tables::decode("a user", value.value())?;
                page.push(User { id: tables::user_id(key.value())?, description, created_at });
            }
            Ok(page)
        })
    }
}

/// Adds a user within a change.
pub(super) fn insert(
    transaction: &WriteTransaction,
    user: &User,
) -> Result<Result<(), Refusal>, redb::Error> {
    let mut users = transaction.open_table(USERS)?;
    let key = user.id.0.as_bytes().as_slice();
    if users.get(key)?.is_some() {
        return Ok(Err(Refusal::UserExists { user: user.id }));
    }
    let stored = StoredUser { description: user.description.clone(), created_at: user.created_at };
    users.insert(key, tables::encode(&stored)?.as_slice())?;
    Ok(Ok(()))
}

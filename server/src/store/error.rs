//! Why the store did not do as asked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::caller::{TokenHash, UserId};
use crate::model::prefix::HashPrefix;

/// The store is well, but what was asked cannot be. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A hash prefix that names more than one token.
    #[error("{prefix} names {n_tokens} tokens; give more digits of the hash")]
    AmbiguousToken {
        /// What was asked for.
        prefix: HashPrefix,
        /// How many there are.
        n_tokens: usize,
    },
    /// A token that is there already.
    #[error("the token {} exists already", hash.short())]
    TokenExists {
        /// The token.
        hash: TokenHash,
    },
    /// A hash prefix that names no token.
    #[error("no token's hash starts with {prefix}; `token list` shows them")]
    UnknownToken {
        /// What was asked for.
        prefix: HashPrefix,
    },
    /// A user that is not there.
    #[error("there is no user {user}; `user list` shows them")]
    UnknownUser {
        /// Who was asked for.
        user: UserId,
    },
    /// A user that is there already.
    #[error("the user {user} exists already")]
    UserExists {
        /// The user.
        user: UserId,
    },
}

/// A write did not happen, or may not have.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// Nobody takes changes any more.
    #[error("the store takes no writes: it is closed, or its writer has died")]
    Closed,
    /// The disk failed this write or one that shared its commit.
    #[error("cannot commit to the store; whether the change was kept shows after a restart")]
    Commit {
        /// What failed.
        source: Arc<redb::Error>,
    },
    /// A commit before this one failed.
    #[error("the store takes no writes since a commit failed; restart the server")]
    Poisoned,
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The disk failed, or what it holds is not what was written.
    #[error("cannot read the store")]
    Read {
        /// What failed.
        source: Box<redb::Error>,
    },
}

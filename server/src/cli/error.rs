//! Why a command did not do as asked.

use std::io;
use std::path::PathBuf;

use crate::admin::client::ClientError;
use crate::admin::protocol::Reply;
use crate::entropy::NoEntropy;
use crate::model::caller::TokenHash;
use crate::store::error::Refusal;
use crate::store::open::OpenError;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The running server cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Whoever was asked did not say yes.
    #[error("nothing was revoked; answer y, or pass --yes")]
    Declined,
    /// No token can be made.
    #[error("cannot make a token")]
    Entropy(#[from] NoEntropy),
    /// The store or the server could not do it.
    #[error("the store could not do it: {why}")]
    Failed {
        /// What it said.
        why: String,
    },
    /// Somebody holds the store and takes no requests.
    #[error(
        "the store {} is held by a process that does not answer on the admin socket; \
        if a server starts or stops just now, try again",
        path.display()
    )]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to list.
    #[error("there is no store in {}; check --db-dir, or make one with `token add`", dir.display())]
    NoStore {
        /// The directory.
        dir: PathBuf,
    },
    /// No server answers on the admin socket.
    #[error("no server runs on the state directory {}", dir.display())]
    NotRunning {
        /// The directory.
        dir: PathBuf,
    },
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The result cannot be printed.
    #[error("cannot print the result")]
    Output(#[from] io::Error),
    /// What was asked cannot be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer does not fit the question.
    #[error("the server gave an answer to something else; restart it if it is of another version")]
    Unexpected,
    /// A token was added that nobody has seen.
    #[error("the token {} was added but could not be shown; revoke it", hash.short())]
    Unshown {
        /// The token.
        hash: TokenHash,
        /// Why.
        source: io::Error,
    },
}

/// The error that a reply is when it is not the one that was wanted.
pub(super) fn not_wanted(reply: Reply) -> CliError {
    match reply {
        Reply::Failed(why) => CliError::Failed { why },
        Reply::Refused(refusal) => CliError::Refused(refusal),
        Reply::Status(_) | Reply::Token(_) | Reply::Tokens(_) | Reply::Users(_) => {
            CliError::Unexpected
        }
    }
}

//! What is said on the admin socket.
//!
//! ```text
//! conversation = *( request LF reply LF )        ; a line has at most 64 KiB
//! ```

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::model::caller::{TokenHash, UserId};
use crate::model::prefix::HashPrefix;
use crate::store::error::Refusal;
use crate::store::tokens::{NewToken, Token};
use crate::store::users::User;

/// The socket's name in the state directory.
pub const SOCKET: &str = "admin.sock";

/// What the CLI asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "with", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the server does.
    Status,
    /// Add a token.
    TokenAdd(NewToken),
    /// The tokens behind this one, a page.
    TokenList(Option<TokenHash>),
    /// Revoke the one token that this names.
    TokenRevoke(HashPrefix),
    /// The users behind this one, a page.
    UserList(Option<UserId>),
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "with", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// It could not be done; why, for people.
    Failed(String),
    /// It was refused and nothing changed.
    Refused(Refusal),
    /// How the server does.
    Status(Status),
    /// The token that was added or revoked.
    Token(Token),
    /// A page of tokens in the order of their hashes; an empty one is the end.
    Tokens(Vec<Token>),
    /// A page of users in the order of their ids; an empty one is the end.
    Users(Vec<User>),
}

/// How the server does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Where it listens; empty until it does.
    pub listen: Vec<SocketAddr>,
    /// How many tools the config gives it.
    pub n_tools: usize,
}

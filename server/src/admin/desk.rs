//! Answers admin requests, whichever way they came: over the socket, or from a CLI that has opened
//! the store itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::protocol::{Reply, Request, Status};
use crate::limits;
use crate::model::causes::chain;
use crate::store::error::{ReadError, WriteError};
use crate::store::open::Store;

/// What only the running server knows.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where it listens; empty until it does.
    pub listen: Vec<SocketAddr>,
    /// How many tools the config gives it.
    pub n_tools: usize,
}

/// Where admin requests are answered.
pub struct Desk {
    store: Arc<Store>,
    facts: Box<dyn Fn() -> Facts + Send + Sync>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk on `store`; `facts` is asked for each status.
    pub fn new(store: Arc<Store>, facts: impl Fn() -> Facts + Send + Sync + 'static) -> Self {
        Self { store, facts: Box::new(facts) }
    }

    /// Does what is asked. What changes is on the disk when this returns.
    pub async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Status => {
                let Facts { listen, n_tools } = (self.facts)();
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Reply::Status(Status { version, pid: std::process::id(), listen, n_tools })
            }
            Request::TokenAdd(new) => written(self.store.add_token(new).await.map(Reply::Token)),
            Request::TokenList(after) => {
                read(self.store.list_tokens(after, limits::ADMIN_PAGE).map(Reply::Tokens))
            }
            Request::TokenRevoke(prefix) => {
                written(self.store.revoke_token(prefix).await.map(Reply::Token))
            }
            Request::UserList(after) => {
                read(self.store.users(after, limits::ADMIN_PAGE).map(Reply::Users))
            }
        }
    }

    /// The store, to close it.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

fn written(result: Result<Reply, WriteError>) -> Reply {
    match result {
        Ok(reply) => reply,
        Err(WriteError::Refused(refusal)) => Reply::Refused(refusal),
        Err(error @ (WriteError::Closed | WriteError::Commit { .. } | WriteError::Poisoned)) => {
            Reply::Failed(chain(&error))
        }
    }
}

fn read(result: Result<Reply, ReadError>) -> Reply {
    result.unwrap_or_else(|error| Reply::Failed(chain(&error)))
}

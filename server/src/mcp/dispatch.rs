//! One message to the endpoint and its reply: parse, find the era, answer. It owns what the
//! protocol keeps between requests, which is the sessions of the legacy era and their calls.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use super::fault::Fault;
use super::jsonrpc::{Id, Message};
use super::session::{self, SessionId, Sessions};
use super::version::Era;
use super::{legacy, modern};
use crate::call::engine::Engine;
use crate::catalog::Catalog;
use crate::limits;
use crate::model::caller::Caller;

/// The protocol over one engine.
#[derive(Debug)]
pub struct Mcp {
    /// Runs the tools.
    pub engine: Arc<Engine>,
    /// The legacy era's sessions.
    pub sessions: Sessions,
    /// Calls that outlive their connection: before 2026-07-28 hanging up does not cancel.
    pub calls: TaskTracker,
}

/// A message that was posted.
#[derive(Debug)]
pub struct Post<'a> {
    /// Who sent it.
    pub caller: Caller,
    /// Its request's headers.
    pub headers: &'a HeaderMap,
    /// Its bytes.
    pub body: &'a [u8],
    /// When it came.
    pub now: Instant,
    /// What it holds until its work is done.
    pub slot: Slot,
}

/// What a request holds of the server until its work is done, and gives back when dropped.
#[derive(Debug)]
pub struct Slot {
    /// Its place among the requests that we take.
    pub request: OwnedSemaphorePermit,
    /// The room of its body; an empty one has none.
    pub body: Option<OwnedSemaphorePermit>,
}

/// What is sent back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The session that began.
    pub session: Option<SessionId>,
    /// A JSON-RPC response; a notification has none.
    pub body: Option<Vec<u8>>,
}

/// What became of a session that was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has ended.
    Now,
    /// This caller has no such session.
    Unknown,
}

impl Mcp {
    /// Without any session yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        let sessions = Sessions::new(session::Bounds::STANDARD);
        Self { engine, sessions, calls: TaskTracker::new() }
    }

    /// Answers a message.
    pub async fn post(&self, post: Post<'_>) -> Reply {
        match Message::parse(post.body) {
            Ok(message) => match Era::of(&message, post.headers) {
                Era::Legacy => legacy::answer(self, message, post).await,
                Era::Modern => modern::answer(self, message, post).await,
            },
            Err(refused) => Reply::fault(&refused.fault, refused.id.as_ref(), Era::Legacy),
        }
    }

    /// Ends a session at its owner's wish.
    pub fn end(&self, caller: &Caller, id: &HeaderValue) -> Ended {
        let id = id.to_str().ok().and_then(|text| text.parse().ok());
        match id.and_then(|id| self.sessions.find(id, caller.user, Instant::now())) {
            Some(session) => {
                self.sessions.end(&session);
                Ended::Now
            }
            None => Ended::Unknown,
        }
    }

    /// What is offered now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.engine.catalog()
    }

    /// Cancels what still runs and waits for it, at most [`limits::DRAIN`]. For the end of the
    /// server, after the last connection.
    pub async fn stop(&self) {
        self.sessions.end_all();
        self.calls.close();
        if tokio::time::timeout(limits::DRAIN, self.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.calls.len(), "calls did not end in time and are dropped");
        }
    }
}

impl Reply {
    /// A response with a result.
    pub fn answer(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, session: None, body: Some(body) }
    }

    /// A notification or response was taken.
    pub fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, session: None, body: None }
    }

    /// An error response. To a message without an id it is never a success.
    pub fn fault(fault: &Fault, id: Option<&Id>, era: Era) -> Self {
        let status = match fault.status(era) {
            StatusCode::OK if id.is_none() => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self { status, session: None, body: Some(fault.to_bytes(id)) }
    }
}

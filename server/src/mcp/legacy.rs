//! The wire of 2024-11-05 to 2025-11-25 over streamable HTTP: `initialize` begins a session, each
//! later message names it, and JSON-RPC errors are answers with status 200.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::discover;
use super::dispatch::{Mcp, Post, Reply};
use super::fault::{Fault, Kind};
use super::jsonrpc::{Id, Message, Notification, Plain, Request};
use super::result::{self, Cache};
use super::session::Session;
use super::tools::{self, EmptyList};
use super::version::{Era, PROTOCOL_VERSION, Revision, SESSION_ID};
use crate::model::outcome::Outcome;

/// Answers a message of this era.
pub async fn answer(mcp: &Mcp, message: Message<'_>, post: Post<'_>) -> Reply {
    match message {
        Message::Request(request) if request.method == "initialize" => {
            initialize(mcp, &request, &post)
        }
        Message::Request(request) => {
            let id = request.id.clone();
            let answer = match session(mcp, &post) {
                Ok(session) => respond(mcp, session, request, post).await,
                Err(fault) => Err(fault),
            };
            match answer {
                Ok(body) => Reply::answer(body),
                Err(fault) => Reply::fault(&fault, Some(&id), Era::Legacy),
            }
        }
        Message::Notification(notification) => match session(mcp, &post) {
            Ok(session) => {
                notify(&session, notification);
                Reply::accepted()
            }
            Err(fault) => Reply::fault(&fault, None, Era::Legacy),
        },
        Message::Response => match session(mcp, &post) {
            Ok(_) => Reply::accepted(),
            Err(fault) => Reply::fault(&fault, None, Era::Legacy),
        },
    }
}

fn initialize(mcp: &Mcp, request: &Request<'_>, post: &Post<'_>) -> Reply {
    let asked = match &request.params.protocol_version {
        Plain::Text(version) => Some(&**version),
        Plain::Absent | Plain::Integer(_) | Plain::Null | Plain::Other => None,
    };
    let revision = Revision::negotiate(asked);
    let body = match discover::initialized(&request.id, revision) {
        Ok(body) => body,
        Err(fault) => return Reply::fault(&fault, Some(&request.id), Era::Legacy),
    };
    match mcp.sessions.begin(post.caller.user, revision, post.now) {
        Ok(session) => Reply { session: Some(session.id), ..Reply::answer(body) },
        Err(error) => {
            tracing::error!(%error, "cannot make a session id");
            let fault = Fault::new(Kind::Internal, "the server could not begin a session");
            Reply::fault(&fault, Some(&request.id), Era::Legacy)
        }
    }
}

/// The session that a message names. Any revision that we know is taken in it, or none: clients are
/// known to send another one than they negotiated.
fn session(mcp: &Mcp, post: &Post<'_>) -> Result<Arc<Session>, Fault> {
    if post.headers.contains_key(PROTOCOL_VERSION) && Revision::of_header(post.headers).is_none() {
        let text =
            "the MCP-Protocol-Version header names a revision that this server does not speak";
        return Err(Fault::new(Kind::Envelope, text));
    }
    let Some(id) = post.headers.get(SESSION_ID) else {
        let text = "the Mcp-Session-Id header is missing: send initialize first, then the id that \
                    its answer has in this header";
        return Err(Fault::new(Kind::SessionMissing, text));
    };
    let id = id.to_str().ok().and_then(|text| text.parse().ok());
    id.and_then(|id| mcp.sessions.find(id, post.caller.user, post.now)).ok_or_else(|| {
        Fault::new(Kind::Session, "the session has ended or never was: send initialize again")
    })
}

fn notify(session: &Session, notification: Notification<'_>) {
    if notification.method == "notifications/cancelled"
        && let Some(id) = Id::of(notification.params.request_id)
    {
        session.calls.cancel(&id);
    }
}

async fn respond(
    mcp: &Mcp,
    session: Arc<Session>,
    request: Request<'_>,
    post: Post<'_>,
) -> Result<Vec<u8>, Fault> {
    #[derive(Serialize)]
    struct Empty {}
    let Request { id, method, mut params } = request;
    match &*method {
        "ping" => result::to_bytes(&id, &Empty {}, Cache::None, Era::Legacy, 0),
        "tools/list" => tools::list(&id, &params, &mcp.catalog(), Era::Legacy),
        "tools/call" => {
            let (tool, arguments) = tools::called(&mut params)?;
            let running = match session.calls.begin(id.clone()) {
                Ok(running) => running,
                Err(too_many) => {
                    let outcome = Outcome::failure(too_many.to_string());
                    return tools::answer(&id, tool, Ok(outcome), Era::Legacy);
                }
            };
            // A task of its own: in this era a lost connection does not end a call.
            let (engine, name) = (Arc::clone(&mcp.engine), tool.to_owned());
            let Post { caller, slot, .. } = post;
            let call = mcp.calls.spawn(async move {
                let outcome = engine.call(&caller, &name, arguments, &running.token).await;
                session.touch(Instant::now());
                drop((running, slot));
                outcome
            });
            match call.await {
                Ok(outcome) => tools::answer(&id, tool, outcome, Era::Legacy),
                Err(error) => {
                    tracing::error!(%error, "a call broke");
                    Err(Fault::new(Kind::Internal, "the server failed at this call"))
                }
            }
        }
        other => match EmptyList::of(other) {
            Some(list) => list.to_bytes(&id, &params, Era::Legacy),
            None => Err(Fault::unknown_method(other)),
        },
    }
}

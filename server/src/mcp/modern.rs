//! The wire of 2026-07-28: each request carries its revision and the client's capabilities, repeats
//! what proxies route by in headers, and stands alone. Hanging up cancels it.

use http::header::{HeaderMap, HeaderName};
use tokio_util::sync::CancellationToken;

use super::discover;
use super::dispatch::{Mcp, Post, Reply};
use super::fault::{Fault, Kind, shown};
use super::header::{self, METHOD, NAME};
use super::jsonrpc::{Message, Object, Plain, Request};
use super::tools::{self, EmptyList};
use super::version::{Era, PROTOCOL_VERSION, Revision};

/// Answers a message of this era.
pub async fn answer(mcp: &Mcp, message: Message<'_>, post: Post<'_>) -> Reply {
    match message {
        Message::Request(request) => {
            let id = request.id.clone();
            match respond(mcp, request, post).await {
                Ok(body) => Reply::answer(body),
                Err(fault) => Reply::fault(&fault, Some(&id), Era::Modern),
            }
        }
        // This era has no notification of a client's that we act upon; cancelling is hanging up.
        Message::Notification(_) => match revision_of(post.headers) {
            Ok(_) => Reply::accepted(),
            Err(fault) => Reply::fault(&fault, None, Era::Modern),
        },
        Message::Response => {
            let text = "a response answers nothing here: this server sends no requests";
            Reply::fault(&Fault::new(Kind::Envelope, text), None, Era::Modern)
        }
    }
}

async fn respond(mcp: &Mcp, request: Request<'_>, post: Post<'_>) -> Result<Vec<u8>, Fault> {
    check(&request, post.headers)?;
    let Request { id, method, mut params } = request;
    match &*method {
        "server/discover" => discover::discovered(&id),
        "tools/list" => tools::list(&id, &params, &mcp.catalog(), Era::Modern),
        "tools/call" => {
            let (tool, arguments) = tools::called(&mut params)?;
            let cancel = CancellationToken::new();
            let hang_up = cancel.clone().drop_guard();
            let outcome = mcp.engine.call(&post.caller, tool, arguments, &cancel).await;
            drop(hang_up);
            tools::answer(&id, tool, outcome, Era::Modern)
        }
        other => match EmptyList::of(other) {
            Some(list) => list.to_bytes(&id, &params, Era::Modern),
            None => Err(Fault::unknown_method(other)),
        },
    }
}

/// Holds a request against its own `_meta` and headers. What contradicts itself is told so before
/// it is told that we do not speak its revision.
fn check(request: &Request<'_>, headers: &HeaderMap) -> Result<(), Fault> {
    let meta = match &request.params.meta {
        Object::Valid(meta) => meta,
        Object::Absent | Object::Array | Object::Null | Object::Other => {
            return Err(missing_meta("the object `_meta`"));
        }
    };
    let revision = match &meta.revision {
        Plain::Text(revision) => revision,
        Plain::Absent | Plain::Integer(_) | Plain::Null | Plain::Other => {
            return Err(missing_meta("the text `io.modelcontextprotocol/protocolVersion`"));
        }
    };
    if !matches!(meta.capabilities, Object::Valid(_)) {
        return Err(missing_meta("the object `io.modelcontextprotocol/clientCapabilities`"));
    }
    repeats(headers, &PROTOCOL_VERSION, revision)?;
    repeats(headers, &METHOD, &request.method)?;
    if let ("tools/call", Plain::Text(name)) = (&*request.method, &request.params.name) {
        repeats(headers, &NAME, name)?;
    }
    known(revision).map(drop)
}

fn missing_meta(what: &str) -> Fault {
    Fault::new(Kind::Meta, format!("`params._meta` needs {what} in every request of 2026-07-28"))
}

fn revision_of(headers: &HeaderMap) -> Result<Revision, Fault> {
    let header = headers.get(PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    known(header.unwrap_or_default())
}

fn known(revision: &str) -> Result<Revision, Fault> {
    Revision::named(revision).filter(|known| known.is_modern()).ok_or_else(|| {
        let requested = shown(revision);
        let text = "this server does not speak that revision of MCP in this way";
        Fault::new(Kind::Revision { requested }, text)
    })
}

/// A header that proxies route by must be there once and say what the body says.
fn repeats(headers: &HeaderMap, name: &HeaderName, body: &str) -> Result<(), Fault> {
    let mut sent = headers.get_all(name).iter();
    let told = match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok().and_then(header::decode),
        (None, _) => {
            return Err(Fault::new(Kind::Header, format!("the header {name} is missing")));
        }
        (Some(_), Some(_)) => None,
    };
    if told.as_deref() == Some(body) {
        return Ok(());
    }
    Err(Fault::new(Kind::Header, format!("the header {name} does not say what the body says")))
}

//! A result on its way out: the same body for both eras, with the members that 2026-07-28 adds.
//! It is written once, straight into the bytes of the answer.

use serde::Serialize;

use super::discover::Implementation;
use super::fault::{Fault, Kind};
use super::jsonrpc::Id;
use super::version::Era;
use crate::limits;

/// How long and for whom a client may keep a result (2026-07-28, caching).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Not at all.
    None,
    /// For [`limits::LIST_TTL`], for this caller alone: what is listed depends on the token.
    Private,
}

/// The answer to a request.
pub fn to_bytes<B: Serialize>(
    id: &Id,
    body: &B,
    cache: Cache,
    era: Era,
    size_hint: usize,
) -> Result<Vec<u8>, Fault> {
    let stamp = match era {
        Era::Legacy => None,
        Era::Modern => Some(Stamp::of(cache)),
    };
    // Room for the envelope and the stamp.
    let mut bytes = Vec::with_capacity(size_hint.saturating_add(384));
    let response = Response { jsonrpc: "2.0", id, result: Stamped { body, stamp } };
    match serde_json::to_writer(&mut bytes, &response) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            tracing::error!(%error, "cannot write a result");
            Err(Fault::new(Kind::Internal, "the server could not write the result"))
        }
    }
}

#[derive(Serialize)]
struct Response<'a, B> {
    jsonrpc: &'static str,
    id: &'a Id,
    result: Stamped<'a, B>,
}

#[derive(Serialize)]
struct Stamped<'a, B> {
    #[serde(flatten)]
    body: &'a B,
    #[serde(flatten)]
    stamp: Option<Stamp>,
}

/// What every modern result has (2026-07-28, basic, "Results").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stamp {
    result_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server: Implementation,
}

impl Stamp {
    fn of(cache: Cache) -> Self {
        let (ttl_ms, cache_scope) = match cache {
            Cache::None => (None, None),
            Cache::Private => (Some(limits::LIST_TTL.as_millis()), Some("private")),
        };

        Self {
            result_type: "complete",
            ttl_ms,
            cache_scope,
            meta: Meta { server: Implementation::OURS },
        }
    }
}

//! Every error of the protocol: its JSON-RPC code, its HTTP status and its words. What a tool says
//! about its own failure is a result and is not here.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;

use super::jsonrpc::Id;
use super::version::{Era, Revision};

/// A request that was wrong, or that we failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// What kind of error.
    pub kind: Kind,
    /// For the people and models on the other side. Never a path, a token or a cause of ours.
    pub text: Cow<'static, str>,
}

/// What a client can act upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Not a JSON-RPC message.
    Envelope,
    /// A header that contradicts the body (2026-07-28, streamable HTTP).
    Header,
    /// Our own failure.
    Internal,
    /// `_meta` without what every modern request has.
    Meta,
    /// A method that we do not have.
    Method,
    /// Wrong parameters.
    Params,
    /// Not JSON.
    Parse,
    /// A revision that we do not speak.
    Revision {
        /// What was asked for.
        requested: String,
    },
    /// A session that is unknown, or another caller's.
    Session,
    /// A message that belongs to a session, without one.
    SessionMissing,
}

impl Fault {
    /// An error of this kind in these words.
    pub fn new(kind: Kind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// For a method that we do not have.
    pub fn unknown_method(method: &str) -> Self {
        Self::new(Kind::Method, format!("there is no method {:?} here", shown(method)))
    }

    /// The JSON-RPC code (JSON-RPC 2.0, 5.1; MCP 2026-07-28, basic, "Error codes").
    pub const fn code(&self) -> i32 {
        match self.kind {
            Kind::Parse => -32700,
            Kind::Envelope | Kind::Session | Kind::SessionMissing => -32600,
            Kind::Method => -32601,
            Kind::Meta | Kind::Params => -32602,
            Kind::Internal => -32603,
            Kind::Header => -32020,
            Kind::Revision { .. } => -32022,
        }
    }

    /// The HTTP status. Before 2026-07-28 an error of JSON-RPC is an answer like any other.
    pub const fn status(&self, era: Era) -> StatusCode {
        match (&self.kind, era) {
            (Kind::Session, _) | (Kind::Method, Era::Modern) => StatusCode::NOT_FOUND,
            (Kind::Internal | Kind::Method | Kind::Params, _) => StatusCode::OK,
            (
                Kind::Envelope
                | Kind::Header
                | Kind::Meta
                | Kind::Parse
                | Kind::Revision { .. }
                | Kind::SessionMissing,
                _,
            ) => StatusCode::BAD_REQUEST,
        }
    }

    /// The error response. Without an id that could be read it has none: MCP's ids are never null.
    pub fn to_bytes(&self, id: Option<&Id>) -> Vec<u8> {
        let data = match &self.kind {
            Kind::Revision { requested } => {
                Some(Data { supported: Revision::ALL.map(Revision::as_str), requested })
            }
            Kind::Envelope
            | Kind::Header
            | Kind::Internal
            | Kind::Meta
            | Kind::Method
            | Kind::Params
            | Kind::Parse
            | Kind::Session
            | Kind::SessionMissing => None,
        };
        let error = Error { code: self.code(), message: &self.text, data };
        // Text and numbers only: this cannot fail, and an empty body would be refused as no answer.
        serde_json::to_vec(&Response { jsonrpc: "2.0", id, error }).unwrap_or_default()
    }
}

/// What an error repeats of a name that came. More of it says nothing.
pub fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
struct Data<'a> {
    supported: [&'static str; 5],
    requested: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_no_null_id_and_its_data_only_where_the_code_has_data() {
        let fault = Fault::new(Kind::Parse, "the body is not JSON");
        let bytes = fault.to_bytes(None);
        let text = r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"the body is not JSON"}}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
        let fault = Fault::new(Kind::Revision { requested: "2099-01-01".into() }, "no");
        let bytes = fault.to_bytes(Some(&Id::Text("a".into())));
        let text = concat!(
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32022,"message":"no","data":{"supported":"#,
            r#"["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],"#,
            r#""requested":"2099-01-01"}}}"#
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}

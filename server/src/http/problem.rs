//! The one place that makes the answers of a request that HTTP itself turns away. Their text is for
//! the person who reads a client's log: what was wrong and what to do.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use super::body::BodyError;
use super::origin::Foreign;
use crate::auth::Unauthorized;

/// Why a request never reached MCP.
#[derive(Debug)]
pub enum Problem {
    /// Reading its body failed.
    Body(BodyError),
    /// The server has as many requests as it takes.
    Busy,
    /// It came from a place that may not speak to us.
    Foreign(Foreign),
    /// We failed at it.
    Internal,
    /// Its body is not declared as JSON.
    MediaType,
    /// The endpoint has no such method; this is what it has.
    Method(&'static str),
    /// There is nothing at this path.
    NotFound,
    /// There is no such MCP session of this caller.
    Session,
    /// A session is meant, but none is named.
    SessionMissing,
    /// It has no bearer token, or none of ours.
    Unauthorized(Unauthorized),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        let mut tell = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        let (status, text) = match self {
            Self::Body(BodyError::TooLong { max }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("the request's body is over {max} bytes"))
            }
            Self::Body(BodyError::TooSlow) => {
                (StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time".into())
            }
            Self::Body(BodyError::Broken) => {
                (StatusCode::BAD_REQUEST, "the request's body ended early".into())
            }
            Self::Busy | Self::Body(BodyError::NoRoom) => {
                tell(RETRY_AFTER, "1");
                let text = "the server has as many requests as it takes; try again in a second";
                (StatusCode::SERVICE_UNAVAILABLE, text.into())
            }
            Self::Foreign(foreign @ Foreign::NoHost) => {
                (StatusCode::BAD_REQUEST, foreign.to_string())
            }
            Self::Foreign(foreign @ (Foreign::Host | Foreign::Origin)) => {
                (StatusCode::FORBIDDEN, foreign.to_string())
            }
            Self::Internal => {
                let text = "the server failed at this request; its log says more";
                (StatusCode::INTERNAL_SERVER_ERROR, text.into())
            }
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the message with Content-Type: application/json".into(),
            ),
            Self::Method(allow) => {
                tell(ALLOW, allow);
                let text = format!("this endpoint takes {allow}; it opens no event stream");
                (StatusCode::METHOD_NOT_ALLOWED, text)
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".into()),
            Self::Session => (
                StatusCode::NOT_FOUND,
                "the session has ended or never was; send initialize again".into(),
            ),
            Self::SessionMissing => {
                (StatusCode::BAD_REQUEST, "the Mcp-Session-Id header is missing".into())
            }
            Self::Unauthorized(Unauthorized::Missing) => {
                // RFC 6750, 3.1: no error code for a request without credentials.
                tell(WWW_AUTHENTICATE, "Bearer");
                let text = "a token is needed: send Authorization: Bearer <token>";
                (StatusCode::UNAUTHORIZED, text.into())
            }
            Self::Unauthorized(Unauthorized::Malformed | Unauthorized::Unknown) => {
                tell(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#);
                let text = "the token is not valid here; ask the operator for one \
                            (mcpfusion token add)";
                (StatusCode::UNAUTHORIZED, text.into())
            }
        };
        (status, headers, text + "\n").into_response()
    }
}

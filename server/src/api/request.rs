//! One HTTP request, made from an endpoint and checked arguments. The config decides where a value
//! goes; no value can leave its place: not its path segment, not its query pair, not its header.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use url::Url;

use crate::call::args::ValidArgs;
use crate::model::endpoint::{ApiPlace, Auth, Endpoint, PathPart, ResponseKind};
use crate::model::plain::plain;

/// How the server names itself.
pub const AGENT: &str = concat!("mcpfusion/", env!("CARGO_PKG_VERSION"));
/// All but `unreserved` (RFC 3986, 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// All but `unreserved` and what a query (RFC 3986, 3.4) may hold without a meaning to forms.
const QUERY: &AsciiSet = &SEGMENT.remove(b'$').remove(b',').remove(b':').remove(b'/').remove(b'@');
/// They belong to the connection or say where the message ends (RFC 9110, 7.6.1; RFC 9112, 6).
const FRAMING: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A request, ready to be sent. `Debug` shows no argument: one may be a secret.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// All headers but those of the connection.
    pub headers: HeaderMap,
    /// The JSON body.
    pub body: Option<Bytes>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.method, self.url.host_str().unwrap_or_default())
    }
}

/// Arguments do not make a request. No text has a value in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Two parameters claim one place of the body.
    #[error("`{0}` cannot be placed in the body beside the other parameters; send fewer of them")]
    Body(String),
    /// The service's token is not fit for a header.
    #[error(
        "the token of `{0}` holds characters that no header may carry; its operator sets it anew"
    )]
    Credential(String),
    /// A header that an argument may not set.
    #[error("`{param}` would set the header `{name}`, which belongs to the connection")]
    Framing {
        /// The parameter.
        param: String,
        /// The header.
        name: HeaderName,
    },
    /// A value is not fit for a header.
    #[error("`{0}` must be one line without control characters, because it becomes a header")]
    Header(String),
    /// Nothing for a hole in the path.
    #[error("`{0}` is needed for the path of the request; send it")]
    PathMissing(String),
    /// A value would lead out of its segment.
    #[error("`{0}` must not be empty, `.` or `..`, because it is a part of a path")]
    PathSegment(String),
    /// The path as a whole has a dot segment.
    #[error("the path of the request would have a `.` or `..` segment; send other values")]
    PathDots,
}

impl Request {
    /// Places each value.
    pub fn build(endpoint: &Endpoint, args: &ValidArgs) -> Result<Self, RequestError> {
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&endpoint.method);
        let mut headers = standing_headers(endpoint.response);
        let mut query = endpoint.fixed_query.clone().unwrap_or_default();
        let mut body = Map::new();
        for (index, placed) in endpoint.params.iter().enumerate() {
            let Some(value) = args.get(index) else { continue };
            let param = &placed.param.exposed;
            match &placed.place {
                ApiPlace::Body(keys) if has_body => {
                    put(&mut body, keys, value).ok_or_else(|| RequestError::Body(param.clone()))?;
                }
                ApiPlace::Header(name) => {
                    headers.insert(name, header_value(param, name, value)?);
                }
                // The path has its own way, and this method has no body (RFC 9110, 9.3).
                ApiPlace::Path | ApiPlace::Body(_) => {}
                ApiPlace::Query(name) => add_pairs(&mut query, name, value),
            }
        }
        let body = (!body.is_empty()).then(|| Bytes::from(Value::Object(body).to_string()));
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
        }
        authorize(endpoint, &mut headers)?;
        let mut url = endpoint.base.clone();
        set_path(&mut url, &path(endpoint, args)?)?;
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        Ok(Self { method: endpoint.method.clone(), url, headers, body })
    }
}

fn standing_headers(response: ResponseKind) -> HeaderMap {
    let accept = match response {
        ResponseKind::Json => "application/json",
        ResponseKind::Text => "text/plain, */*;q=0.8",
    };
    HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static(accept)),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ])
}

fn authorize(endpoint: &Endpoint, headers: &mut HeaderMap) -> Result<(), RequestError> {
    match &endpoint.service.auth {
        Auth::Bearer(secret) => {
            let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose()))
                .map_err(|_cannot_say| RequestError::Credential(endpoint.service.name.clone()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Auth::None => {}
    }
    Ok(())
}

fn path(endpoint: &Endpoint, args: &ValidArgs) -> Result<String, RequestError> {
    let mut path = String::new();
    for part in &endpoint.path.0 {
        match part {
            PathPart::Literal(text) => path.push_str(text),
            PathPart::Param(index) => {
                let name = endpoint.params.get(*index).map(|p| p.param.exposed.as_str());
                let name = || name.unwrap_or_default().to_owned();
                let value = args.get(*index).ok_or_else(|| RequestError::PathMissing(name()))?;
                let text = joined(value);
                if matches!(text.as_ref(), "" | "." | "..") {
                    return Err(RequestError::PathSegment(name()));
                }
                path.extend(utf8_percent_encode(&text, SEGMENT));
            }
        }
    }
    Ok(path)
}

fn set_path(url: &mut Url, below: &str) -> Result<(), RequestError> {
    let path = format!("{}/{}", url.path().trim_end_matches('/'), below.trim_start_matches('/'));
    // The URL parser would resolve them, in their escaped spelling too; two harmless values side by
    // side may make one.
    let is_dots = |segment: &str| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    };
    if path.split(['/', '\\']).any(is_dots) {
        return Err(RequestError::PathDots);
    }
    url.set_path(&path);
    Ok(())
}

fn add_pairs(query: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| add_pairs(query, name, item)),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::String(_) => {
            if !query.is_empty() {
                query.push('&');
            }
            query.extend(utf8_percent_encode(name, QUERY));
            query.push('=');
            query.extend(utf8_percent_encode(&plain(value), QUERY));
        }
    }
}

fn header_value(
    param: &str,
    name: &HeaderName,
    value: &Value,
) -> Result<HeaderValue, RequestError> {
    if FRAMING.contains(name) {
        return Err(RequestError::Framing { param: param.to_owned(), name: name.clone() });
    }
    HeaderValue::from_bytes(joined(value).as_bytes())
        .map_err(|_cannot_say| RequestError::Header(param.to_owned()))
}

/// The value on one line; the items of a list with commas between.
fn joined(value: &Value) -> Cow<'_, str> {
    match value.as_array() {
        Some(items) => items.iter().map(plain).collect::<Vec<_>>().join(",").into(),
        None => plain(value),
    }
}

/// Puts `value` under nested keys; `None` if something else is there.
fn put(map: &mut Map<String, Value>, keys: &[String], value: &Value) -> Option<()> {
    let (key, rest) = keys.split_first()?;
    if rest.is_empty() {
        return map.insert(key.clone(), value.clone()).is_none().then_some(());
    }
    let inner = map.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()));
    put(inner.as_object_mut()?, rest, value)
}

#[cfg(test)]
mod tests;

//! A client of MCP servers: one stateless request of 2026-07-28, and its result or a reason that
//! says what to do.

use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;

use crate::api::client::is_refused;
use crate::api::request::AGENT;
use crate::api::tls;
use crate::limits;
use crate::mcp::discover::VERSION;
use crate::mcp::header;
use crate::mcp::version::{PROTOCOL_VERSION, Revision};
use crate::model::secret::Secret;

/// Sends one request and reads its result.
pub async fn ask<T: DeserializeOwned>(
    url: &Url,
    token: Option<&Secret>,
    method: &'static str,
    params: Params<'_>,
) -> Result<T, ClientError> {
    let url = endpoint(url)?;
    let at = host_and_port(&url);
    let transport = |error: reqwest::Error| ClientError::Transport {
        at: at.clone(),
        source: error.without_url(),
    };
    let headers = headers(method, params.name, token)?;
    let params = WithMeta { meta: Meta::default(), params };
    let request = Request { jsonrpc: "2.0", id: 1, method, params };
    let client = client(&url).map_err(transport)?;
    let sent = client.post(url.clone()).headers(headers).json(&request).send().await;
    let mut response = sent.map_err(|error| {
        if is_refused(&error) { ClientError::NotListening(at.clone()) } else { transport(error) }
    })?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len().saturating_add(chunk.len()) > limits::CLIENT_ANSWER {
            let why = format!("its answer is over {} bytes", limits::CLIENT_ANSWER);
            return Err(not_mcp(&at, why));
        }
        body.extend_from_slice(&chunk);
    }
    match status {
        StatusCode::UNAUTHORIZED if token.is_some() => return Err(ClientError::TokenUnknown),
        StatusCode::UNAUTHORIZED => return Err(ClientError::TokenMissing),
        StatusCode::FORBIDDEN => return Err(ClientError::Forbidden(excerpt(&body))),
        _ => {}
    }
    let answer: Response<'_> = serde_json::from_slice(&body)
        .map_err(|_json| not_mcp(&at, format!("HTTP {status}: {}", excerpt(&body))))?;
    match (answer.result, answer.error) {
        (Some(result), None) => serde_json::from_str(result.get())
            .map_err(|error| not_mcp(&at, format!("its result cannot be read: {error}"))),
        (_, Some(RpcError { code, message })) => Err(ClientError::Protocol { code, message }),
        (None, None) => Err(not_mcp(&at, format!("HTTP {status} without a result"))),
    }
}

/// There is no answer, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one of HTTP.
    #[error("{0} is not the address of an MCP server; write it like http://127.0.0.1:8888/mcp")]
    Address(String),
    /// The token cannot go into a header.
    #[error("the token has characters that no token has; check for a line end in it")]
    Token,
    /// Nobody listens.
    #[error("nobody listens at {0}; start the server with `mcpfusion serve`, or check the port")]
    NotListening(String),
    /// The request did not get through, or its answer not back.
    #[error("cannot speak with {at}")]
    Transport {
        /// Host and port.
        at: String,
        /// Why.
        source: reqwest::Error,
    },
    /// 401.
    #[error("the server does not know this token; make one with `mcpfusion token add`")]
    TokenUnknown,
    /// 401, and no token was sent.
    #[error(
        "the server wants a token; make one with `mcpfusion token add` and give it with --token"
    )]
    TokenMissing,
    /// 403.
    #[error("the server refuses requests from here: {0}")]
    Forbidden(String),
    /// Another kind of server.
    #[error("{at} answered, but not as an MCP server of {revision} does: {why}")]
    NotMcp {
        /// Where.
        at: String,
        /// What we speak.
        revision: &'static str,
        /// What came.
        why: String,
    },
    /// An error of the protocol.
    #[error("{message} (MCP error {code})")]
    Protocol {
        /// The JSON-RPC code.
        code: i64,
        /// The server's words.
        message: String,
    },
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u32,
    method: &'static str,
    params: WithMeta<'a>,
}

#[derive(Serialize)]
struct WithMeta<'a> {
    #[serde(rename = "_meta")]
    meta: Meta,
    #[serde(flatten)]
    params: Params<'a>,
}

/// The parameters of a request.
#[derive(Debug, Default, Serialize)]
pub struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Of the tool.
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Of the tool.
    pub arguments: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Of the next page.
    pub cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    revision: &'static str,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    client: Client,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Map<String, Value>,
}

#[derive(Serialize)]
struct Client {
    name: &'static str,
    version: &'static str,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            revision: Revision::V2026_07_28.as_str(),
            client: Client { name: "mcpfusion-cli", version: VERSION },
            capabilities: Map::new(),
        }
    }
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
}

/// An address without a path means `/mcp`. A password in it would be sent and shown: it is refused.
fn endpoint(url: &Url) -> Result<Url, ClientError> {
    let mut url = url.clone();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || has_user {
        let at = format!("{}://{}", url.scheme(), host_and_port(&url));
        return Err(ClientError::Address(at));
    }
    if url.path() == "/" {
        url.set_path("/mcp");
    }
    Ok(url)
}

fn host_and_port(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

fn headers(
    method: &'static str,
    name: Option<&str>,
    token: Option<&Secret>,
) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(Revision::V2026_07_28.as_str()));
    headers.insert(header::METHOD, HeaderValue::from_static(method));
    if let Some(name) = name {
        let value = HeaderValue::from_str(&header::encode(name));
        headers.insert(header::NAME, value.unwrap_or(HeaderValue::from_static("")));
    }
    if let Some(token) = token {
        let text = format!("Bearer {}", token.expose());
        let mut value = HeaderValue::from_str(&text).map_err(|_text| ClientError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// A client that goes straight to the server: no proxy, no redirect, and for http no authorities.
fn client(url: &Url) -> reqwest::Result<reqwest::Client> {
    let roots = if url.scheme() == "https" { tls::roots() } else { RootCertStore::empty() };
    let mut builder = reqwest::Client::builder();
    // The provider speaks the default versions; without a configuration the build below says so.
    if let Ok(tls) = tls::config(roots) {
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(limits::API_CONNECT)
        .user_agent(AGENT)
        .build()
}

fn not_mcp(at: &str, why: String) -> ClientError {
    ClientError::NotMcp { at: at.to_owned(), revision: Revision::V2026_07_28.as_str(), why }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c });
    text.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_for_http_needs_no_authorities_and_one_for_https_finds_some() {
        assert!(client(&"http://127.0.0.1/".parse().unwrap()).is_ok());
        assert!(client(&"https://127.0.0.1/".parse().unwrap()).is_ok());
    }
}

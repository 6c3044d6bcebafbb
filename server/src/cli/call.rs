//! What `mcpfusion call` and `mcpfusion tools` do: one stateless request of 2026-07-28 to a server,
//! and an answer or a reason that says what to do.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{HeaderMap as Headers, StatusCode};
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;

use crate::limits;
use crate::mcp::discover::VERSION;
use crate::mcp::version::{PROTOCOL_VERSION, Revision};
use crate::model::secret::Secret;

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReply {
    /// Its text; content of other kinds is named in brackets.
    pub text: String,
    /// Its structured content.
    pub structured: Option<Value>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A tool as a server lists it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedTool {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For models.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
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

/// Calls a tool.
pub async fn run(
    url: &Url,
    token: Option<&Secret>,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<CallReply, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct CallToolResult {
        content: Vec<Content>,
        structured_content: Option<Value>,
        #[serde(default)]
        is_error: bool,
    }
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "type")]
        kind: String,
        text: Option<String>,
    }
    let params = Params { name: Some(tool), arguments: Some(&arguments), ..Params::default() };
    let result: CallToolResult = ask(url, token, "tools/call", params).await?;
    let parts = result.content.into_iter();
    let text: Vec<_> =
        parts.map(|part| part.text.unwrap_or_else(|| format!("[{}]", part.kind))).collect();
    Ok(CallReply {
        text: text.join("\n"),
        structured: result.structured_content,
        is_error: result.is_error,
    })
}

/// Lists the tools, all pages.
pub async fn list(url: &Url, token: Option<&Secret>) -> Result<Vec<ListedTool>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        tools: Vec<ListedTool>,
        next_cursor: Option<String>,
    }
    let mut tools = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let params = Params { cursor: cursor.as_deref(), ..Params::default() };
        let page: Page = ask(url, token, "tools/list", params).await?;
        tools.extend(page.tools);
        // The same cursor again would never end.
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            return Ok(tools);
        }
        cursor = page.next_cursor;
    }
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u32,
    method: &'static str,
    params: Params<'a>,
}

#[derive(Default, Serialize)]
struct Params<'a> {
    #[serde(rename = "_meta")]
    meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
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

async fn ask<T: DeserializeOwned>(
    url: &Url,
    token: Option<&Secret>,
    method: &'static str,
    params: Params<'_>,
) -> Result<T, ClientError> {
    let url = endpoint(url)?;
    let at = host_and_port(&url);
    let transport = |source| ClientError::Transport { at: at.clone(), source };
    let request = Request { jsonrpc: "2.0", id: 1, method, params };
    let headers = headers(method, request.params.name, token)?;
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
) -> Result<Headers, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(Revision::V2026_07_28.as_str()));
    headers.insert(HeaderName::from_static("mcp-method"), HeaderValue::from_static(method));
    if let Some(name) = name {
        headers.insert(HeaderName::from_static("mcp-name"), header_value(name));
    }
    if let Some(token) = token {
        let text = format!("Bearer {}", token.expose());
        let mut value = HeaderValue::from_str(&text).map_err(|_text| ClientError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Text as it is, or in base64 where a header cannot carry it (2026-07-28, streamable HTTP).
fn header_value(text: &str) -> HeaderValue {
    use base64::Engine as _;
    let plain = text.bytes().all(|b| matches!(b, 0x20..=0x7e))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    let value = if plain {
        HeaderValue::from_str(text)
    } else {
        let payload = base64::engine::general_purpose::STANDARD.encode(text);
        HeaderValue::from_str(&format!("=?base64?{payload}?="))
    };
    value.unwrap_or(HeaderValue::from_static(""))
}

/// A client that goes straight to the server: no proxy, no redirect, and for http no authorities.
fn client(url: &Url) -> reqwest::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    if url.scheme() == "https" {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    let mut builder = reqwest::Client::builder();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider);
    // The provider speaks the default versions; without a configuration the build below says so.
    if let Ok(tls) = tls.with_safe_default_protocol_versions() {
        builder = builder
            .tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth());
    }
    builder
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("mcpfusion/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
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
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::any;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::mcp::tests::rig::{ANNA, Rig};

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    async fn call(rig: &Rig, token: Option<&str>, tool: &str) -> Result<CallReply, ClientError> {
        let token = token.map(|text| Secret::new(text.to_owned()));
        let arguments = json!({"n": 1}).as_object().unwrap().clone();
        run(&url(&format!("http://{}", rig.at)), token.as_ref(), tool, arguments).await
    }

    /// A server that answers everything in this way.
    async fn other_server(answer: axum::routing::MethodRouter) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = Router::new().route("/mcp", answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        url(&format!("http://{at}/mcp"))
    }

    #[tokio::test]
    async fn a_call_gives_text_and_structure_and_tells_a_failed_tool() {
        let rig = Rig::start().await;
        let reply = call(&rig, Some(ANNA), "echo").await.unwrap();
        assert_eq!((reply.structured, reply.is_error), (Some(json!({"n": 1})), false));
        assert!(reply.text.ends_with(r#"{"n":1}"#), "{}", reply.text);
        assert!(call(&rig, Some(ANNA), "fails").await.unwrap().is_error);
    }

    #[tokio::test]
    async fn a_tools_name_that_a_header_cannot_carry_gets_to_the_server() {
        let rig = Rig::start().await;
        for tool in ["\u{e9}cho", " echo", "=?base64?ZWNobw==?=", "a\nb"] {
            let error = call(&rig, Some(ANNA), tool).await.unwrap_err();
            let ClientError::Protocol { code, message } = error else { panic!("{error}") };
            assert!(code == -32602 && message.contains("no tool"), "{message}");
        }
    }

    #[tokio::test]
    async fn the_tools_are_listed() {
        let rig = Rig::start().await;
        let token = Secret::new(ANNA.into());
        let tools = list(&url(&format!("http://{}/mcp", rig.at)), Some(&token)).await.unwrap();
        let names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, ["echo", "fails", "slow"]);
    }

    #[tokio::test]
    async fn a_wrong_token_and_a_missing_one_are_told_apart() {
        let rig = Rig::start().await;
        let error = call(&rig, Some("nobody"), "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::TokenUnknown), "{error}");
        let error = call(&rig, None, "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::TokenMissing), "{error}");
        let error = call(&rig, Some("an\nna"), "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::Token), "{error}");
    }

    #[tokio::test]
    async fn nobody_listening_is_said_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let error = list(&url(&format!("http://{at}")), None).await.unwrap_err();
        assert!(matches!(&error, ClientError::NotListening(port) if *port == at.to_string()));
    }

    #[tokio::test]
    async fn another_kind_of_server_is_said_so_and_no_redirect_is_followed() {
        for answer in [
            any(|| async { "<html>" }),
            any(|| async { Redirect::temporary("http://127.0.0.1:1/") }),
            any(|| async { r#"{"jsonrpc":"2.0","id":1}"# }),
            any(|| async { r#"{"jsonrpc":"2.0","id":1,"result":{}}"# }),
            any(|| async { StatusCode::NOT_FOUND }),
        ] {
            let error = list(&other_server(answer).await, None).await.unwrap_err();
            assert!(matches!(error, ClientError::NotMcp { .. }), "{error}");
        }
        let refuses = any(|| async { (StatusCode::FORBIDDEN, "not\x1b[2Jfrom here") });
        let error = list(&other_server(refuses).await, None).await.unwrap_err();
        assert!(matches!(&error, ClientError::Forbidden(text) if text == "not [2Jfrom here"));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_right_is_refused_without_its_password() {
        for text in ["ftp://127.0.0.1/mcp", "file:///mcp", "http://anna:hunter2@127.0.0.1/mcp"] {
            let error = list(&url(text), None).await.unwrap_err();
            assert!(matches!(error, ClientError::Address(_)), "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_client_for_http_needs_no_authorities_and_one_for_https_finds_some() {
        assert!(client(&url("http://127.0.0.1/")).is_ok());
        assert!(client(&url("https://127.0.0.1/")).is_ok());
    }
}

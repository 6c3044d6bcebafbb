//! A server in this process on a port of its own, and a client that says exactly what it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::{Access, Tokens};
use crate::call::engine::Engine;
use crate::catalog::Catalog;
use crate::http::origin::Hosts;
use crate::http::router::{HttpState, router};
use crate::model::caller::UserId;
use crate::net::accept::{Bounds, serve_within};

/// A token of one user.
pub(crate) const ANNA: &str = "anna";
/// A token of another one.
pub(crate) const BERT: &str = "bert";

/// Tools: `echo` gives its arguments back, `fails` fails, `slow` runs until it is cancelled.
fn engine() -> Engine {
    let listing = r#"[{"name":"echo","description":"Says it back.","inputSchema":{"type":"object"}},{"name":"fails","description":"Fails.","inputSchema":{"type":"object"}},{"name":"slow","description":"Runs until it is cancelled.","inputSchema":{"type":"object"}}]"#;
    let listing = serde_json::value::RawValue::from_string(listing.into()).unwrap();
    let catalog = Arc::new(Catalog { listing, len: 3 });
    Engine { catalog, started: Semaphore::new(0), ended: Arc::new(Semaphore::new(0)) }
}

/// Two users, a token each.
fn access() -> Access {
    let user = |n| UserId(Uuid::from_u128(n));
    let tokens = HashMap::from([(ANNA.to_owned(), user(1)), (BERT.to_owned(), user(2))]);
    Access::Tokens(Arc::new(Tokens(tokens)))
}

pub(crate) struct Rig {
    pub(crate) at: SocketAddr,
    pub(crate) state: Arc<HttpState>,
    engine: Arc<Engine>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Bounds::STANDARD, |_| ()).await
    }

    pub(crate) async fn start_with(bounds: Bounds, change: impl FnOnce(&mut HttpState)) -> Self {
        let engine = Arc::new(engine());
        let hosts = Hosts::new(&[], &["mcp.example.org"]).unwrap();
        let mut state = HttpState::new(access(), Arc::clone(&engine), hosts);
        change(&mut state);
        let state = Arc::new(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = router(Arc::clone(&state));
        tokio::spawn(serve_within(listener, app, CancellationToken::new(), bounds));
        Self { at, state, engine }
    }

    /// What the catalog lists, byte for byte.
    pub(crate) fn listing(&self) -> String {
        self.state.mcp.catalog().listing().get().to_owned()
    }

    /// Waits until `slow` has begun once more.
    pub(crate) async fn slow_began(&self) {
        self.engine.started.acquire().await.unwrap().forget();
    }

    /// Waits until `slow` has ended once more.
    pub(crate) async fn slow_ended(&self) {
        self.engine.ended.acquire().await.unwrap().forget();
    }

    /// Whether a `slow` has ended that nobody waited for.
    pub(crate) fn has_slow_ended(&self) -> bool {
        self.engine.ended.available_permits() > 0
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// Sends these bytes and reads until the server hangs up.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// One request on a connection of its own. `headers` replace the usual ones; an empty value
    /// leaves a header out.
    pub(crate) async fn send(&self, head: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(request(head, headers, body).as_bytes()).await
    }

    /// A message of the modern era, with everything that such a message has.
    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        let (headers, body) = modern(method, params);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        self.send("POST /mcp", &headers, &body).await
    }

    /// Begins a session and gives its id.
    pub(crate) async fn session(&self, token: &str) -> String {
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let bearer = format!("Bearer {token}");
        let answer = self.send("POST /mcp", &[("authorization", &bearer)], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.headers["mcp-session-id"].clone()
    }

    /// A message in a session.
    pub(crate) async fn legacy(&self, session: &str, body: &str) -> Answer {
        self.send("POST /mcp", &[("mcp-session-id", session)], body).await
    }
}

/// The bytes of a request.
pub(crate) fn request(head: &str, headers: &[(&str, &str)], body: &str) -> String {
    let usual = [
        ("host", "localhost"),
        ("authorization", "Bearer anna"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("connection", "close"),
    ];
    let kept = usual.iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    let given = headers.iter().filter(|(_, value)| !value.is_empty());
    let lines: String =
        kept.chain(given).flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    format!("{head} HTTP/1.1\r\ncontent-length: {}\r\n{lines}\r\n{body}", body.len())
}

/// The headers and the body of a modern message.
pub(crate) fn modern(method: &str, mut params: Value) -> (Vec<(&'static str, String)>, String) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut headers =
        vec![("mcp-protocol-version", "2026-07-28".to_owned()), ("mcp-method", method.to_owned())];
    if let Some(name) = params["name"].as_str() {
        headers.push(("mcp-name", name.to_owned()));
    }
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    (headers, body.to_string())
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A server that refuses a body resets the connection behind its answer.
        while let Ok(1..) = stream.read_buf(&mut bytes).await {}
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and the code of an error response.
    pub(crate) fn error(&self) -> (u16, i64) {
        (self.status, self.json()["error"]["code"].as_i64().expect("an error"))
    }
}

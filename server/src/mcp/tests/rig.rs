//! A server in this process on a port of its own, and a client that says exactly what it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::client::Client;
use crate::auth::Access;
use crate::auth::table::{Change, Tokens};
use crate::call::engine::Engine;
use crate::catalog::Catalog;
use crate::catalog::fixture::{self, endpoint, param};
use crate::clock::Clock;
use crate::exec::client::Runner;
use crate::http::origin::Hosts;
use crate::http::router::{HttpState, router};
use crate::model::caller::{TokenHash, UserId};
use crate::model::endpoint::{ApiPlace, Endpoint, PathPart, PathTemplate};
use crate::model::param::{ParamKind, Presence};
use crate::model::tool::Action;
use crate::net::accept::{Bounds, serve_within};

/// A token of one user.
pub(crate) const ANNA: &str = "anna";
/// A token of another one.
pub(crate) const BERT: &str = "bert";

/// An upstream of API tools. `echo` gives its arguments back, `fails` fails, and `slow` runs until
/// its client hangs up.
#[derive(Clone)]
struct Upstream {
    began: Arc<Semaphore>,
    ended: Arc<Semaphore>,
}

impl Upstream {
    fn new() -> Self {
        Self { began: Arc::new(Semaphore::new(0)), ended: Arc::new(Semaphore::new(0)) }
    }

    fn app(&self) -> Router {
        let Self { began, ended } = self.clone();
        let slow = move || {
            let (began, end) = (Arc::clone(&began), End(Arc::clone(&ended)));
            async move {
                began.add_permits(1);
                std::future::pending::<()>().await;
                drop(end);
            }
        };
        Router::new()
            .route("/echo", post(|arguments: Option<Json<Value>>| async { echoed(arguments) }))
            .route("/fails", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/slow", get(slow))
    }
}

/// Without an argument a request has no body.
fn echoed(arguments: Option<Json<Value>>) -> Json<Value> {
    arguments.unwrap_or_else(|| Json(json!({})))
}

/// Signals its own end.
struct End(Arc<Semaphore>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// The tools of an upstream.
async fn engine(upstream: &Upstream) -> Engine {
    let at = crate::api::tests::upstream(upstream.app()).await;
    let tool = |name: &str, method: Method, params: &[(&str, ParamKind)]| {
        let params = params.iter().map(|(name, kind)| {
            let place = ApiPlace::Body(vec![(*name).to_owned()]);
            (param(name, kind.clone(), Presence::Optional), place)
        });
        let endpoint = Endpoint {
            method,
            base: format!("http://{at}/").parse().unwrap(),
            path: PathTemplate(vec![PathPart::Literal(format!("/{name}"))]),
            // No call of a test ends by it.
            timeout: Duration::from_hours(1),
            ..endpoint(params)
        };
        fixture::tool(name, Action::Api(endpoint))
    };
    let catalog = Catalog::build(vec![
        tool("echo", Method::POST, &[("n", ParamKind::Integer), ("deep", ParamKind::Object)]),
        tool("fails", Method::GET, &[]),
        tool("slow", Method::GET, &[]),
    ]);
    let runner = Runner::new("/nonexistent/runner.sock".into());
    Engine::new(catalog.unwrap(), Client::new().unwrap(), runner)
}

/// Two users, a token each.
fn access() -> Access {
    let tokens = Tokens::new(Clock::System);
    tokens.publish([(ANNA, 1), (BERT, 2)].map(|(token, user)| Change::Add {
        hash: TokenHash::of(token),
        user: UserId(Uuid::from_u128(user)),
        expires_at: None,
        last_used_at: None,
    }));
    Access::Tokens(Arc::new(tokens))
}

pub(crate) struct Rig {
    pub(crate) at: SocketAddr,
    pub(crate) state: Arc<HttpState>,
    upstream: Upstream,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Bounds::STANDARD, |_| ()).await
    }

    pub(crate) async fn start_with(bounds: Bounds, change: impl FnOnce(&mut HttpState)) -> Self {
        let upstream = Upstream::new();
        let engine = Arc::new(engine(&upstream).await);
        let hosts = Hosts::new(&[], &["mcp.example.org"]).unwrap();
        let mut state = HttpState::new(access(), engine, hosts);
        change(&mut state);
        let state = Arc::new(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = router(Arc::clone(&state));
        tokio::spawn(serve_within(listener, app, CancellationToken::new(), bounds));
        Self { at, state, upstream }
    }

    /// What the catalog lists, byte for byte.
    pub(crate) fn listing(&self) -> String {
        self.state.mcp.catalog().listing().get().to_owned()
    }

    /// Waits until `slow` has begun once more.
    pub(crate) async fn slow_began(&self) {
        self.upstream.began.acquire().await.unwrap().forget();
    }

    /// Waits until `slow` has ended once more.
    pub(crate) async fn slow_ended(&self) {
        self.upstream.ended.acquire().await.unwrap().forget();
    }

    /// Whether a `slow` has ended that nobody waited for.
    pub(crate) async fn has_slow_ended(&self) -> bool {
        // Whatever was hung up before this call is there before it.
        assert_eq!(self.modern("tools/call", json!({"name": "echo"})).await.status, 200);
        self.upstream.ended.available_permits() > 0
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

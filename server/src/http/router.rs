//! The routes, and the order in which a request is judged: origin, bearer, method, media type,
//! body, MCP. A request that fails one is told so before anything after it is read.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;

use super::body;
use super::health;
use super::origin::Hosts;
use super::problem::Problem;
use super::survive::survive;
use crate::auth::{Access, Unauthorized};
use crate::call::engine::Engine;
use crate::limits;
use crate::mcp::discover::VERSION;
use crate::mcp::dispatch::{Ended, Mcp, Post, Reply, Slot};
use crate::mcp::version::{Revision, SESSION_ID};
use crate::model::caller::Caller;

/// What every request shares.
#[derive(Debug)]
pub struct HttpState {
    /// Who may come in.
    pub access: Access,
    /// The protocol behind `/mcp`.
    pub mcp: Mcp,
    /// The hosts we go by.
    pub hosts: Hosts,
    /// What a body may take.
    pub bounds: body::Bounds,
    /// What all bodies may take together.
    pub room: body::Room,
    /// When the server started.
    pub started_at: Instant,
    requests: Arc<Semaphore>,
}

impl HttpState {
    /// The state of a server that starts now.
    pub fn new(access: Access, engine: Arc<Engine>, hosts: Hosts) -> Self {
        Self {
            access,
            mcp: Mcp::new(engine),
            hosts,
            bounds: body::Bounds::STANDARD,
            room: body::Room::of(limits::BODIES_BYTES),
            started_at: Instant::now(),
            requests: Arc::new(Semaphore::new(limits::REQUESTS)),
        }
    }

    /// Takes at most `max` requests at one time, instead of [`limits::REQUESTS`].
    pub fn take_requests(&mut self, max: usize) {
        self.requests = Arc::new(Semaphore::new(max));
    }
}

/// The server's routes.
pub fn router(state: Arc<HttpState>) -> Router {
    Router::new()
        .route("/", get(hint))
        .route("/health", get(health::report))
        .route("/mcp", any(mcp))
        // Clients that know only HTTP try the address that they were given for SSE, too.
        .route("/sse", any(mcp))
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(&state), judge_origin))
        .layer(from_fn(survive))
        .with_state(state)
}

async fn judge_origin(
    State(state): State<Arc<HttpState>>,
    request: Request,
    next: Next,
) -> Response {
    match state.hosts.judge(request.headers(), request.uri().authority()) {
        Ok(()) => next.run(request).await,
        Err(foreign) => Problem::Foreign(foreign).into_response(),
    }
}

async fn hint() -> String {
    format!("MCPFusion {VERSION}: point an MCP client at /mcp on this address\n")
}

async fn nowhere() -> Problem {
    Problem::NotFound
}

async fn mcp(State(state): State<Arc<HttpState>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = authenticate(&state.access, &parts.headers).map_err(Problem::Unauthorized)?;
    match parts.method {
        Method::POST => post(&state, caller, &parts.headers, body).await,
        Method::DELETE => delete(&state, &caller, &parts.headers),
        _ => Err(Problem::Method("POST, DELETE")),
    }
}

fn authenticate(access: &Access, headers: &HeaderMap) -> Result<Caller, Unauthorized> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let authorization = sent.next();
    if sent.next().is_some() {
        return Err(Unauthorized::Malformed);
    }
    access.authenticate(authorization)
}

async fn post(
    state: &HttpState,
    caller: Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !headers.get(CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::MediaType);
    }
    let slot = Arc::clone(&state.requests).try_acquire_owned().map_err(|_full| Problem::Busy)?;
    let (body, share) =
        body::read(body, headers, state.bounds, &state.room).await.map_err(Problem::Body)?;
    let slot = Slot { request: slot, body: share };
    let post = Post { caller, headers, body: &body, now: Instant::now(), slot };
    Ok(respond(state.mcp.post(post).await))
}

fn delete(state: &HttpState, caller: &Caller, headers: &HeaderMap) -> Result<Response, Problem> {
    // 2026-07-28, streamable HTTP: there are no sessions, and DELETE is not a method.
    if Revision::of_header(headers).is_some_and(Revision::is_modern) {
        return Err(Problem::Method("POST"));
    }
    let id = headers.get(&SESSION_ID).ok_or(Problem::SessionMissing)?;
    match state.mcp.end(caller, id) {
        Ended::Now => Ok(StatusCode::NO_CONTENT.into_response()),
        Ended::Unknown => Err(Problem::Session),
    }
}

fn is_json(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn respond(reply: Reply) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if let Some(id) = reply.session.and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
        headers.insert(SESSION_ID, id);
    }
    if let Some(body) = reply.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // What a tool gave back is never to be taken for a page.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        *response.body_mut() = Body::from(body);
    }
    response
}

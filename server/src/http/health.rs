//! `GET /health`: whether the server is up, for probes and people. It needs no token and tells
//! nothing that needs one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::router::HttpState;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    tools: usize,
}

/// Answers `GET /health`.
pub async fn report(State(state): State<Arc<HttpState>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: crate::mcp::discover::VERSION,
        uptime_seconds: state.started_at.elapsed().as_secs(),
        tools: state.mcp.catalog().len(),
    })
}

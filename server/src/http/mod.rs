//! HTTP around the MCP endpoint: who may speak to us from where, what is read and for how long,
//! and the answers that are not MCP's. A request passes in this order: origin, bearer, body, MCP.

pub mod body;
pub mod health;
pub mod origin;
pub mod problem;
pub mod router;
pub mod survive;

#[cfg(test)]
mod tests;

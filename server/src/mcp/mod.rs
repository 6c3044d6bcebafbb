//! The Model Context Protocol, revisions 2024-11-05 to 2026-07-28, on one endpoint. It reads one
//! JSON-RPC message, finds the era that it belongs to, and answers; what a tool does is not known here.

pub mod cancel;
pub mod discover;
pub mod dispatch;
pub mod fault;
pub mod header;
pub mod jsonrpc;
pub mod legacy;
pub mod modern;
pub mod result;
pub mod session;
pub mod tools;
pub mod version;

#[cfg(test)]
pub(crate) mod tests;

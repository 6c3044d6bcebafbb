//! The network half of `MCPFusion`: speaks MCP over HTTP, knows who is calling, calls APIs, keeps
//! state. It never executes a program: commands are asked of `mcpfusion-runner`.

#![forbid(unsafe_code)]

pub mod access;
pub mod api;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod exec;
pub mod limits;
pub mod model;

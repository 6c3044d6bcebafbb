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
pub mod admin;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod entropy;
pub mod env_file;
pub mod limits;
pub mod model;
pub mod settings;
pub mod store;

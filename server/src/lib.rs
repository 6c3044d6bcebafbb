//! The network half of MCPFusion: speaks MCP over HTTP, knows who is calling, calls APIs, keeps
//! state. It never executes a program: commands are asked of `mcpfusion-runner`.

#![forbid(unsafe_code)]

pub mod access;
pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod env_file;
pub mod exec;
pub mod harden;
pub mod http;
pub mod limits;
pub mod mcp;
pub mod model;
pub mod net;
pub mod settings;
pub mod store;

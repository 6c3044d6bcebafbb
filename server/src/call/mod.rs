// STAND-IN
//! The tool call.

pub mod engine;

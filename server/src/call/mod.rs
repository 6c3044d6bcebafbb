//! The tool call, one step after the other: find, decide, check the arguments, execute, record.

pub mod args;
pub mod coerce;
pub mod engine;

//! What the commands of `mcpfusion` do, without their arguments' syntax.

pub mod call;
pub mod client;

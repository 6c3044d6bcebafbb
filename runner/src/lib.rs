//! The privileged half of MCPFusion: takes one typed request a connection, holds it against policy
//! files, runs the command confined, streams back what it printed. No HTTP, no TLS, no database.

pub mod diagnostic;
pub mod plan;
pub mod policy;

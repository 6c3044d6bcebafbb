//! The privileged half of MCPFusion: takes one typed request a connection, holds it against policy
//! files, runs the command confined, streams back what it printed. No HTTP, no TLS, no database.

pub mod admission;
pub mod audit;
pub mod cli;
pub mod diagnostic;
pub mod harden;
pub mod host;
pub mod line;
pub mod plan;
pub mod policy;
pub mod requests;
pub mod run;
pub mod runner;
pub mod sandbox;
pub mod serve;
pub mod session;
pub mod slots;
pub mod spawn;
pub mod stage2;
pub mod sys;
pub mod workdir;

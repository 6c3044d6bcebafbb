//! The audit log: one JSON line for each thing that happens, on disk before anything runs. Lines are
//! chained by SHA-256, so that a changed or missing one shows; `verify` reads the chain again.
//! Nothing is ever read from a log to decide anything.

mod chain;
mod flood;
mod key;
mod log;
mod record;
pub mod verify;
mod writer;

pub use chain::{hash, hex};
pub use log::OpenError;
pub use record::{Detail, Event, Notice, Peer, Record};
pub use writer::{Audit, AuditError};

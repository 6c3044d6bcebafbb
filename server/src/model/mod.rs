//! Plain types that the whole server shares. No I/O, no tokio, no axum.

pub mod caller;
pub mod causes;
pub mod command;
pub mod description;
pub mod endpoint;
pub mod name;
pub mod nearest;
pub mod outcome;
pub mod param;
pub mod plain;
pub mod prefix;
pub mod secret;
pub mod tool;

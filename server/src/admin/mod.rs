//! How the CLI works beside a running server: a Unix socket in the state directory that takes
//! requests from the server's own user and from root, one line of JSON each. Tokens do not travel
//! on it, only their hashes.

pub mod client;
pub mod desk;
mod line;
pub mod protocol;
pub mod socket;

#[cfg(test)]
mod tests;

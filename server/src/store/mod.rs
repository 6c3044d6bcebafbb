//! What must survive a restart: users and tokens. Plain functions on domain types; that redb is
//! below shows nowhere else. Reads are snapshots; all writes go through one thread that commits
//! whatever waits for it at once, so that what was acknowledged is on the disk.

pub mod error;
pub mod open;
pub mod state_dir;
mod tables;
pub mod tokens;
pub mod users;
pub mod uses;
mod writer;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests;

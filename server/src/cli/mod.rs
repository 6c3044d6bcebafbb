//! What the commands do, apart from how their arguments are read: each takes typed parameters and
//! a place to print to. The only place that prints.

pub mod call;
pub mod client;
pub mod error;
pub mod reach;
pub mod screen;
pub mod status;
pub mod token;
pub mod user;
pub mod validate;

#[cfg(test)]
mod tests;

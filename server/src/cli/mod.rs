//! What the commands do, apart from how their arguments are read: each takes typed parameters and
//! a place to print to. The only place that prints.

pub mod args;
pub mod call;
pub mod client;
pub mod demo;
pub mod error;
pub mod exit;
pub mod reach;
pub mod run;
pub mod screen;
pub mod serve;
pub mod status;
pub mod surroundings;
pub mod token;
pub mod user;
pub mod validate;

#[cfg(test)]
mod tests;

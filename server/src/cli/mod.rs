//! The commands of `mcpfusion`. The only place that prints.

pub mod validate;
//! What the commands do, apart from how their arguments are read: each takes typed parameters and
//! a place to print to.

pub mod error;
pub mod reach;
pub mod screen;
pub mod status;
pub mod token;
pub mod user;

#[cfg(test)]
mod tests;

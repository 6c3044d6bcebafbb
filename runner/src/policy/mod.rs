//! The policy: what may run, with which words, how confined. Files of a directory become a `Policy`
//! once, with every problem reported at once; `decide` then holds each request against it without
//! touching anything. Deny by default, no negation, no order, one rule a command, no shell.
//!
//! The caller's bytes are never executed: they are parsed to typed values, and what runs is the
//! canonical rendering of those values between the policy's own words.

mod check;
mod command;
mod dangerous;
mod decide;
mod defaults;
pub mod engagement;
mod example;
mod explain;
mod form;
pub mod grammar;
mod grants;
mod gtfobins;
mod kind;
mod load;
mod parse;
pub mod principal;
mod program;
mod raw;
mod reach;
pub mod rule;
mod scope;
mod trust;
pub mod value;

#[cfg(test)]
mod compliance_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod scope_tests;

pub use decide::{Decision, decide};
pub use explain::{Explanation, explain};
pub use load::load;
pub use parse::{Loaded, parse};
pub use rule::Policy;
pub use trust::Trust;

pub use crate::diagnostic::SourceFile;

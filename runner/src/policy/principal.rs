//! Who may run what, and against which engagements. A principal of the policy stands for one or more
//! users that the front end claims.

use std::collections::BTreeSet;

use crate::admission::Quota;

/// In `users`: whoever has no principal of their own. In `commands`: all of them.
pub const ANY: &str = "*";

/// A row of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its name.
    pub name: String,
    /// `file:line` of it.
    pub place: String,
    /// The commands that it may run.
    pub commands: Commands,
    /// The engagements that it has.
    pub engagements: Vec<String>,
    /// How often, and how many at the same time: for all its users together, because a name is
    /// only a claim.
    pub quota: Quota,
}

/// The commands of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commands {
    /// Every one of the policy.
    All,
    /// These rules.
    Only(BTreeSet<String>),
}

impl Principal {
    /// Whether it may run this rule.
    pub fn may_run(&self, rule: &str) -> bool {
        match &self.commands {
            Commands::All => true,
            Commands::Only(names) => names.contains(rule),
        }
    }
}

//! The policy as a value: rules, their grammars, their grants. Made by `parse`, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proto::StdinMode;

use super::engagement::Engagement;
use super::principal::{ANY, Principal};
use super::value::ValueType;
use super::value::target::Scope;
use crate::admission::Quota;
use crate::plan::{Limits, Network};

/// The word in a policy that stands for the private work directory of a run.
pub const WORKDIR: &str = "%workdir";

/// All that may run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// SHA-256 over the names, without the directory, and the texts of all files, each with its
    /// length before it.
    pub sha256: [u8; 32],
    /// The Landlock ABI that the host must give.
    pub landlock_abi: u8,
    /// The rules in the order of their names.
    pub(super) rules: BTreeMap<String, Rule>,
    /// Other keys of a rule: aliases, and paths that only one rule runs.
    pub(super) keys: BTreeMap<String, String>,
    /// Paths that several rules run, and the names of those.
    pub(super) shared_paths: BTreeMap<String, Vec<String>>,
    /// The engagements by their names.
    pub(super) engagements: BTreeMap<String, Engagement>,
    /// The principals by their names. None at all: anyone may run what reaches no host.
    pub(super) principals: BTreeMap<String, Principal>,
    /// Which principal a user is.
    pub(super) users: BTreeMap<String, String>,
}

/// One command, as far as the front end may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// The rule's name.
    pub name: &'a str,
    /// The program or script that the rule names.
    pub path: &'a str,
    /// Other keys that find the rule.
    pub aliases: &'a [String],
    /// What it is for.
    pub about: &'a str,
    /// Why it cannot run on this host, if it cannot.
    pub unavailable: Option<&'a str>,
}

impl Policy {
    /// What runs here, in the order of the names.
    pub fn commands(&self) -> impl Iterator<Item = Command<'_>> {
        self.rules.values().map(|rule| Command {
            name: &rule.name,
            path: &rule.path,
            aliases: &rule.aliases,
            about: &rule.about,
            unavailable: rule.unavailable.as_deref(),
        })
    }

    /// The engagements, in the order of their names.
    pub fn engagements(&self) -> impl Iterator<Item = &Engagement> {
        self.engagements.values()
    }

    /// The principal that a user is: its own, or that of all others.
    pub fn principal(&self, user: &str) -> Option<&Principal> {
        self.principals.get(self.users.get(user).or_else(|| self.users.get(ANY))?)
    }

    /// What a principal of the policy may take, by its name.
    pub fn quota(&self, principal: &str) -> Option<&Quota> {
        self.principals.get(principal).map(|principal| &principal.quota)
    }

    /// The rule of that name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }

    /// The rule that a request means by a name, an alias or a path.
    pub fn find(&self, key: &str) -> Option<&Rule> {
        self.rules.get(key).or_else(|| self.rules.get(self.keys.get(key)?))
    }
}

/// One command: what may be said, what runs, what it can reach.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The rule's name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// `file:line` of the rule.
    pub place: String,
    /// The program or script that the rule names.
    pub path: String,
    /// The file to execute: the path, or the interpreter.
    pub program: PathBuf,
    /// Why it cannot run on this host, if it cannot.
    pub unavailable: Option<String>,
    /// Other keys that find the rule.
    pub aliases: Vec<String>,
    /// Argv 0, and the script where an interpreter runs it.
    pub head: Vec<String>,
    /// The policy's own words before the caller's.
    pub prefix: Vec<String>,
    /// The policy's own words after the caller's.
    pub suffix: Vec<String>,
    /// What the caller may say.
    pub grammar: Node,
    /// Variables that are always set.
    pub env: BTreeMap<String, String>,
    /// Variables that a request may set, and to what.
    pub settable_env: BTreeMap<String, ValueType>,
    /// The working directory.
    pub cwd: String,
    /// Whether a request may pipe to stdin.
    pub stdin: StdinMode,
    /// How much of everything.
    pub limits: Limits,
    /// What it can reach.
    pub reach: Reach,
}

impl Rule {
    /// Whether it takes a value that must lie inside an engagement.
    pub fn has_scope(&self) -> bool {
        self.grammar
            .types()
            .into_iter()
            .chain(self.settable_env.values())
            .any(|value| value.scope() == Some(Scope::Engagement))
    }
}

/// What a rule's runs can reach; `%workdir` is still in the paths.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Files and trees to read.
    pub ro: BTreeSet<String>,
    /// Files and trees to read and write.
    pub rw: BTreeSet<String>,
    /// Files to execute beside the program.
    pub exec: BTreeSet<String>,
    /// Capabilities to keep.
    pub capabilities: Vec<String>,
    /// The network.
    pub network: NetworkGrant,
    /// Whether `/proc` shows the host's processes.
    pub host_processes: bool,
}

/// The network of a rule. A type of its own, so that nothing is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkGrant(pub Network);

impl Default for NetworkGrant {
    fn default() -> Self {
        Self(Network::None)
    }
}

/// What may be said at one level of a command line.
///
/// ```text
/// words = { flag | option } [ "--" ] ( { positional } | sub-command words )
/// ```
///
/// Flags and options may stand between positionals; the canonical form puts them first.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Words that stand for themselves.
    pub flags: BTreeSet<String>,
    /// Words that take a value.
    pub options: BTreeMap<String, Opt>,
    /// Whether `--` stands before the positionals.
    pub end_of_options: bool,
    /// Of each group at most one may be given.
    pub at_most_one_of: Vec<Vec<String>>,
    /// The first of each group needs all the others.
    pub requires: Vec<Vec<String>>,
    /// The first of each group goes with none of the others.
    pub conflicts: Vec<Vec<String>>,
    /// What follows.
    pub rest: Rest,
}

impl Node {
    /// The types of all values, those of sub-commands included.
    pub fn types(&self) -> Vec<&ValueType> {
        let mut types: Vec<&ValueType> =
            self.options.values().map(|option| &option.value).collect();
        match &self.rest {
            Rest::Positionals(several) => types.extend(several.iter().map(|one| &one.value)),
            Rest::Subs(subs) => types.extend(subs.values().flat_map(Self::types)),
        }
        types
    }
}

/// What follows flags and options.
#[derive(Debug, Clone)]
pub enum Rest {
    /// Values in this order; only the last may come in a varying number.
    Positionals(Vec<Positional>),
    /// One of these words, and then its own language.
    Subs(BTreeMap<String, Node>),
}

impl Default for Rest {
    fn default() -> Self {
        Self::Positionals(Vec::new())
    }
}

/// An option.
#[derive(Debug, Clone)]
pub struct Opt {
    /// Its value.
    pub value: ValueType,
    /// How the value stands to the name: the one form that is taken and written.
    pub style: Style,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Option<String>,
    /// How often it may be given.
    pub repeat: usize,
}

/// How an option's value stands to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `-p22`
    Attached,
    /// `--port=22`
    Equals,
    /// `-p 22`
    Separate,
}

/// A value without an option.
#[derive(Debug, Clone)]
pub struct Positional {
    /// Its name, for messages.
    pub name: String,
    /// The least number of them.
    pub min: usize,
    /// The most of them.
    pub max: usize,
    /// Its type.
    pub value: ValueType,
}

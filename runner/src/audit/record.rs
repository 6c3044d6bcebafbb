//! What a line says.

use std::path::Path;

use serde::Serialize;

/// What happened to a run. Field order is the line's.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// What happened.
    pub event: Event,
    /// The run.
    pub run: String,
    /// The front end that asked.
    pub peer: Peer,
    /// For whom, as it claims.
    pub principal: &'a str,
    /// What it asked for.
    pub command: &'a str,
    /// What the event adds.
    #[serde(flatten)]
    pub detail: Detail<'a>,
}

/// What happened to the runner or to a connection that asked for no run.
#[derive(Debug, Serialize)]
pub struct Notice<'a> {
    /// What happened.
    pub event: Event,
    /// Who caused it, if somebody did and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// What the event adds.
    #[serde(flatten)]
    pub detail: Detail<'a>,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The runner starts to serve.
    Begin,
    /// No slot was free.
    Busy,
    /// The policy said no.
    Deny,
    /// The run ended.
    Exit,
    /// It could not be started.
    Fail,
    /// More of one kind came from one peer than are written one by one.
    Flood,
    /// A message made no sense.
    Malformed,
    /// A peer may not connect.
    Refuse,
    /// The policy was read again.
    Reload,
    /// A run is about to start.
    Start,
    /// The runner stops.
    Stop,
}

/// Who connected (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process, where it is in our PID namespace.
    pub pid: Option<i32>,
}

/// What an event adds to its record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Detail<'a> {
    /// Of a start.
    Start {
        /// The rule.
        rule: &'a str,
        /// The principal of the policy, where it has any.
        #[serde(skip_serializing_if = "Option::is_none")]
        granted_to: Option<&'a str>,
        /// The engagement that has the hosts, where there are any.
        #[serde(skip_serializing_if = "Option::is_none")]
        engagement: Option<&'a str>,
        /// The file.
        program: &'a Path,
        /// What runs, secrets hashed.
        argv: Vec<String>,
        /// The names of the environment; behind the name of a secret one its hash.
        env: Vec<String>,
        /// The slot's user; `None` is the runner's own.
        uid: Option<u32>,
        /// The policy's digest.
        policy: String,
    },
    /// Of an end.
    Exit {
        /// The rule.
        rule: &'a str,
        /// `exit 0`, `signal 9`.
        status: String,
        /// Why it ended.
        ended: &'static str,
        /// How long it took.
        duration_ms: u64,
        /// Bytes it wrote.
        stdout_bytes: u64,
        /// SHA-256 of them.
        stdout_sha256: String,
        /// Bytes it wrote.
        stderr_bytes: u64,
        /// SHA-256 of them.
        stderr_sha256: String,
        /// CPU time.
        cpu_us: u64,
    },
    /// Of a refusal.
    Deny {
        /// The rule, if one was found.
        rule: Option<&'a str>,
        /// What was asked; hashed where it may be a secret.
        args: Vec<String>,
        /// Which argument.
        argument: Option<u16>,
        /// Why.
        reason: &'a str,
    },
    /// Of lines that were not written one by one.
    Flood {
        /// What they would have been.
        of: Event,
        /// How many.
        count: u64,
    },
    /// Of a policy that was read again.
    Reload {
        /// `taken`, or `refused`: the old one stays.
        outcome: &'static str,
        /// The digest of the policy that is in force from here on.
        policy: String,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Of the runner's begin and stop.
    Runner {
        /// Its program version.
        version: &'static str,
        /// The digest of the policy in force.
        policy: String,
        /// Layers that hold every run.
        layers: Vec<String>,
        /// Layers that this host or mode does not give.
        missing: &'a [String],
    },
    /// Of the rest.
    Reason {
        /// Why.
        reason: &'a str,
    },
}

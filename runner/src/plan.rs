//! A permitted run: everything that a child needs, and nothing that the caller chose freely.

use std::path::PathBuf;
use std::time::Duration;

use bincode::{Decode, Encode};
use proto::StdinMode;

use crate::line::Bounds;

/// The kernel opens a dynamic program's loader for execution.
pub const DYNAMIC_LOADERS: [&str; 2] =
    ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// What `policy::decide` grants. Only a decision makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The rule that allowed it.
    pub rule: String,
    /// The principal of the policy that it was granted to; `None` where the policy has none.
    pub principal: Option<String>,
    /// The engagement that has all hosts of the request, if it has any.
    pub engagement: Option<String>,
    /// The file to execute: the rule's, checked again when it is opened.
    pub program: PathBuf,
    /// The canonical command line, argv 0 included.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What of both no log, error or answer shows.
    pub secrets: Secrets,
    /// The working directory.
    pub cwd: PathBuf,
    /// Whether stdin is piped, which the rule allowed.
    pub stdin: StdinMode,
    /// How much of everything.
    pub limits: Limits,
    /// What it can reach.
    pub confinement: Confinement,
}

/// Where the secrets of a plan are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// Words of the command line, each with the byte from which on it is a secret.
    pub argv: Vec<(usize, usize)>,
    /// Names of variables.
    pub env: Vec<String>,
}

impl Plan {
    /// The command line as it may be shown.
    pub fn shown_argv(&self, mask: impl Fn(&str) -> String) -> Vec<String> {
        let mut argv = self.argv.clone();
        for (n, from) in &self.secrets.argv {
            if let Some(word) = argv.get_mut(*n) {
                let (own, secret) = word.split_at_checked(*from).unwrap_or(("", word));
                *word = format!("{own}{}", mask(secret));
            }
        }
        argv
    }

    /// The environment as it may be shown: names, and behind the names of secrets their masks.
    pub fn shown_env(&self, mask: impl Fn(&str) -> String) -> Vec<String> {
        let show = |(name, value): &(String, String)| {
            if self.secrets.env.contains(name) {
                return format!("{name}={}", mask(value));
            }
            name.clone()
        };
        self.env.iter().map(show).collect()
    }
}

/// How much of everything a run may take. All are finite.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Limits {
    /// From start to TERM.
    pub wall: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
    /// CPU time, seconds (`RLIMIT_CPU`).
    pub cpu_s: u64,
    /// Address space of one process, bytes (`RLIMIT_AS`).
    pub memory: u64,
    /// Processes and threads (`RLIMIT_NPROC`, of the run's own uid).
    pub pids: u64,
    /// Open files of one process (`RLIMIT_NOFILE`).
    pub nofile: u64,
    /// Largest file, bytes (`RLIMIT_FSIZE`).
    pub fsize: u64,
    /// The private work directory, bytes.
    pub workdir_size: u64,
    /// Bytes of stdout that are passed on.
    pub stdout: u64,
    /// Bytes of stderr that are passed on.
    pub stderr: u64,
    /// Bytes of each stream that are passed on at once; of what follows, the last are.
    pub output_head: u64,
    /// Bytes of both that end the run.
    pub output_hard: u64,
    /// Bytes of stdin that are taken.
    pub stdin: u64,
    /// Runs of the rule at the same time, and who waits for one.
    pub line: Bounds,
}

/// What a run can reach.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Confinement {
    /// Files and trees to read.
    pub ro: Vec<PathBuf>,
    /// Files and trees to read and write.
    pub rw: Vec<PathBuf>,
    /// Files to execute, beside the program.
    pub exec: Vec<PathBuf>,
    /// The network.
    pub network: Network,
    /// Whose processes it sees.
    pub processes: Processes,
    /// Capabilities to keep, `CAP_NET_RAW`; none for most.
    pub capabilities: Vec<String>,
}

/// Whose processes `/proc` shows to a run that may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Processes {
    /// All of the host, as any user of it sees them; a run can still signal none of them.
    Host,
    /// Those of the run itself.
    Own,
}

/// What a run may do with the network.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Network {
    /// Internet sockets, to anywhere. Landlock's ports are not used: a scanner would take a
    /// denied port for a filtered one.
    Any,
    /// Internet sockets; TCP only to these ports.
    Connect(Vec<u16>),
    /// Nothing but netlink's reading of the host's interfaces and routes (`ip`, `ss`).
    Inspect,
    /// No socket at all.
    None,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plan that runs `program` with small limits.
    pub(crate) fn plan(program: &str, argv: &[&str]) -> Plan {
        Plan {
            rule: "test".to_owned(),
            principal: None,
            engagement: None,
            program: program.into(),
            argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            secrets: Secrets::default(),
            cwd: "/".into(),
            stdin: StdinMode::Closed,
            limits: Limits {
                wall: Duration::from_secs(10),
                grace: Duration::from_secs(1),
                cpu_s: 5,
                memory: 1 << 30,
                pids: 32,
                nofile: 64,
                fsize: 1 << 20,
                workdir_size: 1 << 20,
                stdout: 64 << 10,
                stderr: 64 << 10,
                output_head: 16 << 10,
                output_hard: 1 << 20,
                stdin: 64 << 10,
                line: Bounds { concurrency: 1, queue: 0, wait: Duration::ZERO },
            },
            confinement: Confinement {
                ro: ["/usr/lib", "/lib", "/lib64", "/etc/ld.so.cache"].map(PathBuf::from).to_vec(),
                rw: vec!["/dev/null".into()],
                exec: vec!["/lib64/ld-linux-x86-64.so.2".into()],
                network: Network::None,
                processes: Processes::Own,
                capabilities: Vec::new(),
            },
        }
    }
}

//! What each half may say. The order of variants and fields is the wire: append, never reorder.

use std::fmt;

use bincode::{Decode, Encode};

use crate::bounded::{Blob, List, OutOfBounds, Text};
use crate::limit;

/// A short name: a command, a principal, an environment variable, a layer.
pub type Name = Text<{ limit::NAME }>;
/// An argument, an environment value or a path.
pub type Arg = Text<{ limit::ARG }>;
/// Words for a person.
pub type Reason = Text<{ limit::REASON }>;
/// A piece of a stream.
pub type Chunk = Blob<{ limit::CHUNK }>;
/// A command line.
pub type Args = List<Arg, { limit::ARGS }>;

/// Front end to runner.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// What runs here, and under which layers? Answered by [`Reply::About`], then one
    /// [`Reply::Command`] a command, then [`Reply::End`].
    Describe,
    /// Run one command. At most one a connection, and nothing may precede it.
    Execute(Execute),
    /// The next piece of stdin, allowed after an [`Execute`] with [`StdinMode::Piped`].
    /// An empty piece closes stdin.
    Stdin(Chunk),
    /// End the run: TERM, then KILL after the policy's grace. Hanging up is the same.
    Cancel,
}

/// Runner to front end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// The runner itself.
    About(About),
    /// One command of the policy.
    Command(CommandInfo),
    /// The end of a description.
    End,
    /// The command passed the policy and the sandbox, and runs.
    Started(Started),
    /// A piece of output.
    Output(Stream, Chunk),
    /// The run has ended and nothing of it is alive. The last message of a run.
    Exit(Exit),
    /// The policy says no. The last message of a run.
    Denied(Denial),
    /// No room: ask again after this many milliseconds. The last message of a run.
    Busy(u32),
    /// The runner could not do it. The command did not run, unless [`Reply::Started`] came before.
    /// The last message of a run.
    Failed(Failure),
    /// This many bytes of the stream were dropped: they stood between the piece before and the
    /// piece that follows. At most one a stream.
    Gap(Stream, u64),
}

/// One execution, as the front end asks for it. Nothing in it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Execute {
    /// Names this run in both logs.
    pub run: RunId,
    /// For whom; the front end's claim.
    pub principal: Name,
    /// A key into the policy: a rule's name, its path or an alias. Never a file to run.
    pub command: Arg,
    /// The arguments, without argv 0.
    pub args: Args,
    /// Variables to set; the policy names which may be set at all.
    pub env: List<EnvVar, { limit::ENV }>,
    /// The working directory that the caller expects, if it expects one.
    pub cwd: Option<Arg>,
    /// Whether [`Request::Stdin`] messages follow.
    pub stdin: StdinMode,
    /// The longest the caller will wait, milliseconds. The policy's own limit still holds.
    pub timeout_ms: Option<u32>,
}

impl Execute {
    /// Whether arguments and environment together stay within [`limit::ARGS_TOTAL`].
    pub fn check_total(&self) -> Result<(), OutOfBounds> {
        let args: usize = self.args.iter().map(|arg| arg.len()).sum();
        let env: usize = self.env.iter().map(|var| var.name.len() + var.value.len()).sum();
        let found = args + env;
        if found > limit::ARGS_TOTAL {
            return Err(OutOfBounds::TooLong { found, max: limit::ARGS_TOTAL });
        }
        Ok(())
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EnvVar {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Arg,
}

/// Sixteen random bytes that name a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RunId(pub [u8; 16]);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the command's stdin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum StdinMode {
    /// `/dev/null`.
    Closed,
    /// [`Request::Stdin`] messages.
    Piped,
}

/// Which stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// The runner itself: what an operator and a `doctor` want to know.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct About {
    /// The runner's program version.
    pub version: Name,
    /// SHA-256 of the policy that is in force.
    pub policy_sha256: [u8; 32],
    /// Layers that hold every run, in the order in which they are taken.
    pub layers: List<Name, { limit::NAMES }>,
    /// Layers that this host or this mode cannot give, each with the reason.
    pub missing: List<Reason, { limit::NAMES }>,
}

/// One command of the policy, as far as the front end may know it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CommandInfo {
    /// The rule's name.
    pub name: Name,
    /// The file that it runs.
    pub path: Arg,
    /// Other keys that find the rule.
    pub aliases: List<Arg, { limit::NAMES }>,
    /// What it is for.
    pub about: Reason,
    /// Why it cannot run on this host, if it cannot.
    pub unavailable: Option<Reason>,
}

/// A run began.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Started {
    /// The rule that allowed it.
    pub rule: Name,
    /// What runs: the rule's canonical rendering, argv 0 included.
    pub argv: List<Arg, { 2 * limit::ARGS }>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Exit {
    /// What the kernel says.
    pub status: Status,
    /// Why it ended.
    pub ended: Ended,
    /// From the start of the command to the end of its last process, milliseconds.
    pub duration_ms: u64,
    /// What came out on stdout.
    pub stdout: StreamReport,
    /// What came out on stderr.
    pub stderr: StreamReport,
    /// What it used.
    pub usage: Usage,
}

/// The command's own exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It called exit.
    Code(u8),
    /// A signal ended it.
    Signal(u8),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Ended {
    /// By itself.
    Itself,
    /// Time was up. `forced`: it did not heed TERM within the grace.
    TimedOut {
        /// KILL was needed.
        forced: bool,
    },
    /// The front end cancelled it or hung up.
    Cancelled,
    /// It wrote more than the policy's hard limit.
    OutputLimit,
    /// The runner is stopping.
    Shutdown,
}

/// One stream's counts, bytes, and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct StreamReport {
    /// What the command wrote.
    pub written: u64,
    /// What was passed on; the rest was dropped.
    pub passed: u64,
    /// SHA-256 of what the command wrote, dropped or not.
    pub sha256: [u8; 32],
}

impl StreamReport {
    /// Whether something was dropped.
    pub fn truncated(self) -> bool {
        self.passed < self.written
    }
}

/// What a run used, its children included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Usage {
    /// CPU time, user and system, microseconds.
    pub cpu_us: u64,
    /// Largest resident set of one process, KiB.
    pub max_rss_kib: u64,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Denial {
    /// The class, for programs.
    pub code: DenyCode,
    /// The rule that was consulted, if one was found.
    pub rule: Option<Name>,
    /// Which argument, counted from 0.
    pub argument: Option<u16>,
    /// What is wrong and what would be right.
    pub reason: Reason,
}

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum DenyCode {
    /// No rule has this key.
    UnknownCommand,
    /// An argument is not in the rule's language.
    Argument,
    /// A variable may not be set, or not to this.
    Environment,
    /// The working directory is another one.
    WorkingDirectory,
    /// The rule takes no stdin.
    Stdin,
    /// This principal may not run it.
    Principal,
    /// A host, network or URL lies outside of every engagement of this principal.
    Scope,
    /// The engagement that has the hosts has not begun, or is over.
    Window,
}

/// Something broke on the runner's side.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// The step that failed: `request`, `audit`, `program`, `landlock`, ...
    pub step: Name,
    /// What happened there.
    pub reason: Reason,
}

//! The command line: `serve`, `check`, `explain`, `doctor`.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use nix::unistd::{Group, Uid, User, geteuid};
use proto::{Execute, List, RunId, StdinMode, Text};
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::Audit;
use crate::diagnostic::Report;
use crate::harden::harden;
use crate::host::{FIRST_UID, Host, Mode, WORKDIR};
use crate::policy::{self, Decision, Loaded, Policy, Trust};
use crate::runner::Runner;
use crate::serve;
use crate::spawn::spawner::Spawner;
use crate::stage2;

/// sysexits.h: the command was used wrongly.
const USAGE: u8 = 64;
/// sysexits.h: something that is needed is not there.
const UNAVAILABLE: u8 = 69;
/// sysexits.h: the operating system does not give what is needed.
const OS: u8 = 71;
/// sysexits.h: not permitted; what `explain` says of a refusal.
const DENIED: u8 = 77;
/// sysexits.h: the policy has errors.
const CONFIG: u8 = 78;

/// Runs what a policy names, confined.
#[derive(Debug, Parser)]
#[command(name = "mcpfusion-runner", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the front end.
    Serve(Serve),
    /// Read a policy and report every problem in it.
    Check {
        /// The policy directory.
        #[arg(default_value = POLICY_DIR)]
        policy: PathBuf,
        #[command(flatten)]
        mode: ModeArgs,
    },
    /// Say what the policy decides about a command line, and why.
    Explain(Explain),
    /// Say what this host gives and what the policy makes of it.
    Doctor {
        /// The policy directory.
        #[arg(long, default_value = POLICY_DIR)]
        policy: PathBuf,
        #[command(flatten)]
        mode: ModeArgs,
    },
}

const POLICY_DIR: &str = "/etc/mcpfusion/policy.d";

#[derive(Debug, Clone, Copy, Args)]
struct ModeArgs {
    /// Run as an ordinary user, with the layers that need no privilege.
    #[arg(long)]
    unprivileged: bool,
    /// As root: the first of 65 users that no account and no other runner has. Init's; then one a run.
    #[arg(long, value_name = "UID", default_value_t = FIRST_UID,
          value_parser = clap::value_parser!(u32).range(1_000..=4_000_000_000))]
    first_uid: u32,
}

#[derive(Debug, Args)]
struct Serve {
    /// The policy directory; SIGHUP reads it again.
    #[arg(long, default_value = POLICY_DIR)]
    policy: PathBuf,
    /// The socket to listen on, unless a service manager passes one.
    #[arg(long, default_value = "/run/mcpfusion/runner.sock")]
    socket: PathBuf,
    /// The group that may connect to the socket.
    #[arg(long, value_name = "GROUP")]
    socket_group: Option<String>,
    /// A user that may ask for runs; repeat for more. Default: the runner's own.
    #[arg(long, value_name = "USER")]
    allow_uid: Vec<String>,
    /// The audit log.
    #[arg(long, default_value = "/var/log/mcpfusion-runner/audit.jsonl")]
    audit: PathBuf,
    /// Where runs have their directories on a host without mount namespaces.
    #[arg(long, default_value = "/tmp")]
    state: PathBuf,
    /// Stop when stdin ends: for a parent that wants no runner left behind.
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
    #[command(flatten)]
    mode: ModeArgs,
}

#[derive(Debug, Args)]
struct Explain {
    /// The policy directory.
    #[arg(long, default_value = POLICY_DIR)]
    policy: PathBuf,
    /// For whom: a user as the server claims it, an id of `mcpfusion user list`.
    #[arg(long = "as", value_name = "PRINCIPAL", default_value = "anyone")]
    principal: String,
    /// The command's name, path or alias, and its arguments.
    #[arg(last = true, required = true, num_args = 1..)]
    argv: Vec<String>,
    #[command(flatten)]
    mode: ModeArgs,
}

/// What ends the program: words for a person and an exit code.
#[derive(Debug)]
struct Failure(u8, String);

impl Failure {
    fn of(code: u8) -> impl Fn(&dyn fmt::Display) -> Self {
        move |error| Self(code, error.to_string())
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|arg| arg == stage2::ARGUMENT) {
        return ExitCode::from(stage2::main());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Serve(args) => run_serve(&args),
        Command::Check { policy, mode } => check(&policy, mode),
        Command::Explain(args) => explain(&args),
        Command::Doctor { policy, mode } => doctor(&policy, mode),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, text)) => {
            if !text.is_empty() {
                writeln!(io::stderr(), "{}", text.trim_end()).ok();
            }
            ExitCode::from(code)
        }
    }
}

impl ModeArgs {
    fn mode(self) -> Result<Mode, Failure> {
        match (geteuid().is_root(), self.unprivileged) {
            (true, false) => Ok(Mode::Privileged { first_uid: self.first_uid }),
            (false, true) => Ok(Mode::Unprivileged),
            (true, true) => Err(Failure(
                USAGE,
                "--unprivileged is for an ordinary user; root takes every layer".to_owned(),
            )),
            (false, false) => Err(Failure(
                USAGE,
                "the runner needs root for every layer; an ordinary user gets those that need no \
                 privilege with --unprivileged"
                    .to_owned(),
            )),
        }
    }

    /// For commands that only read: whoever runs them.
    fn reading_mode(self) -> Mode {
        if geteuid().is_root() && !self.unprivileged {
            Mode::Privileged { first_uid: self.first_uid }
        } else {
            Mode::Unprivileged
        }
    }
}

fn trust(mode: Mode) -> Trust {
    match mode {
        Mode::Privileged { .. } => Trust::root(),
        Mode::Unprivileged => Trust::user(geteuid().as_raw()),
    }
}

fn load(dir: &Path, mode: Mode) -> Result<Loaded, Failure> {
    policy::load(dir, &trust(mode)).map_err(|report| Failure(CONFIG, report.to_string()))
}

fn run_serve(args: &Serve) -> Result<(), Failure> {
    // First of all, while no other descriptor is open.
    let inherited = serve::inherited(&|name| std::env::var(name).ok())
        .map_err(|e| Failure::of(UNAVAILABLE)(&e))?;
    tracing_subscriber::fmt()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("MCP_FUSION_LOG")
                .unwrap_or_else(|_unset| "info".into()),
        )
        .init();
    let mode = args.mode.mode()?;
    harden(mode).map_err(|e| Failure::of(OS)(&e))?;
    let Loaded { policy, warnings } = load(&args.policy, mode)?;
    if !warnings.is_empty() {
        writeln!(io::stderr(), "{warnings}").ok();
    }
    let allowed = allowed(&args.allow_uid)?;
    let group = args.socket_group.as_deref().map(group).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::of(OS)(&e))?;
    runtime.block_on(async {
        let spawner = Spawner::start().map_err(|e| Failure::of(OS)(&e))?;
        let host = Host::probe(mode, &spawner).await.map_err(|e| Failure::of(OS)(&e))?;
        host.satisfies(&policy).map_err(|e| Failure::of(OS)(&e))?;
        for missing in &host.missing {
            tracing::warn!("missing layer: {missing}");
        }
        let audit = Audit::open(&args.audit).map_err(|e| Failure::of(UNAVAILABLE)(&e))?;
        // A run is somewhere else by the time it looks for its directory.
        let state = std::path::absolute(&args.state).map_err(|e| Failure::of(OS)(&e))?;
        let runner = Arc::new(Runner::new(policy, host, spawner, audit, state));
        let listener = match inherited {
            Some(inherited) => serve::adopt(inherited),
            None => serve::bind(&args.socket, group).await,
        }
        .map_err(|e| Failure::of(UNAVAILABLE)(&e))?;
        watch_signals(&runner, args, mode).map_err(|e| Failure::of(OS)(&e))?;
        tracing::info!(socket = %args.socket.display(), "ready");
        serve::serve(runner, listener, &allowed).await;
        Ok(())
    })
}

/// TERM and INT stop, HUP reads the policy again.
fn watch_signals(runner: &Arc<Runner>, args: &Serve, mode: Mode) -> io::Result<()> {
    let stop = runner.shutdown.clone();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        stop.cancel();
    });
    let mut hup = signal(SignalKind::hangup())?;
    let (runner, policy) = (Arc::clone(runner), args.policy.clone());
    if args.exit_with_stdin {
        let stop = runner.shutdown.clone();
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
            stop.cancel();
        })?;
    }
    tokio::spawn(async move {
        while hup.recv().await.is_some() {
            match reload(&runner, &policy, mode) {
                Ok(()) => tracing::info!("read the policy again"),
                Err(Failure(_, problems)) => {
                    tracing::error!("the new policy is not taken, the old one stays:\n{problems}");
                }
            }
        }
    });
    Ok(())
}

fn reload(runner: &Runner, dir: &Path, mode: Mode) -> Result<(), Failure> {
    let Loaded { policy, .. } = load(dir, mode)?;
    runner.host.satisfies(&policy).map_err(|e| Failure::of(OS)(&e))?;
    runner.replace_policy(policy);
    Ok(())
}

fn check(dir: &Path, mode: ModeArgs) -> Result<(), Failure> {
    let Loaded { policy, warnings } = load(dir, mode.reading_mode())?;
    print_policy(dir, &policy, &warnings)
}

fn print_policy(dir: &Path, policy: &Policy, warnings: &Report) -> Result<(), Failure> {
    if !warnings.is_empty() {
        print(format_args!("{warnings}\n"))?;
    }
    let now = SystemTime::now();
    for engagement in policy.engagements() {
        let state = match engagement.window {
            window if window.is_open(now) => "open",
            window if window.is_over(now) => "over; it was open",
            _ => "not begun; open",
        };
        print(format_args!("engagement {}: {state} {}", engagement.name, engagement.window))?;
    }
    let commands = policy.commands().count();
    print(format_args!("{}: {commands} commands, no errors", dir.display()))
}

fn explain(args: &Explain) -> Result<(), Failure> {
    let Loaded { policy, .. } = load(&args.policy, args.mode.reading_mode())?;
    let [command, arguments @ ..] = args.argv.as_slice() else {
        return Err(Failure(USAGE, "name a command after `--`".to_owned()));
    };
    let too_long = |what: &str, e: proto::OutOfBounds| Failure(USAGE, format!("{what}: {e}"));
    let bounded = arguments.iter().map(Text::new).collect::<Result<Vec<_>, _>>();
    let execute = Execute {
        run: RunId([0; 16]),
        principal: Text::new(&args.principal).map_err(|e| too_long("--as", e))?,
        command: Text::new(command).map_err(|e| too_long("the command", e))?,
        args: bounded.and_then(List::new).map_err(|e| too_long("the arguments", e))?,
        env: List::default(),
        cwd: None,
        stdin: StdinMode::Closed,
        timeout_ms: None,
    };
    let explanation = policy::explain(&policy, &execute, WORKDIR, SystemTime::now());
    print(format_args!("{explanation}"))?;
    match explanation.decision {
        Decision::Permit(_) => Ok(()),
        Decision::Deny(_) => Err(Failure(DENIED, String::new())),
    }
}

fn doctor(dir: &Path, mode: ModeArgs) -> Result<(), Failure> {
    let mode = mode.reading_mode();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::of(OS)(&e))?;
    let host = runtime.block_on(async {
        let spawner = Spawner::start().map_err(|e| Failure::of(OS)(&e))?;
        Host::probe(mode, &spawner).await.map_err(|e| Failure::of(OS)(&e))
    })?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    print(format_args!("Linux {}, every layer was tried\n{host}", kernel.trim()))?;
    let Loaded { policy, warnings } = load(dir, mode)?;
    print_policy(dir, &policy, &warnings)?;
    host.satisfies(&policy).map_err(|e| Failure::of(OS)(&e))
}

fn allowed(names: &[String]) -> Result<Vec<Uid>, Failure> {
    if names.is_empty() {
        return Ok(vec![geteuid()]);
    }
    names
        .iter()
        .map(|name| match (name.parse(), User::from_name(name)) {
            (Ok(uid), _) => Ok(Uid::from_raw(uid)),
            (Err(_), Ok(Some(user))) => Ok(user.uid),
            (Err(_), _) => Err(Failure(USAGE, format!("--allow-uid: there is no user {name}"))),
        })
        .collect()
}

fn group(name: &str) -> Result<u32, Failure> {
    match (name.parse(), Group::from_name(name)) {
        (Ok(gid), _) => Ok(gid),
        (Err(_), Ok(Some(group))) => Ok(group.gid.as_raw()),
        (Err(_), _) => Err(Failure(USAGE, format!("--socket-group: there is no group {name}"))),
    }
}

fn print(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|e| Failure::of(OS)(&e))
}

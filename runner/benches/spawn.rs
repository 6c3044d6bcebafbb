//! What the sandbox adds to starting a program: `true` by a plain `posix_spawn` against the same
//! `true` with one layer after the other, all from this process and in turn, so that a busy host
//! slows all of them down alike. No socket and no audit log takes part.
//!
//! ```text
//! cargo bench -p runner --bench spawn [-- --rounds 400]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a benchmark prints a table of ratios"
)]

use std::error::Error;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::geteuid;
use proto::{Ended, Exit, Status, StdinMode};
use runner::host::{FIRST_UID, Host, Mode, WORKDIR};
use runner::line::Bounds;
use runner::plan::{Confinement, DYNAMIC_LOADERS, Limits, Network, Plan, Processes};
use runner::requests::Requests;
use runner::sandbox::seccomp;
use runner::spawn::launch::launch;
use runner::spawn::spawner::Spawner;
use runner::spawn::supervise::supervise;
use runner::stage2;
use runner::stage2::spec::Namespaces;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Failed = Box<dyn Error + Send + Sync>;

/// Makes this program end at once: what it costs to be started again.
const NOTHING: &str = "nothing";

#[derive(Debug, Parser)]
struct Arguments {
    /// How often each way is taken.
    #[arg(long, default_value_t = 400)]
    rounds: usize,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode, Failed> {
    match std::env::args_os().nth(1) {
        Some(word) if word == stage2::ARGUMENT => return Ok(ExitCode::from(stage2::main())),
        Some(word) if word == NOTHING => return Ok(ExitCode::SUCCESS),
        Some(_) | None => {}
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(arguments.rounds))?;
    Ok(ExitCode::SUCCESS)
}

/// One way to `true`.
enum Way {
    /// A program by `posix_spawn`, with its argument.
    Plain(PathBuf, &'static str),
    /// What the runner does, on a host that gives this.
    Confined(Host, Option<u32>),
}

async fn compare(rounds: usize) -> Result<(), Failed> {
    let mode = if geteuid().is_root() {
        Mode::Privileged { first_uid: FIRST_UID }
    } else {
        Mode::Unprivileged
    };
    let spawner = Spawner::start()?;
    let host = Host::probe(mode, &spawner).await?;
    print!("{host}");
    let program = std::fs::canonicalize("/usr/bin/true")?;
    let plan = plan(program.clone());
    let (command, init) = (seccomp::compile(&Network::None, false)?, seccomp::compile_init()?);
    println!(
        "  {} paths, {} + {} seccomp instructions\n",
        plan.confinement.ro.len() + plan.confinement.rw.len() + plan.confinement.exec.len() + 1,
        command.len(),
        init.len()
    );

    let own_user = geteuid().is_root().then_some(FIRST_UID + 1);
    let mut ways = vec![
        ("posix_spawn of true", Way::Plain(program, "true")),
        ("posix_spawn of this program", Way::Plain("/proc/self/exe".into(), NOTHING)),
    ];
    let bare = Host { namespaces: Namespaces::None, ..host.clone() };
    ways.push(("confined, no namespaces, own user as is", Way::Confined(bare.clone(), None)));
    if own_user.is_some() {
        ways.push(("confined, no namespaces, user changed", Way::Confined(bare, own_user)));
    }
    if host.namespaces != Namespaces::None {
        ways.push(("confined, everything", Way::Confined(host, own_user)));
    }

    let mut times = vec![Vec::with_capacity(rounds); ways.len()];
    let mut cpu = vec![Duration::ZERO; ways.len()];
    for _ in 0..rounds {
        for (((_, way), times), cpu) in ways.iter().zip(&mut times).zip(&mut cpu) {
            let (began, before) = (Instant::now(), cpu_time()?);
            take(way, &plan, &spawner).await?;
            times.push(began.elapsed());
            *cpu += cpu_time()?.saturating_sub(before);
        }
    }
    println!(
        "{:<42}{:>8}{:>8}{:>9}{:>8}{:>9}",
        "way", "p10 us", "p50 us", "x plain", "CPU us", "x plain"
    );
    let mut unconfined = None;
    for (((name, _), times), cpu) in ways.iter().zip(&mut times).zip(cpu) {
        times.sort_unstable();
        let (p10, p50) = (quantile(times, 10), quantile(times, 50));
        let cpu = cpu.as_secs_f64() * 1e6 / rounds as f64;
        let (plain_p50, plain_cpu) = *unconfined.get_or_insert((p50, cpu));
        let (ratio, ratio_cpu) = (p50 / plain_p50, cpu / plain_cpu);
        println!("{name:<42}{p10:>8.0}{p50:>8.0}{ratio:>9.2}{cpu:>8.0}{ratio_cpu:>9.2}");
    }
    Ok(())
}

/// CPU time of this process and of its children that were waited for.
fn cpu_time() -> Result<Duration, Failed> {
    let mut microseconds = 0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        microseconds += usage.user_time().num_microseconds();
        microseconds += usage.system_time().num_microseconds();
    }
    Ok(Duration::from_micros(u64::try_from(microseconds)?))
}

/// Microseconds that `percent` of `times`, which are sorted, do not exceed.
fn quantile(times: &[Duration], percent: usize) -> f64 {
    let time = times.get(times.len() * percent / 100).copied().unwrap_or_default();
    time.as_nanos() as f64 / 1e3
}

async fn take(way: &Way, plan: &Plan, spawner: &Spawner) -> Result<(), Failed> {
    let (host, uid) = match way {
        Way::Plain(program, word) => return spawn(program, word),
        Way::Confined(host, uid) => (host, *uid),
    };
    let spec = host.spec(plan, uid, Path::new(WORKDIR));
    let running = launch(spawner, &spec, StdinMode::Closed).await?;
    let (replies, _output) = mpsc::channel(1);
    let (_keep_listening, requests) = mpsc::channel(1);
    let mut requests = Requests::new(requests);
    let never = CancellationToken::new();
    let exit = supervise(running, &plan.limits, &replies, &mut requests, &never).await?;
    match exit.exit {
        Exit { status: Status::Code(0), ended: Ended::Itself, .. } => Ok(()),
        other => Err(format!("`true` ended with {other:?}").into()),
    }
}

fn spawn(program: &Path, word: &str) -> Result<(), Failed> {
    let argv = [CString::new("true")?, CString::new(word)?];
    let no_environment: [CString; 0] = [];
    let (actions, attributes) = (PosixSpawnFileActions::init()?, PosixSpawnAttr::init()?);
    let child = posix_spawn(program, &actions, &attributes, &argv, &no_environment)?;
    let ended = waitpid(child, None)?;
    if matches!(ended, WaitStatus::Exited(_, 0)) {
        return Ok(());
    }
    Err(format!("{} ended with {ended:?}", program.display()).into())
}

/// As the demo's policy has it for `true`.
fn plan(program: PathBuf) -> Plan {
    let ro = ["/usr/lib", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"];
    Plan {
        rule: "true".to_owned(),
        principal: None,
        engagement: None,
        program,
        argv: vec!["true".to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin".to_owned())],
        secrets: runner::plan::Secrets::default(),
        cwd: "/".into(),
        stdin: StdinMode::Closed,
        limits: Limits {
            wall: Duration::from_secs(15),
            grace: Duration::from_secs(2),
            cpu_s: 5,
            memory: 256 << 20,
            pids: 16,
            nofile: 64,
            fsize: 1 << 20,
            workdir_size: 8 << 20,
            stdout: 256 << 10,
            stderr: 32 << 10,
            output_head: 4096,
            line: Bounds { concurrency: 1, queue: 0, wait: Duration::ZERO },
            output_hard: 4 << 20,
            stdin: 0,
        },
        confinement: Confinement {
            ro: ro.map(PathBuf::from).to_vec(),
            rw: vec!["/dev/null".into(), WORKDIR.into()],
            exec: DYNAMIC_LOADERS.map(PathBuf::from).to_vec(),
            network: Network::None,
            processes: Processes::Own,
            capabilities: Vec::new(),
        },
    }
}

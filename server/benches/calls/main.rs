//! What a call costs: starts the real runner and the real server, drives them over keep-alive
//! connections from this process, and prints rates, latencies and the CPU time of each process.
//!
//! ```text
//! cargo build --release && cargo bench -p server --bench calls [-- --clients 1,16 --seconds 3]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a benchmark prints a table of ratios"
)]

mod backend;
mod client;
mod process;
mod rig;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use self::client::{Client, Work};
use self::process::Cpu;
use self::rig::{Programs, Rig};

/// How a benchmark fails: with words.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// Before the idle memory is read: what the start leaves to do is done by then.
const SETTLE: Duration = Duration::from_secs(1);
/// Starts that are timed.
const STARTS: usize = 15;

#[derive(Debug, Parser)]
struct Arguments {
    /// Clients at the same time; one row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    clients: Vec<usize>,
    /// The longest that one row takes.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The most calls of one row.
    #[arg(long, default_value_t = 200_000)]
    calls: usize,
    /// The directory of the programs to measure; by default those that cargo has just built.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failed> {
    let arguments = Arguments::parse();
    let programs = Programs::find(arguments.programs.as_deref())?;
    println!(
        "binaries      server {} KiB, runner {} KiB",
        programs.server_kib, programs.runner_kib
    );
    let rig = Rig::start(programs)?;
    println!("runner start  {:.1} ms to its first answer", millis(rig.runner_start));
    let starts = sorted((0..STARTS).map(|_| rig.time_start()).collect::<Result<_, _>>()?);
    println!(
        "server start  {:.1} ms to its first answer (p50 of {STARTS}; p99 {:.1} ms)",
        millis(quantile(&starts, 0.5)),
        millis(quantile(&starts, 0.99))
    );
    thread::sleep(SETTLE);
    println!("memory idle   {}", rig.memory()?);

    println!(
        "\n{:<13}{:>8}{:>9}{:>10}{:>10}{:>10}{:>11}{:>11}{:>11}{:>8}",
        "call",
        "clients",
        "calls",
        "calls/s",
        "p50 us",
        "p99 us",
        "server us",
        "runner us",
        "its runs",
        "x ping"
    );
    for &clients in &arguments.clients {
        let mut ping = None;
        for work in Work::ALL {
            let row = measure(&rig, work, clients, &arguments)?;
            let base = *ping.get_or_insert(row.cpu());
            println!(
                "{:<13}{clients:>8}{:>9}{:>10.0}{:>10.0}{:>10.0}{:>11.1}{:>11.1}{:>11.1}{:>8.1}",
                work.name(),
                row.latencies.len(),
                row.latencies.len() as f64 / row.elapsed.as_secs_f64(),
                micros(quantile(&row.latencies, 0.5)),
                micros(quantile(&row.latencies, 0.99)),
                row.per_call(row.server.own),
                row.per_call(row.runner.own),
                row.per_call(row.runner.children),
                row.cpu() / base,
            );
        }
    }
    println!("\nmemory after  {}", rig.memory()?);
    Ok(())
}

/// What the calls of one row took.
struct Row {
    /// Of each call, sorted.
    latencies: Vec<Duration>,
    elapsed: Duration,
    server: Cpu,
    runner: Cpu,
}

impl Row {
    fn per_call(&self, cpu: Duration) -> f64 {
        micros(cpu) / self.latencies.len().max(1) as f64
    }

    /// CPU time of a call over all processes, microseconds.
    fn cpu(&self) -> f64 {
        self.per_call(self.server.own + self.runner.own + self.runner.children)
    }
}

fn measure(rig: &Rig, work: Work, clients: usize, bounds: &Arguments) -> Result<Row, Failed> {
    let ready = Barrier::new(clients + 1);
    let longest = Duration::from_secs_f64(bounds.seconds);
    let most = bounds.calls / clients.max(1);
    thread::scope(|scope| {
        let drivers: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    // The first call of each connection is no part of the row.
                    let warm = Client::open(rig, work).and_then(|mut client| {
                        client.call()?;
                        Ok(client)
                    });
                    ready.wait();
                    drive(warm?, longest, most)
                })
            })
            .collect();
        ready.wait();
        let (server, runner) = (rig.server_cpu()?, rig.runner_cpu()?);
        let began = Instant::now();
        let mut latencies = Vec::new();
        for driver in drivers {
            latencies.extend(driver.join().map_err(|_panic| "a client panicked")??);
        }
        Ok(Row {
            latencies: sorted(latencies),
            elapsed: began.elapsed(),
            server: rig.server_cpu()? - server,
            runner: rig.runner_cpu()? - runner,
        })
    })
}

fn drive(mut client: Client, longest: Duration, most: usize) -> Result<Vec<Duration>, Failed> {
    let mut latencies = Vec::new();
    let began = Instant::now();
    while latencies.len() < most && began.elapsed() < longest {
        let sent = Instant::now();
        client.call()?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

/// The value that `share` of `times`, which are sorted, do not exceed.
fn quantile(times: &[Duration], share: f64) -> Duration {
    let rank = Duration::from_secs(times.len().saturating_sub(1) as u64).mul_f64(share);
    let rank = usize::try_from(rank.as_secs()).unwrap_or(usize::MAX);
    times.get(rank).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

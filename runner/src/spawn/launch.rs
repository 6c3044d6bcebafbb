//! From a spec to a running command: pipes, stage 2, and the word that its own program runs.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use proto::{Status, StdinMode};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::child::Child;
use super::spawner::{Descriptors, Spawner};
use crate::stage2::spec::Spec;
use crate::stage2::status::Line;

/// Stage 2 and init take milliseconds; a file system that hangs must not hold a slot for ever.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(15);

/// A running command.
#[derive(Debug)]
pub struct Running {
    /// Init, which the command's end or ours ends.
    pub init: Child,
    /// The command's stdin, if piped.
    pub stdin: Option<pipe::Sender>,
    /// The command's stdout.
    pub stdout: pipe::Receiver,
    /// The command's stderr.
    pub stderr: pipe::Receiver,
    /// Where it says how it ended.
    pub status: StatusLines,
    /// How it ended, if it was that quick.
    pub ended: Option<Status>,
    /// What ends everything at once: KILL to the init of a PID namespace, with which the kernel ends
    /// the rest; else the signal on which init does it.
    pub kill: Signal,
}

/// The command does not run.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct LaunchError {
    /// The step that failed.
    pub step: String,
    /// Why.
    pub reason: String,
}

impl LaunchError {
    fn spawn(error: &io::Error) -> Self {
        Self { step: "spawn".to_owned(), reason: error.to_string() }
    }
}

/// Starts the command of `spec`.
pub async fn launch(
    spawner: &Spawner,
    spec: &Spec,
    stdin: StdinMode,
) -> Result<Running, LaunchError> {
    let spawn = |e: io::Error| LaunchError::spawn(&e);
    let (stdin_read, stdin_write) = match stdin {
        StdinMode::Closed => (null().map_err(spawn)?, None),
        StdinMode::Piped => {
            let (read, write) = new_pipe().map_err(spawn)?;
            (read, Some(pipe::Sender::from_owned_fd(write).map_err(spawn)?))
        }
    };
    let (stdout_read, stdout) = new_pipe().map_err(spawn)?;
    let (stderr_read, stderr) = new_pipe().map_err(spawn)?;
    let (status_read, status) = new_pipe().map_err(spawn)?;
    let namespaces = spec.namespaces;
    let spec = spec.seal().map_err(spawn)?;
    let mut lines = StatusLines::new(status_read).map_err(spawn)?;
    let stdout_read = pipe::Receiver::from_owned_fd(stdout_read).map_err(spawn)?;
    let stderr_read = pipe::Receiver::from_owned_fd(stderr_read).map_err(spawn)?;

    let descriptors = Descriptors { stdin: stdin_read, stdout, stderr, spec, status };
    let stage2 = spawner.spawn(descriptors).await.map_err(spawn)?;
    let (init, ended) =
        timeout(LAUNCH_TIMEOUT, started(&mut lines, stage2)).await.map_err(|_elapsed| {
            LaunchError {
                step: "spawn".to_owned(),
                reason: format!("not started within {} s", LAUNCH_TIMEOUT.as_secs()),
            }
        })??;
    Ok(Running {
        init,
        stdin: stdin_write,
        stdout: stdout_read,
        stderr: stderr_read,
        status: lines,
        ended,
        kill: if namespaces.has_pid() { Signal::KILL } else { Signal::USR1 },
    })
}

/// Reads the status pipe until init is known and its command runs, or all of them have ended.
/// Stage 2 and init write at the same time, so nothing is said about the order.
async fn started(
    lines: &mut StatusLines,
    stage2: Child,
) -> Result<(Child, Option<Status>), LaunchError> {
    let failed = |reason: &str| LaunchError { step: "spawn".to_owned(), reason: reason.to_owned() };
    let spawn = |e: io::Error| LaunchError::spawn(&e);
    let (mut init, mut running, mut ended, mut failure) = (None, false, None, None);
    while !(running && init.is_some()) {
        match lines.next().await {
            Some(Line::Init(pid)) => init = Some(Child::watch(pid).map_err(spawn)?),
            Some(Line::Started) => running = true,
            Some(Line::Ended(status)) => ended = Some(status),
            Some(Line::Fail { step, reason }) => failure = Some(LaunchError { step, reason }),
            None => break,
        }
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    let init = init.ok_or_else(|| failed("stage 2 did not name its init"))?;
    if !running {
        return Err(failed("init ended without a word"));
    }
    stage2.end().map_err(spawn)?.wait().await;
    stage2.reap().map_err(spawn)?;
    Ok((init, ended))
}

/// The reading end of the status pipe.
#[derive(Debug)]
pub struct StatusLines(Lines<BufReader<pipe::Receiver>>);

impl StatusLines {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        let reader = BufReader::with_capacity(1024, pipe::Receiver::from_owned_fd(pipe)?);
        Ok(Self(reader.lines()))
    }

    /// The next line; `None` at the end or when it makes no sense. Safe to cancel.
    pub async fn next(&mut self) -> Option<Line> {
        let line = self.0.next_line().await.ok()??;
        Line::parse(&line)
    }
}

fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

fn null() -> io::Result<OwnedFd> {
    Ok(std::fs::File::open("/dev/null")?.into())
}

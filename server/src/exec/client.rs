//! One run, asked of the runner: connect, say what is wanted, feed stdin and collect output at the
//! same time, and hear how it ended. Dropping the future hangs up, and hanging up ends the run.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use proto::bounded::Text;
use proto::{
    Blob, ChannelError, Denial, EnvVar, Execute, Exit, Failure, List, OutOfBounds, Receiver, Reply,
    Request, RunId, Sender, Started, StdinMode, Stream,
};
use tokio::time::timeout;
use tokio_seqpacket::UnixSeqpacket;
use tokio_util::sync::CancellationToken;

use super::invocation::Invocation;
use super::kept::Kept;
use crate::entropy::{self, NoEntropy};
use crate::limits;
use crate::model::caller::Caller;

/// The runner, by its socket.
#[derive(Debug, Clone)]
pub struct Runner {
    socket: PathBuf,
}

/// A run that ended, however it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What ran.
    pub started: Started,
    /// What came out on stdout.
    pub stdout: Kept,
    /// What came out on stderr.
    pub stderr: Kept,
    /// How it ended.
    pub exit: Exit,
}

/// There was no run, or its end is not known.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was cancelled, and the runner did not say how it ended.
    #[error("the run was cancelled")]
    Cancelled,
    /// The policy says no.
    #[error("the runner's policy denies it")]
    Denied(Denial),
    /// No room: to be asked again after this many milliseconds.
    #[error("the runner is busy; call again in {0} ms")]
    Busy(u32),
    /// The runner could not do it; the command did not run.
    #[error("the runner failed at its step `{}`: {}", .0.step, .0.reason)]
    Failed(Failure),
    /// The connection ended in the middle of a run.
    #[error("the runner hung up during the run; whether the command finished is not known")]
    HungUp,
    /// Nobody listens.
    #[error(
        "the runner is not there, so no command can run; its operator starts it with \
         `mcpfusion-runner serve`"
    )]
    NotThere(#[source] io::Error),
    /// The peer does not keep to the protocol, or has another version of it.
    #[error(
        "the runner and this server do not understand each other; install both from one release"
    )]
    Protocol(#[source] ChannelError),
    /// The host gave no random bytes.
    #[error("the run cannot be given a random name, so it was not asked for")]
    Random(#[source] NoEntropy),
    /// The runner does not talk to this server's user.
    #[error(
        "the runner refused this server's connection; its operator lets the server's user in, and \
         the runner's log says why"
    )]
    Refused(#[source] Option<io::Error>),
    /// Over a bound of the wire.
    #[error("{what} cannot be sent to the runner: {bound}")]
    Request {
        /// Which part.
        what: &'static str,
        /// Which bound.
        bound: OutOfBounds,
    },
    /// The runner did not report in time.
    #[error("the runner did not report the end of the run in time; the run is given up")]
    Silent,
    /// The runner failed at a command that had started.
    #[error(
        "the runner failed at its step `{}` after the command had started, so the command may have \
         done its work: {}",
        .0.step,
        .0.reason
    )]
    Unfinished(Failure),
    /// The runner answered something that was not asked.
    #[error("the runner sent `{0}`, which does not belong here; install both from one release")]
    Unexpected(&'static str),
}

impl Runner {
    /// The runner that listens on `socket`. Nothing is opened yet.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Runs one command and waits for its end. `cancel` ends the run early; its end is still
    /// awaited, so that the caller knows that nothing is alive.
    pub async fn run(
        &self,
        caller: &Caller,
        invocation: Invocation,
        cancel: &CancellationToken,
    ) -> Result<Run, RunError> {
        let waits = Waits {
            end: invocation.timeout + limits::RUNNER_REPORT,
            cancel: limits::RUNNER_CANCEL,
        };
        self.run_within(waits, requests(caller, invocation)?, cancel).await
    }

    async fn run_within(
        &self,
        waits: Waits,
        mut to_send: VecDeque<Request>,
        cancel: &CancellationToken,
    ) -> Result<Run, RunError> {
        let (sender, receiver) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunError::Cancelled),
            connected = self.connect() => connected?,
        };
        let mut session = Session { sender, receiver, output: Output::default() };
        tokio::select! {
            end = timeout(waits.end, session.follow(&mut to_send)) => {
                return end.unwrap_or(Err(RunError::Silent));
            }
            () = cancel.cancelled() => {}
        }
        let mut to_send = VecDeque::from([Request::Cancel]);
        let end = timeout(waits.cancel, session.follow(&mut to_send)).await;
        end.unwrap_or(Err(RunError::Cancelled))
    }

    pub(super) async fn connect(&self) -> Result<(Sender<Request>, Receiver<Reply>), RunError> {
        let socket = timeout(limits::RUNNER_CONNECT, UnixSeqpacket::connect(&self.socket)).await;
        match socket.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())) {
            Ok(socket) => Ok(proto::channel(socket)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                Err(RunError::Refused(Some(e)))
            }
            Err(e) => Err(RunError::NotThere(e)),
        }
    }
}

/// Receives one reply, or `None` when the runner has really hung up.
///
/// When a peer closes with messages of ours unread, the kernel reports the reset before it gives
/// out what the peer had sent (unix(7)); the report comes once, so a second look decides.
pub(super) async fn receive(receiver: &mut Receiver<Reply>) -> Result<Option<Reply>, RunError> {
    match receiver.receive().await.map_err(RunError::Protocol)? {
        Some(reply) => Ok(Some(reply)),
        None => receiver.receive().await.map_err(RunError::Protocol),
    }
}

/// How long to wait for the last message of a run.
struct Waits {
    /// From its start.
    end: Duration,
    /// From its cancellation.
    cancel: Duration,
}

struct Session {
    sender: Sender<Request>,
    receiver: Receiver<Reply>,
    output: Output,
}

#[derive(Default)]
struct Output {
    started: Option<Started>,
    stdout: Kept,
    stderr: Kept,
}

impl Session {
    /// Sends what is to be sent and receives until the run's last message.
    async fn follow(&mut self, to_send: &mut VecDeque<Request>) -> Result<Run, RunError> {
        loop {
            let reply = match to_send.front() {
                None => receive(&mut self.receiver).await?,
                Some(next) => tokio::select! {
                    reply = receive(&mut self.receiver) => reply?,
                    // Either the datagram went as a whole, or nothing of it: safe to drop.
                    sent = self.sender.send(next) => {
                        to_send.pop_front();
                        if let Err(error) = sent {
                            // The runner may have answered before it closed: read on.
                            tracing::debug!(%error, "cannot send to the runner");
                            to_send.clear();
                        }
                        continue;
                    }
                },
            };
            if let Some(end) = self.output.take(reply)? {
                return Ok(end);
            }
        }
    }
}

impl Output {
    fn take(&mut self, reply: Option<Reply>) -> Result<Option<Run>, RunError> {
        match reply {
            Some(Reply::Started(started)) => self.started = Some(started),
            Some(Reply::Output(Stream::Stdout, chunk)) => self.stdout.push(&chunk),
            Some(Reply::Output(Stream::Stderr, chunk)) => self.stderr.push(&chunk),
            Some(Reply::Gap(Stream::Stdout, dropped)) => self.stdout.gap(dropped),
            Some(Reply::Gap(Stream::Stderr, dropped)) => self.stderr.gap(dropped),
            Some(Reply::Exit(exit)) => {
                let Some(started) = self.started.take() else {
                    return Err(RunError::Unexpected("exit"));
                };
                let stdout = std::mem::take(&mut self.stdout);
                let stderr = std::mem::take(&mut self.stderr);
                return Ok(Some(Run { started, stdout, stderr, exit }));
            }
            Some(Reply::Denied(denial)) => return Err(RunError::Denied(denial)),
            Some(Reply::Busy(after_ms)) => return Err(RunError::Busy(after_ms)),
            Some(Reply::Failed(failure)) if self.started.is_some() => {
                return Err(RunError::Unfinished(failure));
            }
            Some(Reply::Failed(failure)) => return Err(RunError::Failed(failure)),
            Some(Reply::About(_)) => return Err(RunError::Unexpected("about")),
            Some(Reply::Command(_)) => return Err(RunError::Unexpected("command")),
            Some(Reply::End) => return Err(RunError::Unexpected("end")),
            None if self.started.is_some() => return Err(RunError::HungUp),
            None => return Err(RunError::Refused(None)),
        }
        Ok(None)
    }
}

/// The messages of one run: what to execute, then all of stdin, then its end.
fn requests(caller: &Caller, run: Invocation) -> Result<VecDeque<Request>, RunError> {
    let id = entropy::bytes().map_err(RunError::Random)?;
    let args =
        run.args.into_iter().map(|arg| text("an argument", arg)).collect::<Result<_, _>>()?;
    let env = run
        .env
        .into_iter()
        .map(|(name, value)| {
            let name = text("a variable's name", name)?;
            Ok(EnvVar { name, value: text("a variable's value", value)? })
        })
        .collect::<Result<_, RunError>>()?;
    let execute = Execute {
        run: RunId(*id),
        principal: text("the user", caller.user.to_string())?,
        command: text("the command", run.key)?,
        args: List::new(args).map_err(over("the list of arguments"))?,
        env: List::new(env).map_err(over("the list of variables"))?,
        cwd: run.cwd.map(|cwd| text("the working directory", cwd)).transpose()?,
        stdin: if run.stdin.is_some() { StdinMode::Piped } else { StdinMode::Closed },
        timeout_ms: u32::try_from(run.timeout.as_millis()).ok(),
    };
    execute.check_total().map_err(over("the command line"))?;
    let mut requests = VecDeque::from([Request::Execute(execute)]);
    if let Some(stdin) = run.stdin {
        for piece in stdin.as_bytes().chunks(proto::limit::CHUNK) {
            let piece = Blob::new(piece.to_vec()).map_err(over("stdin"))?;
            requests.push_back(Request::Stdin(piece));
        }
        requests.push_back(Request::Stdin(Blob::default()));
    }
    Ok(requests)
}

fn text<const MAX: usize>(what: &'static str, text: String) -> Result<Text<MAX>, RunError> {
    Text::new(text).map_err(over(what))
}

fn over(what: &'static str) -> impl Fn(OutOfBounds) -> RunError {
    move |bound| RunError::Request { what, bound }
}

#[cfg(test)]
pub(crate) mod tests;

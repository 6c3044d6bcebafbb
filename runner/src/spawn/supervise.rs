//! Watches over one running command until nothing of it is alive: output, stdin, time, and whoever
//! asks for its end.

use std::collections::VecDeque;
use std::time::Duration;

use proto::{Chunk, Ended, Exit, Reply, Request, Status, Stream};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::launch::{Running, StatusLines};
use super::output::Output;
use crate::plan::Limits;
use crate::requests::Requests;
use crate::stage2::status::Line;

/// What is left in the pipes is read for this long after the end: without a PID namespace a process
/// that escaped its group could hold them open.
const DRAIN: Duration = Duration::from_secs(1);

/// A run of which nothing is alive.
#[derive(Debug)]
pub struct Finished {
    /// How it ended; its counts are right once `rest` is sent.
    pub exit: Exit,
    /// The ends of its streams, which are still to be sent.
    pub rest: Vec<Reply>,
}

/// Runs `running` to its end and tells how it was. `requests` ends when the front end hangs up.
pub async fn supervise(
    running: Running,
    limits: &Limits,
    replies: &mpsc::Sender<Reply>,
    requests: &mut Requests,
    shutdown: &CancellationToken,
) -> std::io::Result<Finished> {
    let Running { init, stdin, stdout, stderr, mut status, mut ended, kill } = running;
    let began = Instant::now();
    let end = init.end()?;
    let mut stdout = Output::new(Stream::Stdout, stdout, limits.stdout, limits.output_head);
    let mut stderr = Output::new(Stream::Stderr, stderr, limits.stderr, limits.output_head);
    let mut stdin =
        Stdin { pipe: stdin, queue: VecDeque::new(), room: limits.stdin, closing: false };
    let mut ending = Ending {
        init: &init,
        kill,
        grace: limits.grace,
        why: None,
        forced: false,
        next: began + limits.wall,
    };
    let mut peer_listens = true;

    loop {
        tokio::select! {
            () = end.wait() => break,
            () = stdout.pump(replies) => {}
            () = stderr.pump(replies) => {}
            () = stdin.write() => {}
            () = sleep_until(ending.next) => ending.time_is_up(),
            () = read_end(&mut status, &mut ended) => {}
            () = shutdown.cancelled(), if ending.why.is_none() => ending.softly(Ended::Shutdown),
            request = requests.next(), if peer_listens => match request {
                Some(Request::Stdin(chunk)) if stdin.take(&chunk) => {}
                Some(Request::Cancel) => ending.softly(Ended::Cancelled),
                // Hung up, more stdin than the policy takes, or out of turn.
                None | Some(_) => {
                    peer_listens = false;
                    ending.softly(Ended::Cancelled);
                }
            },
        }
        if stdout.written() + stderr.written() > limits.output_hard {
            ending.now(Ended::OutputLimit);
        }
    }

    let duration = began.elapsed();
    let drained = tokio::time::timeout(DRAIN, async {
        while !(stdout.is_ended() && stderr.is_ended()) {
            tokio::select! {
                () = stdout.pump(replies) => {}
                () = stderr.pump(replies) => {}
            }
        }
    });
    // Over the time the counts say what is missing.
    drained.await.ok();
    if ended.is_none() {
        tokio::time::timeout(DRAIN, read_end(&mut status, &mut ended)).await.ok();
    }
    let (mut rest, stdout) = stdout.finish();
    let (rest_of_stderr, stderr) = stderr.finish();
    rest.extend(rest_of_stderr);
    let exit = Exit {
        // Without a word of init's it was killed, and the kernel killed the rest with it.
        status: ended.unwrap_or(Status::Signal(9)),
        ended: ending.finish(),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        stdout,
        stderr,
        usage: init.reap()?,
    };
    Ok(Finished { exit, rest })
}

/// Reads how the command ended; waits for ever when that is known or will not come.
async fn read_end(status: &mut StatusLines, ended: &mut Option<Status>) {
    if ended.is_some() {
        return std::future::pending().await;
    }
    match status.next().await {
        Some(Line::Ended(how)) => *ended = Some(how),
        Some(_) | None => std::future::pending().await,
    }
}

/// TERM, then KILL after the grace; KILL at once where nothing may be waited for.
struct Ending<'a> {
    init: &'a Child,
    kill: Signal,
    grace: Duration,
    why: Option<Ended>,
    forced: bool,
    next: Instant,
}

impl Ending<'_> {
    fn time_is_up(&mut self) {
        if self.why.is_some() {
            self.kill_now();
        } else {
            self.softly(Ended::TimedOut { forced: false });
        }
    }

    fn softly(&mut self, why: Ended) {
        if self.why.is_none() {
            self.why = Some(why);
            self.next = Instant::now() + self.grace;
            self.init.signal(Signal::TERM);
        }
    }

    fn now(&mut self, why: Ended) {
        if self.why.is_none() {
            self.why = Some(why);
        }
        if !self.forced {
            self.kill_now();
        }
    }

    fn kill_now(&mut self) {
        self.forced = true;
        self.init.signal(self.kill);
        self.next = Instant::now() + self.grace.max(Duration::from_secs(1));
    }

    fn finish(&self) -> Ended {
        match self.why {
            None => Ended::Itself,
            Some(Ended::TimedOut { .. }) => Ended::TimedOut { forced: self.forced },
            Some(why) => why,
        }
    }
}

/// The command's stdin and what is still to be written to it.
struct Stdin {
    pipe: Option<pipe::Sender>,
    queue: VecDeque<u8>,
    room: u64,
    closing: bool,
}

impl Stdin {
    /// Queues a piece; an empty one closes. `false` for more than the limit or after the close.
    fn take(&mut self, chunk: &Chunk) -> bool {
        let len = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let Some(room) = self.room.checked_sub(len) else { return false };
        if self.closing {
            return false;
        }
        self.room = room;
        self.closing = chunk.is_empty();
        if self.pipe.is_some() {
            self.queue.extend(chunk.iter());
        }
        true
    }

    /// Writes some of the queue, or closes; waits for ever when there is nothing to do. Safe to cancel.
    async fn write(&mut self) {
        let (next, _) = self.queue.as_slices();
        match &mut self.pipe {
            Some(pipe) if !next.is_empty() => {
                if let Ok(written) = pipe.write(next).await {
                    self.queue.drain(..written);
                } else {
                    // The command closed its stdin, which is its right.
                    self.queue.clear();
                    self.pipe = None;
                }
            }
            Some(_) if self.closing => self.pipe = None,
            Some(_) | None => std::future::pending().await,
        }
    }
}

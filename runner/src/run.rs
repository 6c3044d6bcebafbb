//! One run, from the request to its end: decide, take a place, write it down, start, watch, write
//! it down.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proto::{
    Denial, Ended, Execute, Exit, Failure, List, Name, Reason, Reply, Started, Status, Stream, Text,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::admission::{Admitted, Refused};
use crate::audit::{Audit, Detail, Event, Peer, Record, hex};
use crate::host::WORKDIR;
use crate::line::Ticket;
use crate::plan::Plan;
use crate::policy::{self, Decision, Policy};
use crate::requests::Requests;
use crate::runner::Runner;
use crate::slots::Place;
use crate::spawn::launch::launch;
use crate::spawn::supervise::{Finished, supervise};
use crate::stage2::spec::Namespaces;
use crate::workdir::Workdir;

/// When there is no room: about how long it takes until there is.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// For a peer to read the next piece of a stream's end.
const NEXT_PIECE: Duration = Duration::from_secs(10);

/// Runs what `execute` asks for, if the policy allows it, and returns the run's last message.
pub async fn run(
    runner: &Runner,
    peer: Peer,
    execute: &Execute,
    replies: &mpsc::Sender<Reply>,
    mut requests: Requests,
) -> Reply {
    let run = Run { runner, peer, execute };
    match run.carry_out(replies, &mut requests).await {
        // The place is free by now: who reads slowly keeps nothing but a connection.
        Ok(finished) => Reply::Exit(send_rest(finished, replies).await),
        Err(Unrun::Denied(denial)) => Reply::Denied(denial),
        Err(Unrun::Busy { retry_after }) => {
            Reply::Busy(u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX))
        }
        Err(Unrun::Failed { step, reason }) => {
            tracing::error!(run = %execute.run, step, reason, "cannot run");
            Reply::Failed(Failure { step: Text::clipped(step), reason: Text::clipped(reason) })
        }
    }
}

/// Sends the ends of the streams. What a peer does not take was not passed on, and is not counted.
async fn send_rest(finished: Finished, replies: &mpsc::Sender<Reply>) -> Exit {
    let Finished { mut exit, rest } = finished;
    let mut peer_reads = true;
    for message in rest {
        if peer_reads && let Ok(Ok(permit)) = timeout(NEXT_PIECE, replies.reserve()).await {
            permit.send(message);
            continue;
        }
        peer_reads = false;
        if let Reply::Output(stream, piece) = message {
            let report = match stream {
                Stream::Stdout => &mut exit.stdout,
                Stream::Stderr => &mut exit.stderr,
            };
            report.passed -= u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
    }
    exit
}

/// Why there was no run.
enum Unrun {
    Busy { retry_after: Duration },
    Denied(Denial),
    Failed { step: String, reason: String },
}

struct Run<'a> {
    runner: &'a Runner,
    peer: Peer,
    execute: &'a Execute,
}

impl Run<'_> {
    async fn carry_out(
        &self,
        replies: &mpsc::Sender<Reply>,
        requests: &mut Requests,
    ) -> Result<Finished, Unrun> {
        let policy = self.runner.policy();
        let own = self.workdir().map_err(|e| failed("workdir", e))?;
        let workdir = own.as_ref().map_or(Path::new(WORKDIR), Workdir::path);
        let shown = workdir.to_string_lossy();
        let mut plan = match policy::decide(&policy, self.execute, &shown, SystemTime::now()) {
            Decision::Permit(plan) => plan,
            Decision::Deny(denial) => return Err(self.deny(&policy, denial).await),
        };
        let ticket = self.wait_in_line(&mut plan, requests).await?;
        let Some(place) = self.runner.slots.take() else {
            return Err(self.busy("no place is free", RETRY_AFTER).await);
        };
        // After the place, so that a run without one is not counted.
        let _admitted = match self.admit(&policy, &plan) {
            Ok(admitted) => admitted,
            Err(refused) => return Err(self.busy(&refused.reason, refused.retry_after).await),
        };
        self.audit(Event::Start, start(&plan, &place, &policy, &self.runner.audit)).await?;
        let finished = self.execute(&plan, &place, workdir, replies, requests).await;
        match &finished {
            Ok(finished) => self.audit(Event::Exit, end(&plan, &finished.exit)).await?,
            Err(Unrun::Failed { step, reason }) => {
                let reason = format!("{step}: {reason}");
                self.audit(Event::Fail, Detail::Reason { reason: &reason }).await?;
            }
            Err(Unrun::Busy { .. } | Unrun::Denied(_)) => {}
        }
        drop(place);
        drop(ticket);
        finished
    }

    /// Waits until the rule may have one more run. The wait is of the time that the caller gives.
    async fn wait_in_line(
        &self,
        plan: &mut Plan,
        requests: &mut Requests,
    ) -> Result<Ticket, Unrun> {
        let mut bounds = plan.limits.line;
        let asked = self.execute.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        bounds.wait = bounds.wait.min(asked.unwrap_or(bounds.wait));
        let began = Instant::now();
        let admitted = tokio::select! {
            // Who is admitted at once runs, and the supervisor hears what else was said.
            biased;
            admitted = self.runner.lines.admit(&plan.rule, bounds) => admitted,
            () = requests.end() => {
                return Err(self.busy("the front end left the queue", RETRY_AFTER).await);
            }
            () = self.runner.shutdown.cancelled() => {
                return Err(self.busy("the runner is stopping", RETRY_AFTER).await);
            }
        };
        let ticket = match admitted {
            Ok(ticket) => ticket,
            Err(not_now) => return Err(self.busy(&not_now.to_string(), RETRY_AFTER).await),
        };
        let waited = began.elapsed();
        if let Some(asked) = asked {
            plan.limits.wall = plan.limits.wall.min(asked.saturating_sub(waited));
        }
        if plan.engagement.is_some() {
            // It was cut to what the engagement had left before the wait.
            plan.limits.wall = plan.limits.wall.saturating_sub(waited);
        }
        Ok(ticket)
    }

    async fn execute(
        &self,
        plan: &Plan,
        place: &Place,
        workdir: &Path,
        replies: &mpsc::Sender<Reply>,
        requests: &mut Requests,
    ) -> Result<Finished, Unrun> {
        let runner = self.runner;
        let spec = runner.host.spec(plan, place.uid(), workdir);
        let running = launch(&runner.spawner, &spec, plan.stdin)
            .await
            .map_err(|e| Unrun::Failed { step: e.step, reason: e.reason })?;
        // A peer that is gone is noticed by the supervisor.
        replies.send(Reply::Started(started(plan))).await.ok();
        supervise(running, &plan.limits, replies, requests, &runner.shutdown)
            .await
            .map_err(|e| failed("supervise", e))
    }

    /// Counts the run for the principal that it was granted to.
    fn admit(&self, policy: &Policy, plan: &Plan) -> Result<Option<Admitted>, Refused> {
        let Some(name) = &plan.principal else { return Ok(None) };
        let Some(quota) = policy.quota(name) else { unreachable!("the plan is of this policy") };
        self.runner.admission.admit(name, quota, Instant::now().into_std()).map(Some)
    }

    async fn busy(&self, reason: &str, retry_after: Duration) -> Unrun {
        match self.audit(Event::Busy, Detail::Reason { reason }).await {
            Ok(()) => Unrun::Busy { retry_after },
            Err(unwritten) => unwritten,
        }
    }

    async fn deny(&self, policy: &Policy, denial: Denial) -> Unrun {
        let args =
            policy::shown_args(policy, self.execute, |secret| self.runner.audit.mask(secret));
        let detail = Detail::Deny {
            rule: denial.rule.as_ref().map(Text::as_str),
            args,
            argument: denial.argument,
            reason: &denial.reason,
        };
        // It is refused whether or not that can be written down.
        if let Err(unwritten) = self.audit(Event::Deny, detail).await {
            return unwritten;
        }
        Unrun::Denied(denial)
    }

    async fn audit(&self, event: Event, detail: Detail<'_>) -> Result<(), Unrun> {
        let record = Record {
            event,
            run: self.execute.run.to_string(),
            peer: self.peer,
            principal: &self.execute.principal,
            command: &self.execute.command,
            detail,
        };
        self.runner.audit.write(&record).await.map_err(|e| failed("audit", e))
    }

    /// Where the host gives no mount namespace: elsewhere a run has a mount of its own.
    fn workdir(&self) -> io::Result<Option<Workdir>> {
        match self.runner.host.namespaces {
            Namespaces::None => Workdir::create(self.runner.new_workdir()).map(Some),
            Namespaces::Privileged | Namespaces::User => Ok(None),
        }
    }
}

fn failed(step: &str, error: impl std::fmt::Display) -> Unrun {
    Unrun::Failed { step: step.to_owned(), reason: error.to_string() }
}

fn started(plan: &Plan) -> Started {
    let argv = plan.shown_argv(|_secret| "[secret]".to_owned());
    let argv = argv.into_iter().map(Text::clipped).collect();
    Started { rule: Name::clipped(&plan.rule), argv: List::new(argv).unwrap_or_default() }
}

fn start<'a>(plan: &'a Plan, place: &Place, policy: &Policy, audit: &Audit) -> Detail<'a> {
    Detail::Start {
        rule: &plan.rule,
        granted_to: plan.principal.as_deref(),
        engagement: plan.engagement.as_deref(),
        program: &plan.program,
        argv: plan.shown_argv(|secret| audit.mask(secret)),
        env: plan.shown_env(|secret| audit.mask(secret)),
        uid: place.uid(),
        policy: hex(&policy.sha256),
    }
}

fn end<'a>(plan: &'a Plan, exit: &Exit) -> Detail<'a> {
    Detail::Exit {
        rule: &plan.rule,
        status: match exit.status {
            Status::Code(code) => format!("exit {code}"),
            Status::Signal(signal) => format!("signal {signal}"),
        },
        ended: match exit.ended {
            Ended::Itself => "itself",
            Ended::TimedOut { forced: false } => "timeout",
            Ended::TimedOut { forced: true } => "timeout, killed",
            Ended::Cancelled => "cancelled",
            Ended::OutputLimit => "output limit",
            Ended::Shutdown => "shutdown",
        },
        duration_ms: exit.duration_ms,
        stdout_bytes: exit.stdout.written,
        stdout_sha256: hex(&exit.stdout.sha256),
        stderr_bytes: exit.stderr.written,
        stderr_sha256: hex(&exit.stderr.sha256),
        cpu_us: exit.usage.cpu_us,
    }
}

/// A message that made no sense, for the log.
pub async fn malformed(runner: &Runner, peer: Peer, reason: &str) {
    let written = runner.audit.write_bounded(Event::Malformed, Some(peer), reason).await;
    if let Err(error) = written {
        tracing::error!(%error, "cannot audit");
    }
}

/// What a failure to understand a peer is answered with.
pub fn not_understood(reason: impl std::fmt::Display) -> Reply {
    Reply::Failed(Failure {
        step: Text::clipped("request"),
        reason: Reason::clipped(reason.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use proto::{Blob, StreamReport, Usage};

    use super::*;

    #[test]
    fn an_end_that_the_peer_does_not_take_is_not_counted_as_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let report = StreamReport { written: 900, passed: 90, sha256: [0; 32] };
        let piece = |stream, len| Reply::Output(stream, Blob::new(vec![b'x'; len]).unwrap());
        let finished = Finished {
            exit: Exit {
                status: Status::Code(0),
                ended: Ended::Itself,
                duration_ms: 1,
                stdout: report,
                stderr: report,
                usage: Usage::default(),
            },
            rest: vec![
                piece(Stream::Stdout, 10),
                piece(Stream::Stdout, 20),
                Reply::Gap(Stream::Stderr, 810),
                piece(Stream::Stderr, 40),
            ],
        };
        let (replies, received) = mpsc::channel(4);
        let exit = runtime.block_on(async {
            let permits = replies.reserve_many(3).await.unwrap();
            let hang_up = async {
                tokio::task::yield_now().await;
                drop(received);
            };
            let (exit, ()) = tokio::join!(send_rest(finished, &replies), hang_up);
            drop(permits);
            exit
        });
        assert_eq!((exit.stdout.passed, exit.stderr.passed), (70, 50));
    }
}

//! The log's front. A thread of its own writes and syncs; records that come together share one
//! fdatasync.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::oneshot;

use super::flood::{Flood, Kind, Verdict};
use super::key::Key;
use super::log::{Head, Log, OpenError};
use super::record::{Detail, Event, Notice, Peer};

/// After so many lines the head of the chain goes to the runner's own log: whoever cuts the end of
/// the file off would have to change that as well.
const HEAD_EVERY: u64 = 1_000;

/// The log cannot be written: then nothing runs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened again.
    #[error("cannot open the audit log again, the old file stays in use: {0}")]
    Reopen(String),
    /// A record did not reach the disk.
    #[error("cannot write the audit log: {0}")]
    Write(String),
}

/// An open log that many write to.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Until the end.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    flood: Mutex<Flood>,
    /// Given back last: it keeps other runners off the log.
    key: Key,
}

type Answer<T> = oneshot::Sender<Result<T, AuditError>>;

#[derive(Debug)]
enum Job {
    Reopen(Answer<()>),
    Write(String, Answer<Head>),
}

impl Audit {
    /// Opens or continues the log at `path`, mode 0600, and starts its thread. A file is put aside
    /// before it has more than `max` bytes.
    pub fn open(path: &Path, max: u64) -> Result<Self, OpenError> {
        let key = Key::take(path)?;
        let mut log = Log::open(path, max)?;
        tell_head(log.head());
        let (jobs, todo) = mpsc::channel::<Job>();
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                while let Ok(first) = todo.recv() {
                    carry_out(&mut log, std::iter::once(first).chain(todo.try_iter()));
                }
            })
            .map_err(|e| OpenError::Open { path: path.to_owned(), reason: e.to_string() })?;
        Ok(Self(Arc::new(Shared {
            jobs: Some(jobs),
            thread: Some(thread),
            flood: Mutex::default(),
            key,
        })))
    }

    /// Writes one record; returns when it is on disk.
    pub async fn write(&self, record: &impl Serialize) -> Result<(), AuditError> {
        self.append(record).await.map(drop)
    }

    /// Writes what a peer can cause as often as it likes: one by one, or when there were too many
    /// of late as a count that is written when the minute is over.
    pub async fn write_bounded(
        &self,
        event: Event,
        peer: Option<Peer>,
        reason: &str,
    ) -> Result<(), AuditError> {
        let kind = Kind { event, uid: peer.map(|peer| peer.uid) };
        let verdict = self.flood().admit(kind, Instant::now());
        match verdict {
            Verdict::Write => {
                self.write(&Notice { event, peer, detail: Detail::Reason { reason } }).await
            }
            Verdict::Count => Ok(()),
            Verdict::CountUntil(kind, end) => {
                let audit = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(end.into()).await;
                    if let Err(error) = audit.write_count(kind).await {
                        tracing::error!(%error, "cannot audit");
                    }
                });
                Ok(())
            }
        }
    }

    /// Writes the last record, behind all counts, and tells the head of the chain.
    pub async fn finish(&self, record: &impl Serialize) -> Result<(), AuditError> {
        let open = self.flood().open();
        for kind in open {
            self.write_count(kind).await?;
        }
        tell_head(&self.append(record).await?);
        Ok(())
    }

    /// Opens the file by its name again, after something else has renamed it.
    pub async fn reopen(&self) -> Result<(), AuditError> {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Reopen(done))?;
        answer.await.map_err(|_ended| gone())?
    }

    /// What the log shows of a secret: a keyed hash, equal for equal secrets.
    pub fn mask(&self, secret: &str) -> String {
        self.0.key.mask(secret)
    }

    async fn append(&self, record: &impl Serialize) -> Result<Head, AuditError> {
        let record = serde_json::to_string(record).map_err(|e| AuditError::Write(e.to_string()))?;
        let (written, answer) = oneshot::channel();
        self.ask(Job::Write(record, written))?;
        answer.await.map_err(|_ended| gone())?
    }

    async fn write_count(&self, kind: Kind) -> Result<(), AuditError> {
        let Some(count) = self.flood().take(kind) else { return Ok(()) };
        let peer = kind.uid.map(|uid| Peer { uid, pid: None });
        let detail = Detail::Flood { of: kind.event, count };
        self.write(&Notice { event: Event::Flood, peer, detail }).await
    }

    fn ask(&self, job: Job) -> Result<(), AuditError> {
        let jobs = self.0.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_ended| gone())
    }

    fn flood(&self) -> MutexGuard<'_, Flood> {
        self.0.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    /// Waits for what is being written: the log is another's only after that.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn gone() -> AuditError {
    AuditError::Write("the audit thread is gone".to_owned())
}

fn tell_head(head: &Head) {
    tracing::info!(lines = head.lines, head = head.hash, "the audit log's chain");
}

/// Whether the head is told after a batch of lines.
fn is_due(before: u64, after: u64) -> bool {
    after / HEAD_EVERY > before / HEAD_EVERY
}

fn carry_out(log: &mut Log, jobs: impl Iterator<Item = Job>) {
    let (mut writes, mut reopens) = (Vec::new(), Vec::new());
    for job in jobs {
        match job {
            Job::Reopen(done) => reopens.push(done),
            Job::Write(record, written) => writes.push((record, written)),
        }
    }
    if !writes.is_empty() {
        let before = log.head().lines;
        let written = log
            .append(writes.iter().map(|(record, _)| record))
            .map(|()| log.head().clone())
            .map_err(|e| AuditError::Write(e.to_string()));
        if is_due(before, log.head().lines) {
            tell_head(log.head());
        }
        for (_, answer) in writes {
            answer.send(written.clone()).ok();
        }
    }
    for done in reopens {
        let reopened = log.reopen().map_err(|e: io::Error| AuditError::Reopen(e.to_string()));
        done.send(reopened).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::super::verify::whole;
    use super::*;

    fn record(reason: &str) -> Record<'_> {
        Record {
            event: Event::Deny,
            run: "00".to_owned(),
            peer: Peer { uid: 7, pid: Some(9) },
            principal: "alice",
            command: "df",
            detail: Detail::Reason { reason },
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn events(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_chain_and_escape_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        block_on(async {
            let audit = Audit::open(&path, 1 << 20).unwrap();
            audit.write(&record("a\n\"b\"")).await.unwrap();
            audit.write(&record("c")).await.unwrap();
        });
        assert_eq!(whole(&[&path]).lines, 2);
        let first = &events(&path)[0];
        assert_eq!(first["reason"], "a\n\"b\"");
        assert_eq!(first["event"], "deny");
        assert_eq!(first["peer"]["uid"], 7);
    }

    #[test]
    fn a_log_has_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let first = Audit::open(&path, 1 << 20).unwrap();
        let Err(refused) = Audit::open(&path, 1 << 20) else { panic!("two write one log") };
        assert!(refused.to_string().contains("another runner"), "{refused}");
        let link = dir.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let Err(refused) = Audit::open(&link, 1 << 20) else { panic!("two write one log") };
        assert!(refused.to_string().contains("by another name"), "{refused}");
        drop(first);
        Audit::open(&path, 1 << 20).unwrap();
    }

    #[test]
    fn a_flood_is_a_hundred_lines_and_a_count_before_the_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        block_on(async {
            let audit = Audit::open(&path, 1 << 20).unwrap();
            let peer = Some(Peer { uid: 7, pid: Some(9) });
            for _ in 0..130 {
                audit.write_bounded(Event::Malformed, peer, "nonsense").await.unwrap();
            }
            audit.write_bounded(Event::Refuse, peer, "no").await.unwrap();
            audit.finish(&record("the end")).await.unwrap();
        });
        let events = events(&path);
        let malformed = events.iter().filter(|line| line["event"] == "malformed").count();
        assert_eq!((malformed, events.len()), (100, 103));
        assert_eq!(events[100]["event"], "refuse");
        assert_eq!(events[101]["event"], "flood");
        assert_eq!(events[101]["of"], "malformed");
        assert_eq!(events[101]["count"], 30);
        assert_eq!(events[101]["peer"]["uid"], 7);
        assert_eq!(events[102]["reason"], "the end");
        assert_eq!(whole(&[&path]).lines, 103);
    }

    #[test]
    fn the_count_of_a_flood_is_written_when_its_minute_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
            let audit = Audit::open(&path, 1 << 20).unwrap();
            for _ in 0..103 {
                audit.write_bounded(Event::Malformed, None, "nonsense").await.unwrap();
            }
            // The clock goes on when all wait. What comes after the count is written after it.
            tokio::time::sleep(2 * super::super::flood::WINDOW).await;
            audit.write(&record("after")).await.unwrap();
        });
        let events = events(&path);
        assert_eq!((events.len(), &events[100]["event"]), (102, &"flood".into()));
        assert_eq!(events[100]["count"], 3);
        assert!(events[100].get("peer").is_none());
    }

    #[test]
    fn a_head_is_told_once_for_a_thousand_lines() {
        let told = (1..=5_000).filter(|&after| is_due(after - 1, after)).count();
        assert_eq!(told, 5);
        assert!(is_due(998, 1_003) && !is_due(1_000, 1_999));
    }

    #[test]
    fn a_log_that_was_renamed_is_gone_on_with_in_a_new_file_once_it_is_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let moved = dir.path().join("audit.jsonl.1");
        block_on(async {
            let audit = Audit::open(&path, 1 << 20).unwrap();
            audit.write(&record("one")).await.unwrap();
            std::fs::rename(&path, &moved).unwrap();
            audit.write(&record("two")).await.unwrap();
            audit.reopen().await.unwrap();
            audit.write(&record("three")).await.unwrap();
            // Nothing was renamed: nothing changes.
            audit.reopen().await.unwrap();
            audit.write(&record("four")).await.unwrap();
            // Somebody else's file is not written to.
            std::fs::rename(&path, dir.path().join("audit.jsonl.2")).unwrap();
            std::fs::write(&path, "theirs").unwrap();
            assert!(audit.reopen().await.is_err());
            audit.write(&record("five")).await.unwrap();
        });
        let second = dir.path().join("audit.jsonl.2");
        assert_eq!((events(&moved).len(), events(&second).len()), (2, 3));
        assert_eq!(whole(&[&moved, &second]).lines, 5);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    }
}

//! The audit log: one JSON line a decision and one an end, on disk before anything runs.
//!
//! Each line carries the SHA-256 of the line before it, so that a changed or missing line shows. A
//! thread of its own writes and syncs; records that come together share one fdatasync.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

/// Longer than any line: arguments are at most 32 KiB, escaped at most six times as long.
const MAX_LINE: u64 = 1 << 20;
/// For a runner that is ending to let go of the log.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The log cannot be written: then nothing runs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened or its last line not be read.
    #[error("cannot open the audit log {path}: {reason}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A record did not reach the disk.
    #[error("cannot write the audit log: {0}")]
    Write(String),
}

/// One record. Field order is the line's.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// What happened.
    pub event: Event,
    /// The run.
    pub run: String,
    /// The front end that asked.
    pub peer: Peer,
    /// For whom, as it claims.
    pub principal: &'a str,
    /// What it asked for.
    pub command: &'a str,
    /// What the event adds.
    #[serde(flatten)]
    pub detail: Detail<'a>,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// No slot was free.
    Busy,
    /// The policy said no.
    Deny,
    /// The run ended.
    Exit,
    /// It could not be started.
    Fail,
    /// A message made no sense.
    Malformed,
    /// It is about to start.
    Start,
}

/// Who connected (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process, where it is in our PID namespace.
    pub pid: Option<i32>,
}

/// What an event adds to its record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Detail<'a> {
    /// Of a start.
    Start {
        /// The rule.
        rule: &'a str,
        /// The principal of the policy, where it has any.
        #[serde(skip_serializing_if = "Option::is_none")]
        granted_to: Option<&'a str>,
        /// The engagement that has the hosts, where there are any.
        #[serde(skip_serializing_if = "Option::is_none")]
        engagement: Option<&'a str>,
        /// The file.
        program: &'a Path,
        /// What runs.
        argv: &'a [String],
        /// The names of the environment.
        env: Vec<&'a str>,
        /// The slot's user; `None` is the runner's own.
        uid: Option<u32>,
        /// The policy's digest.
        policy: String,
    },
    /// Of an end.
    Exit {
        /// The rule.
        rule: &'a str,
        /// `exit 0`, `signal 9`.
        status: String,
        /// Why it ended.
        ended: &'static str,
        /// How long it took.
        duration_ms: u64,
        /// Bytes it wrote.
        stdout_bytes: u64,
        /// SHA-256 of them.
        stdout_sha256: String,
        /// Bytes it wrote.
        stderr_bytes: u64,
        /// SHA-256 of them.
        stderr_sha256: String,
        /// CPU time.
        cpu_us: u64,
    },
    /// Of a refusal.
    Deny {
        /// The rule, if one was found.
        rule: Option<&'a str>,
        /// What was asked.
        args: Vec<&'a str>,
        /// Which argument.
        argument: Option<u16>,
        /// Why.
        reason: &'a str,
    },
    /// Of the rest.
    Reason {
        /// Why.
        reason: &'a str,
    },
}

/// The log's front.
#[derive(Debug, Clone)]
pub struct Audit(mpsc::Sender<Job>);

struct Job {
    record: String,
    written: oneshot::Sender<Result<(), AuditError>>,
}

impl Audit {
    /// Opens or continues the log at `path`, mode 0600, and starts its thread.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let failed =
            |e: io::Error| AuditError::Open { path: path.to_owned(), reason: e.to_string() };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        lock(&file).map_err(failed)?;
        let mut log = Log::resume(file).map_err(failed)?;
        let (jobs, todo) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                while let Ok(first) = todo.recv() {
                    let batch: Vec<Job> = std::iter::once(first).chain(todo.try_iter()).collect();
                    let written = log.append(batch.iter().map(|job| &job.record));
                    for job in batch {
                        job.written.send(written.clone()).ok();
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self(jobs))
    }

    /// Writes one record; returns when it is on disk.
    pub async fn write(&self, record: &Record<'_>) -> Result<(), AuditError> {
        let write = |reason: String| AuditError::Write(reason);
        let record = serde_json::to_string(record).map_err(|e| write(e.to_string()))?;
        let (written, answer) = oneshot::channel();
        let gone = || AuditError::Write("the audit thread is gone".to_owned());
        self.0.send(Job { record, written }).map_err(|_ended| gone())?;
        answer.await.map_err(|_ended| gone())?
    }
}

/// Takes the file for this runner alone: two would break each other's chain, and one that cannot
/// write would cut off the other's lines. One that is just ending is waited for.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another runner writes it; give each runner a log of its own"))
}

#[derive(serde::Deserialize)]
struct Numbered {
    seq: u64,
}

struct Log {
    file: File,
    len: u64,
    seq: u64,
    prev: String,
}

impl Log {
    /// Goes on behind the last whole line. What a crash left of a line was never acknowledged.
    fn resume(mut file: File) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(MAX_LINE)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let torn = tail.len() - whole;
        let len = end - u64::try_from(torn).unwrap_or(0);
        if torn > 0 {
            file.set_len(len)?;
        }
        let last = tail.get(..whole).unwrap_or_default().strip_suffix(b"\n");
        let last = last.and_then(|lines| lines.rsplit(|&byte| byte == b'\n').next());
        let Some(last) = last else {
            return Ok(Self { file, len, seq: 0, prev: "0".repeat(64) });
        };
        let numbered: Numbered = serde_json::from_slice(last).map_err(io::Error::other)?;
        Ok(Self { file, len, seq: numbered.seq + 1, prev: hash(last) })
    }

    fn append<S: AsRef<str>>(
        &mut self,
        records: impl Iterator<Item = S>,
    ) -> Result<(), AuditError> {
        let mut text = String::new();
        let (mut seq, mut prev) = (self.seq, self.prev.clone());
        for record in records {
            let line = line(seq, record.as_ref(), &prev);
            prev = hash(line.as_bytes());
            seq += 1;
            text.push_str(&line);
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is there of it must not stay between the lines that follow.
            self.file.set_len(self.len).ok();
            return Err(AuditError::Write(error.to_string()));
        }
        self.len += u64::try_from(text.len()).unwrap_or(0);
        (self.seq, self.prev) = (seq, prev);
        Ok(())
    }
}

/// The record is an object; the envelope's fields go around its own.
fn line(seq: u64, record: &str, prev: &str) -> String {
    let ts = humantime::format_rfc3339_millis(SystemTime::now());
    let fields = record.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or("");
    format!(r#"{{"v":1,"seq":{seq},"ts":"{ts}",{fields},"prev":"{prev}"}}"#)
}

/// SHA-256 in hex.
pub fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
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

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    /// Checks the chain and returns the sequence numbers.
    fn verify(text: &str) -> Vec<u64> {
        let mut prev = "0".repeat(64);
        let mut seqs = Vec::new();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["prev"], prev.as_str());
            prev = hash(line.as_bytes());
            seqs.push(value["seq"].as_u64().unwrap());
        }
        seqs
    }

    #[test]
    fn lines_chain_and_escape_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        runtime().block_on(async {
            let audit = Audit::open(&path).unwrap();
            audit.write(&record("a\n\"b\"")).await.unwrap();
            audit.write(&record("c")).await.unwrap();
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(verify(&text), [0, 1]);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["reason"], "a\n\"b\"");
        assert_eq!(first["event"], "deny");
        assert_eq!(first["peer"]["uid"], 7);
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_the_chain_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let write = |reason: &str| {
            runtime().block_on(Audit::open(&path).unwrap().write(&record(reason))).unwrap();
        };
        write("one");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"v\":1,\"seq\":1,\"ts").unwrap();
        write("two");
        assert_eq!(verify(&std::fs::read_to_string(&path).unwrap()), [0, 1]);
    }

    #[test]
    fn a_second_runner_does_not_get_the_same_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let first = Audit::open(&path).unwrap();
        let error = Audit::open(&path).unwrap_err().to_string();
        assert!(error.contains("another runner writes it"), "{error}");
        drop(first);
        assert!(Audit::open(&path).is_ok());
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaves_no_half_line() {
        // Every write to /dev/full fails with ENOSPC.
        let mut log = Log {
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            len: 0,
            seq: 0,
            prev: String::new(),
        };
        assert!(log.append(std::iter::once("{}")).is_err());
        assert_eq!(log.seq, 0);
    }
}

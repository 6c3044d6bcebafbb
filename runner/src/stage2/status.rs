//! The status pipe: lines from stage 2 and init up to the runner.
//!
//! ```text
//! line = "init " pid            stage 2: this is init, wait for it
//!      | "started"              init: the command is running its own program
//!      | "exit " code           init: it exited
//!      | "signal " number       init: a signal ended it
//!      | "fail " step " " text  any: this step failed, the command does not run
//! ```

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::FAILED;

/// The steps that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bounding set.
    Bounding,
    /// Capability sets.
    Capabilities,
    /// Descriptors.
    Descriptors,
    /// Working directory.
    Directory,
    /// execveat.
    Exec,
    /// fork.
    Fork,
    /// User and groups.
    Identity,
    /// Landlock.
    Landlock,
    /// rlimits.
    Limits,
    /// Mounts.
    Mounts,
    /// clone into namespaces.
    Namespaces,
    /// Death with the parent.
    Parent,
    /// `no_new_privs`.
    Privileges,
    /// The file to execute.
    Program,
    /// seccomp.
    Seccomp,
    /// Session, keyring, signals.
    Session,
    /// The spec.
    Spec,
}

impl Step {
    /// This step failed with `errno`.
    pub fn failed(self, errno: Errno) -> StepError {
        self.explained(format_args!("{} ({errno:?})", errno.desc()))
    }

    /// This step failed for a reason in words.
    pub fn explained(self, reason: impl fmt::Display) -> StepError {
        StepError { step: self, reason: reason.to_string().replace('\n', " ") }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct StepError {
    /// Which.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// The writing end.
#[derive(Debug)]
pub struct Status(File);

impl Status {
    /// Takes the pipe.
    pub fn new(pipe: OwnedFd) -> Self {
        Self(pipe.into())
    }

    /// Whether the runner still reads: its end of a pipe closes when it dies.
    pub fn has_reader(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        let polled = poll(&mut fds, PollTimeout::ZERO);
        let gone = fds
            .first()
            .and_then(PollFd::revents)
            .is_some_and(|events| events.contains(PollFlags::POLLERR));
        polled.is_ok() && !gone
    }

    /// Tells who init is. Returns stage 2's exit code.
    pub fn init(&self, pid: Pid) -> u8 {
        self.line(format_args!("init {pid}"), 0)
    }

    /// Tells that the command's program runs; an error if nobody hears it.
    pub fn started(&self) -> Result<(), StepError> {
        match self.line(format_args!("started"), 0) {
            0 => Ok(()),
            _ => Err(Step::Parent.explained("the runner is gone")),
        }
    }

    /// Tells how the command ended. Returns init's exit code.
    pub fn ended(&self, how: proto::Status) -> u8 {
        match how {
            proto::Status::Code(code) => self.line(format_args!("exit {code}"), 0),
            proto::Status::Signal(signal) => self.line(format_args!("signal {signal}"), 0),
        }
    }

    /// Tells which step failed. Returns the exit code.
    pub fn fail(&self, error: &StepError) -> u8 {
        self.line(format_args!("fail {} {}", error.step, error.reason), FAILED)
    }

    /// Passes a `fail` line on. Returns the exit code.
    pub fn forward(&self, line: &str) -> u8 {
        self.line(format_args!("{line}"), FAILED)
    }

    fn line(&self, line: fmt::Arguments<'_>, code: u8) -> u8 {
        // One write: stage 2 and init share the pipe, and a short write to a pipe is whole (pipe(7)).
        match (&self.0).write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => code,
            // Nobody is left to tell.
            Err(_) => FAILED,
        }
    }
}

impl AsFd for Status {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One line, read by the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// This is init.
    Init(Pid),
    /// The command's program runs.
    Started,
    /// It ended.
    Ended(proto::Status),
    /// A step failed.
    Fail {
        /// The step's name.
        step: String,
        /// Why.
        reason: String,
    },
}

impl Line {
    /// Reads one line, without its end.
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "init" => rest.parse().ok().map(|pid| Self::Init(Pid::from_raw(pid))),
            "started" => Some(Self::Started),
            "exit" => rest.parse().ok().map(|code| Self::Ended(proto::Status::Code(code))),
            "signal" => rest.parse().ok().map(|n| Self::Ended(proto::Status::Signal(n))),
            "fail" => {
                let (step, reason) = rest.split_once(' ')?;
                Some(Self::Fail { step: step.to_owned(), reason: reason.to_owned() })
            }
            _ => None,
        }
    }
}

/// Reads what the command's own process reports to init: nothing once its program runs, else one
/// `fail` line to pass on.
pub fn failure_of_command(mut report: File) -> Option<String> {
    let mut text = String::new();
    match report.read_to_string(&mut text) {
        Ok(0) => None,
        Ok(_) if matches!(Line::parse(text.trim_end()), Some(Line::Fail { .. })) => {
            Some(text.trim_end().to_owned())
        }
        Ok(_) | Err(_) => Some(format!("fail {} the command's process broke off", Step::Exec)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let status = Status::new(write);
        assert!(status.has_reader());
        assert_eq!(status.init(Pid::from_raw(12)), 0);
        status.started().unwrap();
        status.ended(proto::Status::Signal(9));
        assert_eq!(status.fail(&Step::Landlock.failed(Errno::ENOSYS)), FAILED);
        drop(status);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        let lines: Vec<_> = text.lines().map(|line| Line::parse(line).unwrap()).collect();
        let fail = Line::Fail {
            step: "landlock".to_owned(),
            reason: "Function not implemented (ENOSYS)".to_owned(),
        };
        assert_eq!(
            lines,
            [
                Line::Init(Pid::from_raw(12)),
                Line::Started,
                Line::Ended(proto::Status::Signal(9)),
                fail
            ]
        );
    }

    #[test]
    fn a_reader_that_is_gone_is_seen() {
        let (read, write) = nix::unistd::pipe().unwrap();
        drop(read);
        assert!(!Status::new(write).has_reader());
    }
}

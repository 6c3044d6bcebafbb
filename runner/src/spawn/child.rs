//! One child process, by pidfd: a pid could be another process's by now, a pidfd never is.

use std::io;
use std::os::fd::OwnedFd;

use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A child of the runner that nobody else reaps. Dropping it ends it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: Option<OwnedFd>,
}

impl Child {
    /// Watches `pid`, a child that was not reaped yet.
    pub fn watch(pid: Pid) -> io::Result<Self> {
        let raw = rustix::process::Pid::from_raw(pid.as_raw())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty())?;
        Ok(Self { pid, pidfd: Some(pidfd) })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended by now.
            pidfd_send_signal(pidfd, signal).ok();
        }
    }

    /// A watch on the end of the child, to be awaited as often as one likes.
    pub fn end(&self) -> io::Result<End> {
        let pidfd = self.pidfd.as_ref().ok_or_else(|| io::Error::other("already reaped"))?;
        Ok(End(sys::watch_readable(pidfd.try_clone()?)?))
    }

    /// Reaps the child, which has ended.
    pub fn reap(mut self) -> io::Result<proto::Usage> {
        self.pidfd = None;
        Ok(sys::reap(self.pid)?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.pidfd.is_some() {
            self.signal(Signal::KILL);
            sys::reap(self.pid).ok();
        }
    }
}

/// See [`Child::end`].
#[derive(Debug)]
pub struct End(AsyncFd<OwnedFd>);

impl End {
    /// Waits until the child has ended. Safe to cancel.
    pub async fn wait(&self) {
        // An error means that it cannot be watched, and then it is not waited for.
        self.0.readable().await.map(|mut guard| guard.retain_ready()).ok();
    }
}

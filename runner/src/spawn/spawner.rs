//! The one thread that starts processes, and never ends while the runner lives: a child's death
//! signal is bound to the thread that made the child (prctl(2), `PR_SET_PDEATHSIG`), so a pool's
//! thread would take running commands with it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::mpsc;
use std::thread;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use tokio::sync::oneshot;

use super::child::Child;
use crate::stage2::spec::{SPEC_FD, STATUS_FD};
use crate::{stage2, sys};

/// Sources are moved above every target first, or one `dup2` could overwrite the next one's source.
const ABOVE_TARGETS: RawFd = STATUS_FD + 1;
/// This program, even after its file was replaced.
const SELF: &std::ffi::CStr = c"/proc/self/exe";

/// What stage 2 gets, as its descriptors 0 to 4.
#[derive(Debug)]
pub struct Descriptors {
    /// 0.
    pub stdin: OwnedFd,
    /// 1.
    pub stdout: OwnedFd,
    /// 2.
    pub stderr: OwnedFd,
    /// 3.
    pub spec: OwnedFd,
    /// 4.
    pub status: OwnedFd,
}

/// Hands jobs to the thread.
#[derive(Debug, Clone)]
pub struct Spawner(mpsc::Sender<Job>);

struct Job {
    descriptors: Descriptors,
    answer: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        sys::keep_ended_children()?;
        let (jobs, todo) = mpsc::channel::<Job>();
        thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for job in todo {
                let spawned = spawn(&job.descriptors);
                drop(job.descriptors);
                // Who asked may be gone: then the child is dropped, which ends it.
                job.answer.send(spawned).ok();
            }
        })?;
        Ok(Self(jobs))
    }

    /// Starts stage 2.
    pub async fn spawn(&self, descriptors: Descriptors) -> io::Result<Child> {
        let (answer, spawned) = oneshot::channel();
        let gone = || io::Error::other("the spawner thread is gone");
        self.0.send(Job { descriptors, answer }).map_err(|_ended| gone())?;
        spawned.await.map_err(|_ended| gone())?
    }
}

fn spawn(descriptors: &Descriptors) -> io::Result<Child> {
    let mut actions = PosixSpawnFileActions::init()?;
    let placed = [
        (&descriptors.stdin, 0),
        (&descriptors.stdout, 1),
        (&descriptors.stderr, 2),
        (&descriptors.spec, SPEC_FD),
        (&descriptors.status, STATUS_FD),
    ];
    let mut sources = Vec::with_capacity(placed.len());
    for (fd, target) in placed {
        let source = sys::duplicate_from(fd.as_fd(), ABOVE_TARGETS)?;
        actions.add_dup2(source.as_raw_fd(), target)?;
        sources.push(source);
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_sigdefault(&SigSet::all())?;
    let argv = [c"mcpfusion-runner".to_owned(), CString::new(stage2::ARGUMENT)?];
    let no_environment: [CString; 0] = [];
    let pid: Pid = posix_spawn(SELF, &actions, &attributes, &argv, &no_environment)?;
    Child::watch(pid)
}

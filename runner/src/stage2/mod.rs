//! The child side of a run: this program started again, with one thread, on the way to become the
//! command. It reads one [`Spec`], takes the steps in the order below, and stops at the first that
//! fails; no step is left out or tried twice.
//!
//! ```text
//! stage 2   1 spec          read it; close every descriptor that is not ours; not dumpable; umask 077
//!           2 parent        die with the runner
//!           3 program       open the policy's file and check it
//!           4 namespaces    clone init into new PID, mount and IPC (and user) namespaces
//! init      5 mounts        private propagation, new /proc, empty /tmp /run /home /root ...
//!           6 fork          the command's process; init itself drops what it has, waits and reaps
//! command   7 session       setsid, new session keyring, signals to their defaults
//!           8 limits        rlimits
//!           9 bounding      capabilities that can never come back
//!          10 identity      groups, gid, uid of the slot
//!          11 capabilities  the sets that the policy names, mostly none
//!          12 parent        again: a change of identity clears it
//!          13 directory     chdir with the rights of that identity
//!          14 privileges    no_new_privs
//!          15 landlock      fully enforced or not at all
//!          16 descriptors   close-on-exec for all but 0, 1, 2
//!          17 seccomp       the filter
//!          18 exec          execveat of the checked descriptor
//! ```
//! What happened goes up the status pipe as lines: see [`status`].

mod command;
mod init;
mod mounts;
mod program;
pub mod spec;
pub mod status;

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getegid, geteuid, getppid};

use self::spec::{Namespaces, SPEC_FD, STATUS_FD, Spec};
use self::status::{Status, Step, StepError};
use crate::sys;

/// The hidden argument that makes the program stage 2.
pub const ARGUMENT: &str = "stage2";
/// Exit code of stage 2 and init when a step failed; the status pipe has the reason.
const FAILED: u8 = 126;

/// Runs stage 2 and returns its exit code. Does not return in the command, which is another program
/// by then.
pub fn main() -> u8 {
    let Ok(status) = sys::inherit(STATUS_FD) else { return FAILED };
    let status = Status::new(status);
    let prepared = prepare();
    let (spec, program) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return status.fail(&error),
    };
    let flags = match spec.namespaces {
        Namespaces::None => CloneFlags::empty(),
        Namespaces::Privileged => NAMESPACES,
        Namespaces::User => NAMESPACES.union(CloneFlags::CLONE_NEWUSER),
    };
    // These two are asked before the clone: inside a user namespace they would not be known yet.
    let (uid, gid) = (geteuid(), getegid());
    // The runner is the parent of both, so that it can wait for init and not for a middle man.
    match sys::clone(flags.union(CloneFlags::CLONE_PARENT).bits()) {
        Err(errno) => status.fail(&Step::Namespaces.failed(errno)),
        Ok(Some(init)) => status.init(init),
        Ok(None) => init::main(&spec, &program, status, uid, gid),
    }
}

const NAMESPACES: CloneFlags =
    CloneFlags::CLONE_NEWPID.union(CloneFlags::CLONE_NEWNS).union(CloneFlags::CLONE_NEWIPC);

fn prepare() -> Result<(Spec, OwnedFd), StepError> {
    let file = sys::inherit(SPEC_FD).map_err(|e| Step::Spec.failed(e))?;
    let spec = Spec::read(file).map_err(|e| Step::Spec.explained(e))?;
    let first_foreign = u32::try_from(STATUS_FD + 1).unwrap_or(u32::MAX);
    sys::close_from(first_foreign).map_err(|e| Step::Spec.failed(e))?;
    prctl::set_dumpable(false).map_err(|e| Step::Spec.failed(e))?;
    umask(Mode::from_bits_truncate(0o077));
    die_with_parent().map_err(|e| Step::Parent.failed(e))?;
    if getppid().as_raw() != spec.runner_pid {
        return Err(Step::Parent.explained("the runner is gone"));
    }
    let program = program::open(&spec).map_err(|e| Step::Program.explained(e))?;
    Ok((spec, program))
}

/// Asks for SIGKILL at the end of the thread that made this process. A fork's child does not
/// inherit it, and a change of identity clears it.
fn die_with_parent() -> Result<(), Errno> {
    prctl::set_pdeathsig(Signal::SIGKILL)
}

//! Init of one run: process 1 of its PID namespace. It makes the mounts, forks the command, passes
//! the runner's TERM on, reaps, and takes everything with it when it ends.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use caps::{Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, getpid, pipe};

use super::spec::{Namespaces, Spec};
use super::status::{Status, Step, StepError, failure_of_command};
use super::{command, die_with_parent, mounts};
use crate::sandbox::{capabilities, identity, seccomp};
use crate::sys;

/// Between two looks for descendants that are still there.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Runs init to its end and returns its exit code.
pub(super) fn main(spec: &Spec, program: &OwnedFd, status: Status, uid: Uid, gid: Gid) -> u8 {
    if let Err(error) = enter(spec, &status, uid, gid) {
        return status.fail(&error);
    }
    let (report, report_end) = match pipe() {
        Ok(ends) => ends,
        Err(errno) => return status.fail(&Step::Fork.failed(errno)),
    };
    match sys::fork() {
        Err(errno) => status.fail(&Step::Fork.failed(errno)),
        Ok(ForkResult::Child) => {
            drop((status, report));
            command::main(spec, program, &Status::new(report_end))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(report_end);
            if let Some(line) = failure_of_command(report.into()) {
                end_everything(spec.namespaces);
                return status.forward(&line);
            }
            // A runner that does not hear of the start will not watch over the run.
            if let Err(error) = status.started().and_then(|()| shed(spec, &status)) {
                end_everything(spec.namespaces);
                return status.fail(&error);
            }
            let ended = supervise(child);
            end_everything(spec.namespaces);
            status.ended(ended)
        }
    }
}

/// What must hold before the command's process exists.
fn enter(spec: &Spec, status: &Status, uid: Uid, gid: Gid) -> Result<(), StepError> {
    die_with_parent().map_err(|e| Step::Parent.failed(e))?;
    if !status.has_reader() {
        return Err(Step::Parent.explained("the runner is gone"));
    }
    wanted_signals().thread_block().map_err(|e| Step::Session.failed(e))?;
    match spec.namespaces {
        Namespaces::None => {
            // A killed init would leave its orphans to the host: it must live to end them.
            prctl::set_pdeathsig(Signal::SIGUSR1).map_err(|e| Step::Parent.failed(e))?;
            prctl::set_child_subreaper(true).map_err(|e| Step::Namespaces.failed(e))?;
            return Ok(());
        }
        Namespaces::Privileged => {}
        Namespaces::User => map_user(uid, gid)?,
    }
    let (owner, group) = spec
        .identity
        .map_or((uid.as_raw(), gid.as_raw()), |identity| (identity.command, identity.command));
    mounts::apply(spec, owner, group).map_err(|e| Step::Mounts.explained(e))
}

/// Maps the runner's own user to itself: `user_namespaces(7)`.
fn map_user(uid: Uid, gid: Gid) -> Result<(), StepError> {
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|e| Step::Namespaces.explained(format_args!("{file}: {e}")))
    };
    // The files in /proc of a process that is not dumpable belong to root.
    prctl::set_dumpable(true).map_err(|e| Step::Namespaces.failed(e))?;
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{uid} {uid} 1"))?;
    write("gid_map", format!("{gid} {gid} 1"))?;
    prctl::set_dumpable(false).map_err(|e| Step::Namespaces.failed(e))
}

/// Gives up what init had to have: descriptors, identity, capabilities, system calls.
fn shed(spec: &Spec, status: &Status) -> Result<(), StepError> {
    let may_kill = CapsHashSet::from([Capability::CAP_KILL]);
    if spec.holds_capabilities() {
        capabilities::bound(&may_kill).map_err(|e| Step::Bounding.explained(e))?;
    }
    if let Some(identity) = spec.identity {
        capabilities::keep_over_identity().map_err(|e| Step::Capabilities.explained(e))?;
        identity::take(identity.init).map_err(|e| Step::Identity.failed(e))?;
        die_with_parent().map_err(|e| Step::Parent.failed(e))?;
        // It may have ended while its end would not have been told.
        if !status.has_reader() {
            return Err(Step::Parent.explained("the runner is gone"));
        }
    }
    let keep = if spec.identity.is_some() { may_kill } else { CapsHashSet::new() };
    capabilities::limit_to(&keep, false).map_err(|e| Step::Capabilities.explained(e))?;
    prctl::set_no_new_privs().map_err(|e| Step::Privileges.failed(e))?;
    // The command's pipes end when the command ends, not when init does.
    for stream in 0..=2 {
        nix::unistd::close(stream).map_err(|e| Step::Descriptors.failed(e))?;
    }
    let filter = seccomp::compile_init().map_err(|e| Step::Seccomp.explained(e))?;
    seccompiler::apply_filter(&filter).map_err(|e| Step::Seccomp.explained(e))
}

/// TERM from the runner asks the command to end; USR1 ends everything at once.
fn wanted_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGUSR1);
    signals
}

/// Waits for signals until the command has ended.
fn supervise(command: Pid) -> proto::Status {
    let signals = wanted_signals();
    loop {
        if let Some(ended) = reap(command) {
            return ended;
        }
        match signals.wait() {
            // The command leads its own group and session; what left it gets the final KILL.
            Ok(Signal::SIGTERM) => signal(Pid::from_raw(-command.as_raw()), Signal::SIGTERM),
            Ok(Signal::SIGUSR1) => signal(command, Signal::SIGKILL),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Reaps whatever has ended; tells when the command is among it.
fn reap(command: Pid) -> Option<proto::Status> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == command => {
                ended = Some(proto::Status::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX)));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                ended = Some(proto::Status::Signal(signal_number(signal)));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(_) => {}
        }
    }
}

fn signal_number(signal: Signal) -> u8 {
    #[expect(clippy::as_conversions, reason = "the enum's discriminant is the signal's number")]
    let number = signal as i32;
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn signal(pid: Pid, signal: Signal) {
    // It may have ended by now.
    kill(pid, signal).ok();
}

/// With a PID namespace the kernel ends everything when init ends. Without one, init is the
/// subreaper of all that is left: whatever loses its parent becomes its child, and is ended then.
fn end_everything(namespaces: Namespaces) {
    if namespaces.has_pid() {
        return;
    }
    loop {
        for child in children() {
            signal(child, Signal::SIGKILL);
        }
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(LOOK_AGAIN),
            Err(Errno::ECHILD) => return,
            Ok(_) | Err(_) => {}
        }
    }
}

/// The children of this process. `/proc/PID/task/TID/children` would say so too, but not every
/// kernel has it.
fn children() -> Vec<Pid> {
    let own = getpid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid: i32 = process.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            // proc_pid_stat(5): pid (comm) state ppid ..., and comm may hold anything.
            let (_, fields) = stat.rsplit_once(')')?;
            let parent: i32 = fields.split_whitespace().nth(1)?.parse().ok()?;
            (parent == own).then(|| Pid::from_raw(pid))
        })
        .collect()
}

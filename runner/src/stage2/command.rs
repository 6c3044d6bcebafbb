//! The command's own process: gives up everything that the policy does not name, in the order of
//! the module above, and becomes the program.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use caps::{Capability, CapsHashSet};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{chdir, execveat, setsid};

use super::die_with_parent;
use super::spec::Spec;
use super::status::{Status, Step, StepError};
use crate::sandbox::{capabilities, identity, landlock, rlimit, seccomp};
use crate::sys;

const FIRST_AFTER_STREAMS: u32 = 3;

/// Becomes the program, or reports the step that failed and returns the exit code.
pub(super) fn main(spec: &Spec, program: &OwnedFd, status: &Status) -> u8 {
    let Err(error) = become_program(spec, program);
    status.fail(&error)
}

fn become_program(spec: &Spec, program: &OwnedFd) -> Result<std::convert::Infallible, StepError> {
    let strings = |list: &[String]| list.iter().map(|s| CString::new(s.as_str())).collect();
    let argv: Vec<CString> = Result::map_err(strings(&spec.argv), nul)?;
    let env: Vec<CString> = Result::map_err(strings(&spec.env), nul)?;
    let keep = kept_capabilities(spec)?;
    let raw_packets = keep.contains(&Capability::CAP_NET_RAW);
    let filter = seccomp::compile(&spec.confinement.network, raw_packets)
        .map_err(|e| Step::Seccomp.explained(e))?;

    setsid().map_err(|e| Step::Session.failed(e))?;
    match sys::new_session_keyring() {
        // A kernel without keys has none to hide.
        Ok(()) | Err(Errno::ENOSYS) => {}
        Err(errno) => return Err(Step::Session.failed(errno)),
    }
    // What this process ignores or blocks would stay so in the program.
    sys::default_signals().map_err(|e| Step::Session.failed(e))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(|e| Step::Session.failed(e))?;

    let own_process_count = spec.identity.is_some() || spec.namespaces.has_pid();
    rlimit::apply(&spec.limits, own_process_count).map_err(|e| Step::Limits.failed(e))?;

    if spec.holds_capabilities() {
        capabilities::bound(&keep).map_err(|e| Step::Bounding.explained(e))?;
    }
    if let Some(identity) = spec.identity {
        capabilities::keep_over_identity().map_err(|e| Step::Capabilities.explained(e))?;
        identity::take(identity.command).map_err(|e| Step::Identity.failed(e))?;
    }
    capabilities::limit_to(&keep, true).map_err(|e| Step::Capabilities.explained(e))?;
    die_with_parent().map_err(|e| Step::Parent.failed(e))?;

    chdir(spec.cwd.as_str())
        .map_err(|e| Step::Directory.explained(format_args!("{}: {}", spec.cwd, e.desc())))?;
    prctl::set_no_new_privs().map_err(|e| Step::Privileges.failed(e))?;
    landlock::apply(&spec.confinement, program, spec.landlock_abi)
        .map_err(|e| Step::Landlock.explained(e))?;
    sys::close_on_exec_from(FIRST_AFTER_STREAMS).map_err(|e| Step::Descriptors.failed(e))?;
    seccompiler::apply_filter(&filter).map_err(|e| Step::Seccomp.explained(e))?;
    execveat(program, c"", &argv, &env, AtFlags::AT_EMPTY_PATH).map_err(|e| Step::Exec.failed(e))
}

fn kept_capabilities(spec: &Spec) -> Result<CapsHashSet, StepError> {
    spec.confinement
        .capabilities
        .iter()
        .map(|name| name.parse::<Capability>().map_err(|e| Step::Capabilities.explained(e)))
        .collect()
}

fn nul(_: std::ffi::NulError) -> StepError {
    Step::Spec.explained("an argument holds a NUL byte")
}

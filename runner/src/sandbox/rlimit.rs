//! Resource limits of a run: setrlimit(2).

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::plan::Limits;

/// Sets every limit. Without a uid or user namespace of its own, a run shares the count of
/// processes with everything else of that user, and `count_processes` is false.
pub fn apply(limits: &Limits, count_processes: bool) -> Result<(), Errno> {
    set(Resource::RLIMIT_CORE, 0, 0)?;
    set(Resource::RLIMIT_CPU, limits.cpu_s, limits.cpu_s.saturating_add(2))?;
    set(Resource::RLIMIT_FSIZE, limits.fsize, limits.fsize)?;
    set(Resource::RLIMIT_NOFILE, limits.nofile, limits.nofile)?;
    set(Resource::RLIMIT_AS, limits.memory, limits.memory)?;
    set(Resource::RLIMIT_MEMLOCK, 0, 0)?;
    set(Resource::RLIMIT_MSGQUEUE, 0, 0)?;
    set(Resource::RLIMIT_RTPRIO, 0, 0)?;
    if count_processes {
        set(Resource::RLIMIT_NPROC, limits.pids, limits.pids)?;
    }
    Ok(())
}

/// Sets one limit, never above what this process has: raising would need a capability.
fn set(resource: Resource, soft: u64, hard: u64) -> Result<(), Errno> {
    let (_, ceiling) = getrlimit(resource)?;
    setrlimit(resource, soft.min(ceiling), hard.min(ceiling))
}

//! What the serving process gives up before it listens.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

/// No core dump and no tracer may read the secrets of this process, and no program that it could
/// be made to execute gains rights: prctl(2), setrlimit(2). Acts on this thread and those that it
/// starts: call it before there are others.
pub fn harden() -> Result<(), Errno> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)
}

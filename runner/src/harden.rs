//! What the runner gives up before it does anything else.

use caps::errors::CapsError;
use caps::{Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use crate::host::Mode;
use crate::sandbox::capabilities;

/// What a privileged runner keeps: to make namespaces and mounts, to take and give up identities,
/// to read programs and end runs, and the network capabilities that a policy may pass on.
const KEPT: [Capability; 10] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_KILL,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_NICE,
];

/// The runner could not give something up.
#[derive(Debug, thiserror::Error)]
pub enum HardenError {
    /// A process attribute.
    #[error("cannot harden the runner's own process: {0}")]
    Process(#[from] Errno),
    /// Capabilities.
    #[error("cannot limit the runner's capabilities: {0}")]
    Capabilities(#[from] CapsError),
}

/// No core dumps, no tracing by others, no new privileges, few capabilities. Acts on this thread:
/// call it before there are others.
pub fn harden(mode: Mode) -> Result<(), HardenError> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    if matches!(mode, Mode::Privileged { .. }) {
        let here = caps::read(None, caps::CapSet::Permitted)?;
        let keep: CapsHashSet = KEPT.into_iter().filter(|kept| here.contains(kept)).collect();
        capabilities::bound(&keep)?;
        capabilities::limit_to(&keep, false)?;
    }
    prctl::set_no_new_privs()?;
    Ok(())
}

//! What a run may open, connect to and signal: landlock(7).
//!
//! Everything that the kernel's ABI can restrict is handled, with a hard requirement: the crate's
//! default silently enforces less than was asked.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::plan::{Confinement, Network};

/// The newest ABI whose rights are used here; later ones add nothing that a run could be denied.
const NEWEST: u8 = 6;

/// A run could not be restricted.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// The kernel or the crate refuses.
    #[error("{0}")]
    Ruleset(#[from] landlock::RulesetError),
    /// A path of the policy cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel took less than was asked.
    #[error("the kernel enforces only a part of the ruleset")]
    Partial,
    /// The policy limits ports, which this kernel cannot.
    #[error("connect_tcp needs Landlock ABI 4 (Linux 6.7); this kernel has {0}")]
    Ports(u8),
}

/// The Landlock ABI of this kernel up to the newest that is used, or `None` without Landlock.
pub fn kernel_abi() -> Option<u8> {
    (1..=NEWEST).rev().find(|&abi| handled(abi, true).and_then(Ruleset::create).is_ok())
}

/// Restricts this process to `confinement` and `program`, under exactly `abi`.
pub fn apply(confinement: &Confinement, program: &OwnedFd, abi: u8) -> Result<(), LandlockError> {
    let limit_ports = match &confinement.network {
        Network::Any => false,
        Network::None | Network::Inspect => abi >= 4,
        Network::Connect(_) if abi < 4 => return Err(LandlockError::Ports(abi)),
        Network::Connect(_) => true,
    };
    let rights = Rights::of(abi);
    let mut ruleset = handled(abi, limit_ports)?.create()?;
    for path in &confinement.ro {
        ruleset = allow(ruleset, path, rights.read)?;
    }
    for path in &confinement.rw {
        ruleset = allow(ruleset, path, rights.write)?;
    }
    for path in &confinement.exec {
        ruleset = allow(ruleset, path, rights.execute)?;
    }
    let mut ruleset =
        ruleset.add_rule(PathBeneath::new(program.as_fd(), rights.execute & rights.of_files))?;
    if let Network::Connect(ports) = &confinement.network {
        for &port in ports {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    let status = ruleset.restrict_self()?;
    if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs {
        Ok(())
    } else {
        Err(LandlockError::Partial)
    }
}

fn handled(abi: u8, limit_ports: bool) -> Result<Ruleset, landlock::RulesetError> {
    let level = ABI::from(i32::from(abi));
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(level))?;
    if abi >= 4 && limit_ports {
        ruleset = ruleset.handle_access(AccessNet::from_all(level))?;
    }
    if abi >= 6 {
        ruleset = ruleset.scope(Scope::from_all(level))?;
    }
    Ok(ruleset)
}

/// A path that does not exist here grants nothing and is left out: a policy serves many hosts.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, LandlockError> {
    let open = |source| LandlockError::Open { path: path.to_owned(), source };
    let (fd, metadata) = match (landlock::PathFd::new(path), fs::metadata(path)) {
        (Ok(fd), Ok(metadata)) => (fd, metadata),
        (Err(_), Err(e)) if e.kind() == io::ErrorKind::NotFound => return Ok(ruleset),
        (_, Err(e)) => return Err(open(e)),
        (Err(e), Ok(_)) => return Err(open(io::Error::other(e))),
    };
    let rights = if metadata.is_dir() { rights } else { rights & Rights::of(NEWEST).of_files };
    Ok(ruleset.add_rule(PathBeneath::new(fd, rights))?)
}

struct Rights {
    read: BitFlags<AccessFs>,
    write: BitFlags<AccessFs>,
    execute: BitFlags<AccessFs>,
    /// Those that make sense for something that is not a directory.
    of_files: BitFlags<AccessFs>,
}

impl Rights {
    fn of(abi: u8) -> Self {
        let level = ABI::from(i32::from(abi));
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let nodes = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock;
        Self {
            read,
            write: (AccessFs::from_all(level) & !nodes & !AccessFs::Execute) | read,
            execute: read | AccessFs::Execute,
            of_files: AccessFs::from_file(level),
        }
    }
}

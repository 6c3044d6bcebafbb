//! What stage 2 is told: a [`Plan`](crate::plan::Plan) and the facts of this run, in a sealed memfd.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{OwnedFd, RawFd};

use bincode::{Decode, Encode};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Where stage 2 finds its spec.
pub const SPEC_FD: RawFd = 3;
/// Where stage 2 and init write what happened.
pub const STATUS_FD: RawFd = 4;
/// Largest spec, bytes: the largest request and a policy's own words fit many times over.
const MAX_BYTES: usize = 1 << 20;

/// Everything that stage 2 needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Spec {
    /// The runner's pid, to see that it still lives.
    pub runner_pid: i32,
    /// The file to execute.
    pub program: String,
    /// Users that may own it.
    pub trusted_uids: Vec<u32>,
    /// The command line.
    pub argv: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The private directory of this run.
    pub workdir: String,
    /// Which namespaces.
    pub namespaces: Namespaces,
    /// Identities to take, where the runner may.
    pub identity: Option<Identity>,
    /// Resource limits.
    pub limits: crate::plan::Limits,
    /// What it can reach.
    pub confinement: crate::plan::Confinement,
    /// Landlock's level on this host.
    pub landlock_abi: u8,
}

/// The users of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Identity {
    /// The command's, used by no other run at the same time.
    pub command: u32,
    /// Init's.
    pub init: u32,
}

/// Which namespaces a run gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Namespaces {
    /// None: the host does not give them to an ordinary user. Init is a subreaper instead.
    None,
    /// PID, mount and IPC, made with privilege.
    Privileged,
    /// The same inside a new user namespace.
    User,
}

impl Namespaces {
    /// Whether init is process 1 of a PID namespace, whose end ends everything in it.
    pub fn has_pid(self) -> bool {
        self != Self::None
    }
}

impl Spec {
    /// Whether this process has capabilities to lose: the runner's own or a user namespace's.
    pub fn holds_capabilities(&self) -> bool {
        self.identity.is_some() || self.namespaces.has_pid()
    }

    /// Writes the spec to a memfd that nobody can change any more.
    pub fn seal(&self) -> io::Result<OwnedFd> {
        let bytes =
            bincode::encode_to_vec(self, bincode::config::standard()).map_err(io::Error::other)?;
        let fd =
            memfd_create(c"mcpfusion-spec", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let mut file = File::from(fd);
        file.write_all(&bytes)?;
        file.rewind()?;
        let seals = SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(file.into())
    }

    /// Reads a spec.
    pub fn read(fd: OwnedFd) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        File::from(fd).take(limit).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let config = bincode::config::standard().with_limit::<MAX_BYTES>();
        let (spec, used) = bincode::decode_from_slice(&bytes, config).map_err(|e| e.to_string())?;
        if used == bytes.len() { Ok(spec) } else { Err("bytes are left over".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn a_sealed_spec_reads_back_and_cannot_be_written() {
        let plan = plan("/usr/bin/true", &["true"]);
        let spec = Spec {
            runner_pid: 7,
            program: "/usr/bin/true".to_owned(),
            trusted_uids: vec![0],
            argv: plan.argv,
            env: vec!["A=b".to_owned()],
            cwd: "/".to_owned(),
            workdir: "/tmp".to_owned(),
            namespaces: Namespaces::User,
            identity: Some(Identity { command: 62001, init: 62000 }),
            limits: plan.limits,
            confinement: plan.confinement,
            landlock_abi: 6,
        };
        let fd = spec.seal().unwrap();
        let mut copy = File::from(fd.try_clone().unwrap());
        assert!(copy.write_all(b"x").is_err());
        copy.rewind().unwrap();
        assert_eq!(Spec::read(fd).unwrap(), spec);
    }
}

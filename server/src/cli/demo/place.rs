//! Where a demo lives: a temporary directory that goes with it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use tempfile::TempDir;

const POLICY: &str = include_str!("../../../../policy/demo.d/10-host.toml");
const CONFIG: &str = include_str!("../../../../configs/demo.json");
/// Users that no account, no service manager and no container manager gives out (systemd's
/// UIDS-GIDS), a hundred for each demo of this host: its process number tells them apart.
const FIRST_UIDS: u32 = 2_000_000_000;
const UIDS: u32 = 100;
const DEMOS: u32 = 1_000_000;

/// The users of this demo's processes, where we are root and can give it some.
#[derive(Debug, Clone, Copy)]
pub(super) struct Users {
    /// The server's.
    pub(super) server: u32,
    /// The first of the runs'.
    pub(super) first: u32,
}

impl Users {
    fn of_this_process() -> Self {
        let first = FIRST_UIDS + std::process::id() % DEMOS * UIDS;
        Self { server: first + UIDS - 1, first }
    }
}

/// The directory and what is in it.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
    /// Users of their own for its processes; `None` is ours.
    pub(super) users: Option<Users>,
}

impl Place {
    /// Makes the directory, with the shipped policy and config in it.
    pub(super) fn make(as_root: bool) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mcpfusion-demo-").tempdir()?;
        let users = as_root.then(Users::of_this_process);
        // The server's user may pass through, and sees what it is given.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711))?;
        let place = Self { dir, users };
        for (path, mode) in [
            (place.policy(), 0o755),
            (place.run(), 0o711),
            (place.runs(), 0o700),
            (place.state(), 0o700),
        ] {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        if let Some(Users { server, .. }) = users {
            chown(place.state(), Some(server), Some(server))?;
        }
        for (path, text) in
            [(place.policy().join("10-host.toml"), POLICY), (place.config(), CONFIG)]
        {
            fs::write(&path, text)?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        }
        Ok(place)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.path().join("demo.json")
    }

    pub(super) fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.d")
    }

    /// The server's state.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.run().join("runner.sock")
    }

    pub(super) fn audit(&self) -> PathBuf {
        self.run().join("audit.jsonl")
    }

    /// Work directories, on a host without mount namespaces.
    pub(super) fn runs(&self) -> PathBuf {
        self.run().join("runs")
    }
}

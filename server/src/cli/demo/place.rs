//! Where a demo lives: a temporary directory that goes with it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use tempfile::TempDir;

const POLICY: &str = include_str!("../../../../policy/demo.d/10-host.toml");
const CONFIG: &str = include_str!("../../../../configs/demo.json");
/// The server's user where we are root and can give it one: no account has it, and no run.
const SERVER_UID: u32 = 61_999;
/// The first user of the demo's runs, so that they share none with a runner that serves this host.
pub(super) const FIRST_UID: u32 = 61_900;

/// The directory and what is in it.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
    /// The user that the server runs as; `None` is ours.
    pub(super) server_uid: Option<u32>,
}

impl Place {
    /// Makes the directory, with the shipped policy and config in it.
    pub(super) fn make(as_root: bool) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("mcpfusion-demo-").tempdir()?;
        let server_uid = as_root.then_some(SERVER_UID);
        // The server's user may pass through, and sees what it is given.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711))?;
        let place = Self { dir, server_uid };
        for (path, mode) in [
            (place.policy(), 0o755),
            (place.run(), 0o711),
            (place.runs(), 0o700),
            (place.state(), 0o700),
        ] {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        if server_uid.is_some() {
            chown(place.state(), server_uid, server_uid)?;
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

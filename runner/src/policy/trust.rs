//! Whose files are believed: owners, and modes that let nobody else write.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const GROUP_OR_OTHER_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Who may own policy files and programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    owners: Vec<u32>,
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// Its metadata cannot be read.
    #[error("cannot look at {}: {source}", path.display())]
    Look {
        /// The file or directory.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// Somebody else owns it.
    #[error("{} belongs to uid {owner}", path.display())]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others can write to it.
    #[error("{} can be written by its group or by others (mode {mode:04o})", path.display())]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is a symbolic link.
    #[error("{} is a symbolic link", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
}

impl Trust {
    /// What a runner under root believes: only root.
    pub fn root() -> Self {
        Self { owners: vec![0] }
    }

    /// What a runner without privilege believes: root, and its own user.
    pub fn user(uid: u32) -> Self {
        Self { owners: vec![0, uid] }
    }

    #[cfg(test)]
    pub(super) fn only(uid: u32) -> Self {
        Self { owners: vec![uid] }
    }

    /// Checks one file or directory that was already looked at.
    pub fn check(&self, path: &Path, meta: &Metadata) -> Result<(), Distrust> {
        let path = || path.to_path_buf();
        if meta.is_symlink() {
            return Err(Distrust::Symlink { path: path() });
        }
        if !self.owners.contains(&meta.uid()) {
            return Err(Distrust::Owner { path: path(), owner: meta.uid() });
        }
        if meta.mode() & GROUP_OR_OTHER_WRITE != 0 {
            return Err(Distrust::Writable { path: path(), mode: meta.mode() & 0o7777 });
        }
        Ok(())
    }

    /// Checks a path and every directory above it, none of them a link. Returns what the path is.
    ///
    /// A directory above may be sticky and open to all, as `/tmp` is: there only the owner of an
    /// entry, or root, can replace it, and the owner of every entry on the way is checked.
    pub fn check_with_parents(&self, path: &Path) -> Result<Metadata, Distrust> {
        let meta = look(path)?;
        self.check(path, &meta)?;
        for parent in path.ancestors().skip(1) {
            let meta = look(parent)?;
            match self.check(parent, &meta) {
                Err(Distrust::Writable { .. }) if meta.mode() & STICKY != 0 => {}
                checked => checked?,
            }
        }
        Ok(meta)
    }
}

fn look(path: &Path) -> Result<Metadata, Distrust> {
    path.symlink_metadata().map_err(|source| Distrust::Look { path: path.to_path_buf(), source })
}

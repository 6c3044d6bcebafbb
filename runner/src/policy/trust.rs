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
        // In a sticky directory only the owner of an entry, or root, can replace it; every entry on
        // the way is held against the owners as well.
        let sticky = meta.is_dir() && meta.mode() & STICKY != 0;
        if meta.mode() & GROUP_OR_OTHER_WRITE != 0 && !sticky {
            return Err(Distrust::Writable { path: path(), mode: meta.mode() & 0o7777 });
        }
        Ok(())
    }

    /// Checks a path and every directory above it, none of them a link. Returns what the path is.
    pub fn check_with_parents(&self, path: &Path) -> Result<Metadata, Distrust> {
        let look = |path: &Path| {
            path.symlink_metadata()
                .map_err(|source| Distrust::Look { path: path.to_path_buf(), source })
        };
        let meta = look(path)?;
        for part in path.ancestors() {
            self.check(part, &look(part)?)?;
        }
        Ok(meta)
    }
}

//! The private directory of a run without a mount namespace: nobody else's from the first moment, and
//! gone at the end, whatever the run made in it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const OWNER_ONLY: u32 = 0o700;

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct Workdir(PathBuf);

impl Workdir {
    /// Makes it.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(OWNER_ONLY).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a run's directory");
        }
    }
}

/// Removes a tree of any depth with one open descriptor, directories without permissions included:
/// what lies deeper is moved up before it is removed.
fn remove(top: &Path) -> io::Result<()> {
    let mut moved: u64 = 0;
    let mut todo = entries(top)?;
    while let Some(path) = todo.pop() {
        if !fs::symlink_metadata(&path)?.is_dir() {
            fs::remove_file(&path)?;
            continue;
        }
        fs::set_permissions(&path, Permissions::from_mode(OWNER_ONLY))?;
        for child in entries(&path)? {
            if fs::symlink_metadata(&child)?.is_dir() {
                // A directory that may not be written cannot get another parent.
                fs::set_permissions(&child, Permissions::from_mode(OWNER_ONLY))?;
            }
            let above = unused(top, &mut moved);
            fs::rename(&child, &above)?;
            todo.push(above);
        }
        fs::remove_dir(&path)?;
    }
    fs::remove_dir(top)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

fn unused(top: &Path, moved: &mut u64) -> PathBuf {
    loop {
        *moved += 1;
        let path = top.join(moved.to_string());
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_owners_alone_and_goes_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let workdir = Workdir::create(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        fs::write(path.join("1"), "in the way").unwrap();
        std::os::unix::fs::symlink("/nonexistent", path.join("link")).unwrap();
        fs::create_dir_all(path.join("shut/inner")).unwrap();
        fs::write(path.join("shut/file"), "").unwrap();
        for shut in ["shut/inner", "shut"] {
            fs::set_permissions(path.join(shut), Permissions::from_mode(0o0)).unwrap();
        }
        // Deeper than there are descriptors, and than a path can say.
        let mut deep = path.join("deep");
        fs::create_dir(&deep).unwrap();
        for n in 0..1200 {
            let outer = path.join(format!("deep-{n}"));
            fs::create_dir(&outer).unwrap();
            fs::rename(&deep, outer.join("d")).unwrap();
            deep = outer;
        }
        drop(workdir);
        assert!(!path.exists());
    }
}

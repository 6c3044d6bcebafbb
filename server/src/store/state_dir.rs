//! The directory that the store is in, and its file: ours, nobody else's, and never by way of a
//! link.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use rustix::fs::{Access, OFlags};

use super::open::OpenError;
use crate::entropy;

/// The database's file in the state directory.
pub const FILE: &str = "mcpfusion.redb";

const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Whether a store is in `dir`, as far as we may look.
pub fn holds_store(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Whether `dir` is there and we may make files in it.
pub fn is_writable(dir: &Path) -> bool {
    dir.is_dir() && rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes `dir` for us alone. One that is there already may be readable by others, since the file
/// is not; but nobody else may own it or write to it.
pub(super) fn prepare(dir: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let found = fs::metadata(dir).map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return Err(OpenError::Owner { path: dir.to_owned(), owner: found.uid(), own });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(OpenError::Exposed { path: dir.to_owned(), mode });
    }
    Ok(())
}

/// Makes the file if it is not there: under another name, until `initialise` has made it whole and it is
/// on the disk, so that a crash leaves no half-made one to stumble over. Of several that are made
/// at the same time, the first stays.
pub(super) fn make_file(
    dir: &Path,
    initialise: impl FnOnce(File) -> Result<(), redb::Error>,
) -> Result<(), OpenError> {
    let path = dir.join(FILE);
    let failed = |source| OpenError::File { path: path.clone(), source };
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(());
    }
    let random = entropy::bytes().map_err(|error| failed(io::Error::other(error)))?;
    let made = dir.join(format!(".{FILE}.{:016x}", u64::from_ne_bytes(*random)));
    let file = options().create_new(true).open(&made).map_err(failed)?;
    initialise(file)
        .map_err(|error| OpenError::Database { path: made.clone(), source: Box::new(error) })?;
    match fs::hard_link(&made, &path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => fs::remove_file(&made).map_err(failed)?,
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// The file that is there, for us alone to read.
pub(super) fn open_file(path: &Path) -> Result<File, io::Error> {
    let file = options().open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(NO_FOLLOW);
    options
}

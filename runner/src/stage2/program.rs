//! Opens the file that the policy names and checks it through the descriptor that is executed, so
//! that nobody can put another file there in between.

use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open as open_file};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::spec::Spec;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Opens the program of `spec`; a message says what is wrong with it.
pub(super) fn open(spec: &Spec) -> Result<OwnedFd, String> {
    let path = spec.program.as_str();
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = open_file(path, flags, Mode::empty()).map_err(|e| format!("{path}: {}", e.desc()))?;
    let stat = fstat(&fd).map_err(|e| format!("{path}: {}", e.desc()))?;
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    if kind != SFlag::S_IFREG {
        return Err(format!(
            "{path} is not a regular file (a symlink must be named by its target)"
        ));
    }
    if !spec.trusted_uids.contains(&stat.st_uid) {
        return Err(format!("{path} belongs to uid {}, which is not trusted", stat.st_uid));
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("{path} can be written by its group or by others"));
    }
    Ok(fd)
}

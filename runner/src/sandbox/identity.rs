//! The user and group that a run has: setresuid(2), setresgid(2), setgroups(2).

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid};

/// Takes `id` as the only user and group of this process, and reads it back. Groups go first:
/// without root they cannot be changed any more.
pub fn take(id: u32) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    let (u, g) = (getresuid()?, getresgid()?);
    let all_taken = [u.real, u.effective, u.saved].iter().all(|got| *got == uid)
        && [g.real, g.effective, g.saved].iter().all(|got| *got == gid);
    if all_taken { Ok(()) } else { Err(Errno::EPERM) }
}

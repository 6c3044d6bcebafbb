//! The only unsafe code of the runner: system calls that no crate offers as safe functions.
#![expect(
    unsafe_code,
    reason = "raw clone, fork, close_range and taking over inherited descriptors"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A null pointer for a raw call, as wide as the kernel reads it.
const NONE: libc::c_long = 0;

/// fork(2).
pub fn fork() -> Result<ForkResult, Errno> {
    // SAFETY: only stage 2 and the init that it becomes call this, and both have one thread, so the
    // child finds no lock that another thread held.
    unsafe { nix::unistd::fork() }
}

/// clone(2) like fork(2) with `flags` (`CLONE_NEW*`, `CLONE_PARENT`). In the child: `None`.
/// The child must not use anything that knows its thread id, for the C library does not learn it.
pub fn clone(flags: libc::c_int) -> Result<Option<Pid>, Errno> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: with a null stack and without CLONE_VM the child gets a copy of this process, as fork
    // gives it; stage 2 has one thread. The raw call is used because the C library offers none that
    // takes CLONE_PARENT without a second stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, NONE, NONE, NONE, NONE) };
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(Pid::from_raw(pid))),
        Ok(_) | Err(_) => Err(Errno::last()),
    }
}

/// Closes every descriptor from `first` on: `close_range(2)`.
pub fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: stage 2 calls this before it owns any descriptor from `first` on.
    let done = unsafe { libc::close_range(first, u32::MAX, 0) };
    Errno::result(done).map(drop)
}

/// Marks every descriptor from `first` on to end with the next exec: `close_range(2)`.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    let flags = i32::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or_default();
    // SAFETY: a flag of descriptors is set; none is closed, so every owner keeps its own.
    let done = unsafe { libc::close_range(first, u32::MAX, flags) };
    Errno::result(done).map(drop)
}

/// Owns a descriptor that the parent process placed at `number`.
///
/// Called once for each number, at the start of the process.
pub fn inherit(number: RawFd) -> Result<OwnedFd, Errno> {
    nix::fcntl::fcntl(
        // SAFETY: the descriptor is only asked whether it is open, and is not kept.
        unsafe { BorrowedFd::borrow_raw(number) },
        nix::fcntl::FcntlArg::F_GETFD,
    )?;
    // SAFETY: it is open, as was just seen, and nothing else in this process owns it: the caller
    // asks once, at the start of the process, before anything opens a descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Duplicates a descriptor to a number of at least `lowest`, close-on-exec: fcntl(2).
pub fn duplicate_from(fd: BorrowedFd<'_>, lowest: RawFd) -> Result<OwnedFd, Errno> {
    let raw = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Watches a descriptor until it becomes readable.
pub fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays the same open descriptor for as long as it lives, and the watch
    // owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// Forbids programs and set-user-ID bits on the mount at `path` and all beneath it:
/// `mount_setattr(2)`, which adds and, unlike a remount, takes away nothing.
pub fn forbid_programs(path: &CStr) -> Result<(), Errno> {
    const MOUNT_ATTR_NOSUID: u64 = 0x2;
    const MOUNT_ATTR_NOEXEC: u64 = 0x8;
    // to set, to clear, propagation, user namespace
    let attributes = [MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0, 0];
    // SAFETY: the path ends with NUL, and the kernel reads a mount_attr of the size given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    Errno::result(done).map(drop)
}

/// Joins a new session keyring, so that the keys of whoever started the runner are out of reach:
/// keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`.
pub fn new_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is passed.
    let id = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NONE) };
    Errno::result(id).map(drop)
}

/// Gives every signal its default action: `rt_sigaction(2)`.
///
/// The raw call, because the C library keeps two real-time signals to itself and whoever started the
/// runner may have ignored them.
pub fn default_signals() -> Result<(), Errno> {
    const SIGNALS: libc::c_int = 64;
    (1..=SIGNALS)
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
        .try_for_each(default_signal)
}

/// Lets ended children wait to be reaped, even if whoever started us ignored their signal: wait(2).
pub fn keep_ended_children() -> Result<(), Errno> {
    default_signal(libc::SIGCHLD)
}

fn default_signal(signal: libc::c_int) -> Result<(), Errno> {
    const SET_BYTES: libc::c_long = 8;
    // handler SIG_DFL, no flags, no restorer, empty mask
    let default = [0_u64; 4];
    // SAFETY: the kernel reads a sigaction of this size; the old one is not asked for.
    let done =
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), NONE, SET_BYTES) };
    Errno::result(done).map(drop)
}

/// Reaps a child that has ended and tells what it and everything it reaped used: wait4(2).
pub fn reap(child: Pid) -> Result<proto::Usage, Errno> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live variables of the right type.
    let reaped = unsafe { libc::wait4(child.as_raw(), &raw mut status, 0, usage.as_mut_ptr()) };
    Errno::result(reaped)?;
    // SAFETY: the call succeeded and filled it; all zeroes would be valid as well.
    let usage = unsafe { usage.assume_init() };
    let micros = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    Ok(proto::Usage {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    })
}

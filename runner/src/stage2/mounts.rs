//! The mounts of a run: its own `/proc`, and empty directories where the host keeps what is none of
//! its business. Everything writable is `noexec,nosuid,nodev`, for Landlock does not stop
//! `ld.so /tmp/program`.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::spec::Spec;
use crate::plan::Processes;
use crate::sys;

/// Directories that a run sees empty.
const HIDDEN: [&str; 10] =
    ["/tmp", "/var/tmp", "/run", "/home", "/root", "/srv", "/mnt", "/media", "/dev/shm", "/boot"];
const EMPTY_SIZE: &str = "size=64k,nr_inodes=64,mode=0755";

/// A mount failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path}: {}", errno.desc())]
pub(super) struct MountError {
    what: &'static str,
    path: PathBuf,
    errno: Errno,
}

/// Makes the mounts in this process's own mount namespace.
pub(super) fn apply(spec: &Spec, owner: u32, group: u32) -> Result<(), MountError> {
    // First of all: what is mounted here must not appear on the host.
    attach(
        "make private",
        None,
        Path::new("/"),
        None,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None,
    )?;
    let shown = shown_paths(spec);
    let aside = set_aside(&shown)?;
    let workdir = Path::new(&spec.workdir);
    for directory in HIDDEN.map(Path::new) {
        if directory != workdir && directory.is_dir() && !is_symlink(directory) {
            tmpfs(directory, EMPTY_SIZE)?;
        }
    }
    let size = spec.limits.workdir_size;
    tmpfs(workdir, &format!("size={size},nr_inodes=4096,mode=0700"))?;
    for (path, kept) in &aside {
        put_back(path, kept)?;
    }
    for path in writable_paths(spec) {
        forbid_programs(&path)?;
    }
    std::os::unix::fs::chown(workdir, Some(owner), Some(group))
        .map_err(|e| failed("chown", workdir, &e))?;
    if spec.confinement.processes == Processes::Host {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    attach("mount proc on", None, Path::new("/proc"), Some("proc"), flags, None)
}

/// Paths that the policy grants beneath a directory that is about to be hidden. `/etc/resolv.conf`
/// often points into `/run`.
fn shown_paths(spec: &Spec) -> Vec<PathBuf> {
    let grants = &spec.confinement;
    let mut shown: Vec<_> = grants
        .ro
        .iter()
        .chain(&grants.rw)
        .chain(&grants.exec)
        .filter_map(|path| fs::canonicalize(path).ok())
        .filter(|path| HIDDEN.iter().any(|dir| path.starts_with(dir) && path != Path::new(dir)))
        .collect();
    shown.sort();
    shown.dedup();
    // What lies beneath another shown directory comes back with it.
    let all = shown.clone();
    shown.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
    shown
}

/// Opens each path, so that it can be bound again once it is covered.
fn set_aside(paths: &[PathBuf]) -> Result<Vec<(PathBuf, fs::File)>, MountError> {
    use std::os::unix::fs::OpenOptionsExt;
    paths
        .iter()
        .map(|path| {
            let opened = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
            opened.map(|file| (path.clone(), file)).map_err(|e| failed("open", path, &e))
        })
        .collect()
}

fn put_back(path: &Path, kept: &fs::File) -> Result<(), MountError> {
    use std::os::fd::AsRawFd;
    let is_dir = kept.metadata().map_err(|e| failed("stat", path, &e))?.is_dir();
    if is_dir {
        fs::create_dir_all(path).map_err(|e| failed("create", path, &e))?;
    } else {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed("create", parent, &e))?;
        }
        fs::File::create(path).map_err(|e| failed("create", path, &e))?;
    }
    let source = PathBuf::from(format!("/proc/self/fd/{}", kept.as_raw_fd()));
    attach("bind", Some(&source), path, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)
}

/// Files and directories outside the work directory that the policy lets be written. Devices are
/// left as they are: no program can be written to one.
fn writable_paths(spec: &Spec) -> Vec<PathBuf> {
    let is_kept = |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_dir() || m.is_file());
    spec.confinement
        .rw
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .filter(|path| path != Path::new(&spec.workdir) && is_kept(path))
        .collect()
}

/// Makes a mount of its own of `path`, without programs.
fn forbid_programs(path: &Path) -> Result<(), MountError> {
    attach("bind", Some(path), path, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)?;
    let failed = |errno| MountError { what: "forbid programs on", path: path.to_owned(), errno };
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_nul| failed(Errno::EINVAL))?;
    sys::forbid_programs(&name).map_err(failed)
}

fn tmpfs(path: &Path, options: &str) -> Result<(), MountError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    attach("mount tmpfs on", None, path, Some("tmpfs"), flags, Some(options))
}

fn attach(
    what: &'static str,
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), MountError> {
    mount(source, target, kind, flags, options).map_err(|errno| MountError {
        what,
        path: target.to_owned(),
        errno,
    })
}

fn is_symlink(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn failed(what: &'static str, path: &Path, error: &io::Error) -> MountError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    MountError { what, path: path.to_owned(), errno }
}

//! The socket: bound here or inherited, its peers checked before a byte is read, drained at the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chown, getpid};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_seqpacket::{UnixSeqpacket, UnixSeqpacketListener};
use tokio_util::task::TaskTracker;

use crate::audit::Peer;
use crate::runner::Runner;
use crate::{session, sys};

/// Open connections; one is one run or one description.
const CONNECTIONS: usize = 128;
/// After an accept that failed, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For runs to end when the runner stops, beyond their own grace.
const DRAIN: Duration = Duration::from_secs(15);
/// Where systemd puts the first socket: `sd_listen_fds(3)`.
const FIRST_INHERITED: i32 = 3;

/// There is no socket to serve.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers there already.
    #[error("another runner already serves {0}; stop it first")]
    InUse(PathBuf),
    /// Something else is in the way.
    #[error("{0} exists and is not a socket; move it away or choose another --socket")]
    NotASocket(PathBuf),
    /// Binding failed.
    #[error("cannot listen on {path}: {source}")]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The inherited descriptor is something else.
    #[error("the inherited descriptor is not a listening SOCK_SEQPACKET Unix socket")]
    Inherited,
}

/// Takes the socket that a service manager passed (`LISTEN_PID`, `LISTEN_FDS`), if it did. To be
/// called before anything else opens a descriptor: the number must be the manager's or nobody's.
pub fn inherited(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<OwnedFd>, ListenError> {
    let number = |name: &str| env(name).and_then(|value| value.parse::<i32>().ok());
    if number("LISTEN_PID") != Some(getpid().as_raw()) || number("LISTEN_FDS") != Some(1) {
        return Ok(None);
    }
    let fd = sys::inherit(FIRST_INHERITED).map_err(|_closed| ListenError::Inherited)?;
    let is_ours = getsockopt(&fd, sockopt::SockType) == Ok(SockType::SeqPacket)
        && getsockopt(&fd, sockopt::AcceptConn) == Ok(true);
    if !is_ours {
        return Err(ListenError::Inherited);
    }
    prepare(fd.as_fd()).map_err(|_unusable| ListenError::Inherited)?;
    Ok(Some(fd))
}

fn prepare(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The listener of an inherited socket.
pub fn adopt(inherited: OwnedFd) -> Result<UnixSeqpacketListener, ListenError> {
    UnixSeqpacketListener::try_from(inherited).map_err(|_unusable| ListenError::Inherited)
}

/// Binds `path`. Only root and `group` may connect, or only our own user without a group.
pub async fn bind(path: &Path, group: Option<u32>) -> Result<UnixSeqpacketListener, ListenError> {
    remove_stale(path).await?;
    let failed = |source: io::Error| ListenError::Bind { path: path.to_owned(), source };
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixSeqpacketListener::bind(path);
    umask(before);
    let listener = listener.map_err(failed)?;
    if let Some(group) = group {
        chown(path, None, Some(Gid::from_raw(group))).map_err(|e| failed(e.into()))?;
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(failed)?;
    }
    Ok(listener)
}

/// Removes the socket of a runner that is gone.
async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source: io::Error| ListenError::Bind { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    if UnixSeqpacket::connect(path).await.is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    std::fs::remove_file(path).map_err(failed)
}

/// Serves until the runner's shutdown, then waits for what still runs to end.
pub async fn serve(runner: Arc<Runner>, mut listener: UnixSeqpacketListener, allowed: &[Uid]) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let sessions = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = runner.shutdown.cancelled() => break,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let socket = tokio::select! {
            () = runner.shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(peer) = admit(&socket, allowed) else { continue };
        let runner = Arc::clone(&runner);
        sessions.spawn(async move {
            session::serve(runner, socket, peer).await;
            drop(permit);
        });
    }
    drop(listener);
    sessions.close();
    if timeout(DRAIN, sessions.wait()).await.is_err() {
        tracing::error!("runs did not end in time; they end with this process");
    }
}

/// Whether this peer may speak at all (`SO_PEERCRED`, unix(7)).
fn admit(socket: &UnixSeqpacket, allowed: &[Uid]) -> Option<Peer> {
    match socket.peer_cred() {
        Ok(credentials) => {
            let uid = Uid::from_raw(credentials.uid());
            if allowed.contains(&uid) {
                return Some(Peer { uid: uid.as_raw(), pid: credentials.pid() });
            }
            tracing::warn!(%uid, "refused a connection: this user is not in --allow-uid");
        }
        Err(error) => tracing::warn!(%error, "refused a connection without credentials"),
    }
    None
}

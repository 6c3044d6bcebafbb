//! The server's end of the admin socket: who may come, how many at once, and for how long.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::Desk;
use super::line::{self, LineError};
use super::protocol::{Reply, Request, SOCKET};
use crate::limits;
use crate::model::causes::chain;

/// The socket, listening.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    own_uid: u32,
    /// For a request to arrive and for a reply to be taken.
    pub(super) patience: Duration,
}

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Making it failed.
    #[error("cannot listen on the admin socket {}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is in its place.
    #[error("{} is not a socket; move it away", path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
}

impl AdminSocket {
    /// Listens in the state directory `dir`. The caller holds the store that is in it, so a socket
    /// that is there already was left behind by a server that is gone.
    pub fn bind(dir: &Path) -> Result<Self, BindError> {
        let path = dir.join(SOCKET);
        let failed = |source| BindError::Bind { path: path.clone(), source };
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path).map_err(failed)?,
            Ok(_) => return Err(BindError::InTheWay { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let own_uid = rustix::process::geteuid().as_raw();
        Ok(Self { listener, path, own_uid, patience: limits::ADMIN_REQUEST })
    }

    /// Answers until `stop`, lets what is being answered end, and removes the socket.
    pub async fn serve(self, desk: Arc<Desk>, stop: CancellationToken) {
        let Self { listener, path, own_uid, patience } = self;
        let conversations = TaskTracker::new();
        let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = stop.cancelled() => break,
                next = next => next,
            };
            let stream = match accepted {
                Ok((stream, _unnamed)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin socket");
                    sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match stream.peer_cred().map(|peer| peer.uid()) {
                Ok(uid) if may_ask(uid, own_uid) => {}
                peer => {
                    tracing::warn!(?peer, "refused a peer of the admin socket");
                    continue;
                }
            }
            let (desk, stop) = (Arc::clone(&desk), stop.clone());
            conversations.spawn(async move {
                converse(stream, &desk, patience, &stop).await;
                drop(place);
            });
        }
        conversations.close();
        if timeout(limits::DRAIN, conversations.wait()).await.is_err() {
            tracing::warn!("left admin requests unanswered");
        }
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "cannot remove the admin socket");
        }
    }
}

/// Whether a process of user `peer` may ask a server of user `own`: root could do all of it
/// without us, and the server's own user is us.
fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

async fn converse(stream: UnixStream, desk: &Desk, patience: Duration, stop: &CancellationToken) {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    loop {
        let request = tokio::select! {
            () = stop.cancelled() => return,
            request = timeout(patience, line::read::<Request>(&mut from)) => request,
        };
        let (reply, is_last) = match request {
            Ok(Ok(Some(request))) => (desk.answer(request).await, false),
            Ok(Err(error @ LineError::Garbled { .. })) => (Reply::Failed(chain(&error)), false),
            Ok(Err(error @ LineError::TooLong)) => (Reply::Failed(chain(&error)), true),
            Ok(Ok(None) | Err(LineError::Cut | LineError::Io(_))) | Err(_) => return,
        };
        let sent = timeout(patience, line::write(&mut to, &reply)).await;
        if is_last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_may_ask_and_nobody_else() {
        assert!(may_ask(990, 990));
        assert!(may_ask(0, 990));
        assert!(!may_ask(991, 990));
        assert!(!may_ask(990, 0));
    }
}

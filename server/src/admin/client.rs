//! The CLI's end of the admin socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::line::{self, LineError};
use super::protocol::{Reply, Request, SOCKET};
use crate::limits;

/// A conversation with a running server.
#[derive(Debug)]
pub struct Client {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

/// The server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It took the connection and then did not answer.
    #[error(
        "the server does not answer on its admin socket; whether it did what was asked is not known"
    )]
    Answer(#[source] Option<LineError>),
    /// The socket is there but does not let us in.
    #[error(
        "cannot connect to the admin socket {}; run this as root or as the server's own user",
        path.display()
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Client {
    /// Connects to the server whose state directory is `dir`; `None` if none runs.
    pub async fn connect(dir: &Path) -> Result<Option<Self>, ClientError> {
        let path = dir.join(SOCKET);
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (from, to) = stream.into_split();
                Ok(Some(Self { from: BufReader::new(from), to }))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(ClientError::Connect { path, source }),
        }
    }

    /// Asks one thing.
    pub async fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let exchange = async {
            line::write(&mut self.to, request).await?;
            line::read(&mut self.from).await
        };
        match timeout(limits::ADMIN_ANSWER, exchange).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Err(error)) => Err(ClientError::Answer(Some(error))),
            Ok(Ok(None)) | Err(_) => Err(ClientError::Answer(None)),
        }
    }
}

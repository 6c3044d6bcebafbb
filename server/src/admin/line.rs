//! One JSON value a line, in either direction, within [`limits::ADMIN_LINE`].

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use crate::limits;

/// A line is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other side went away within a line.
    #[error("the line breaks off")]
    Cut,
    /// Not the JSON that belongs here.
    #[error("the line is not understood")]
    Garbled {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The socket failed.
    #[error("the admin socket failed")]
    Io(#[source] io::Error),
    /// Over the limit; where the next line starts is not known.
    #[error("the line is longer than {max} bytes", max = limits::ADMIN_LINE)]
    TooLong,
}

/// The next value, or `None` at the end.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<T>, LineError> {
    let max = u64::try_from(limits::ADMIN_LINE).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    from.take(max + 1).read_until(b'\n', &mut line).await.map_err(LineError::Io)?;
    if line.is_empty() {
        return Ok(None);
    }
    match line.strip_suffix(b"\n") {
        Some(line) => {
            serde_json::from_slice(line).map(Some).map_err(|source| LineError::Garbled { source })
        }
        None if line.len() > limits::ADMIN_LINE => Err(LineError::TooLong),
        None => Err(LineError::Cut),
    }
}

/// Sends one value.
pub(super) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    value: &impl Serialize,
) -> Result<(), LineError> {
    let mut line = serde_json::to_vec(value).map_err(|source| LineError::Garbled { source })?;
    if line.len() > limits::ADMIN_LINE {
        return Err(LineError::TooLong);
    }
    line.push(b'\n');
    to.write_all(&line).await.map_err(LineError::Io)
}

//! Reading a request's body, bounded in bytes, in time, and in what all bodies take together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits;

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Its size.
    pub bytes: usize,
    /// Until its last byte.
    pub time: Duration,
}

impl Bounds {
    /// As `limits` says.
    pub const STANDARD: Self = Self { bytes: limits::BODY_BYTES, time: limits::BODY_READ };
}

/// The memory that all bodies share, in pieces.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// One body's part of it, given back when dropped.
pub type Share = Option<OwnedSemaphorePermit>;

impl Room {
    const PIECE: usize = 1024;

    /// Room for `bytes`.
    pub fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / Self::PIECE)))
    }

    /// Whether nobody has any of `bytes`.
    #[cfg(test)]
    pub(crate) fn has(&self, bytes: usize) -> bool {
        self.0.available_permits() == bytes / Self::PIECE
    }

    /// Makes `share` large enough for `bytes`, if there is room.
    fn take(&self, share: &mut Share, bytes: usize) -> Result<(), BodyError> {
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(Self::PIECE).saturating_sub(held);
        let missing = u32::try_from(missing).map_err(|_over| BodyError::NoRoom)?;
        if missing == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.0)
            .try_acquire_many_owned(missing)
            .map_err(|_full| BodyError::NoRoom)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

/// A body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The peer left, or its encoding is broken.
    #[error("the body ended early")]
    Broken,
    /// All bodies together have what they may have.
    #[error("there is no room for the body now")]
    NoRoom,
    /// Over [`Bounds::bytes`].
    #[error("the body is over {max} bytes")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// Over [`Bounds::time`].
    #[error("the body did not arrive in time")]
    TooSlow,
}

/// Reads a body whole, and takes room for what has come of it. One that says that it is too long is
/// not read at all.
pub async fn read(
    body: Body,
    headers: &HeaderMap,
    bounds: Bounds,
    room: &Room,
) -> Result<(Bytes, Share), BodyError> {
    let too_long = BodyError::TooLong { max: bounds.bytes };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared
        .and_then(|text| text.parse().ok())
        .is_some_and(|length: usize| length > bounds.bytes)
    {
        return Err(too_long);
    }
    let mut body = Limited::new(body, bounds.bytes);
    let whole = async {
        let (mut whole, mut share) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { too_long } else { BodyError::Broken }
            })?;
            if let Ok(data) = frame.into_data() {
                room.take(&mut share, whole.len() + data.len())?;
                whole.extend_from_slice(&data);
            }
        }
        Ok((whole.freeze(), share))
    };
    timeout(bounds.time, whole).await.map_err(|_elapsed| BodyError::TooSlow)?
}

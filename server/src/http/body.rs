//! Reading a request's body, bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
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

/// A body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The peer left, or its encoding is broken.
    #[error("the body ended early")]
    Broken,
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

/// Reads a body whole. One that says that it is too long is not read at all.
pub async fn read(body: Body, headers: &HeaderMap, bounds: Bounds) -> Result<Bytes, BodyError> {
    let too_long = BodyError::TooLong { max: bounds.bytes };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared
        .and_then(|text| text.parse().ok())
        .is_some_and(|length: usize| length > bounds.bytes)
    {
        return Err(too_long);
    }
    let whole = Limited::new(body, bounds.bytes).collect();
    match timeout(bounds.time, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long),
        Ok(Err(_peer)) => Err(BodyError::Broken),
        Err(_elapsed) => Err(BodyError::TooSlow),
    }
}

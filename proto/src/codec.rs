//! Encode and decode one message, and the only place that names bincode's functions.
//!
//! ```text
//! datagram = "MF" version:u16le body      body = bincode 2 standard (varint, little endian)
//! ```
//!
//! bincode alone is not safe at a trust boundary: without a limit an 11-byte message aborts the
//! process, trailing bytes are ignored and a number has several spellings. Here each message has a
//! size limit, must be used up to its last byte, and must encode back to the bytes that came.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};

use crate::message::{Reply, Request};
use crate::{VERSION, limit};

const MAGIC: [u8; 2] = *b"MF";
const HEADER: usize = 4;

type Wire = Configuration<LittleEndian, Varint, Limit<{ limit::DECODE }>>;

fn wire() -> Wire {
    bincode::config::standard().with_limit::<{ limit::DECODE }>()
}

/// A direction's message.
pub trait Message: bincode::Encode + bincode::Decode<()> {}
impl Message for Request {}
impl Message for Reply {}

/// A message could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It does not fit in one datagram.
    #[error("the message is over {} bytes", limit::DATAGRAM)]
    TooLong,
}

/// A datagram is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than any message.
    #[error("a datagram of {0} bytes; the limit is {max}", max = limit::DATAGRAM)]
    TooLong(usize),
    /// Not ours at all.
    #[error("not a message of this protocol")]
    Magic,
    /// Another version of it.
    #[error("the peer speaks version {found} of the protocol; this is version {ours}", ours = VERSION)]
    Version {
        /// What the peer speaks.
        found: u16,
    },
    /// The body cannot be read.
    #[error("garbled: {0}")]
    Garbled(String),
    /// Bytes are left over.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// The same message has a shorter spelling.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// Writes `message` to the front of `buffer` and returns the bytes to send.
pub fn encode<'b, M: Message>(message: &M, buffer: &'b mut [u8]) -> Result<&'b [u8], EncodeError> {
    let room = buffer.len().min(limit::DATAGRAM);
    let buffer = buffer.get_mut(..room).ok_or(EncodeError::TooLong)?;
    let (header, body) = buffer.split_at_mut_checked(HEADER).ok_or(EncodeError::TooLong)?;
    let version = VERSION.to_le_bytes();
    header.copy_from_slice(&[MAGIC[0], MAGIC[1], version[0], version[1]]);
    let used = bincode::encode_into_slice(message, body, wire())
        .map_err(|_unexpected_end| EncodeError::TooLong)?;
    buffer.get(..HEADER + used).ok_or(EncodeError::TooLong)
}

/// Reads one datagram.
pub fn decode<M: Message>(datagram: &[u8]) -> Result<M, DecodeError> {
    if datagram.len() > limit::DATAGRAM {
        return Err(DecodeError::TooLong(datagram.len()));
    }
    let Some((&[m0, m1, v0, v1], body)) = datagram.split_first_chunk::<HEADER>() else {
        return Err(DecodeError::Magic);
    };
    if [m0, m1] != MAGIC {
        return Err(DecodeError::Magic);
    }
    let found = u16::from_le_bytes([v0, v1]);
    if found != VERSION {
        return Err(DecodeError::Version { found });
    }
    let (message, used) = bincode::decode_from_slice::<M, _>(body, wire())
        .map_err(|e| DecodeError::Garbled(e.to_string()))?;
    if used != body.len() {
        return Err(DecodeError::Trailing(body.len() - used));
    }
    let mut canonical = Comparing { rest: body };
    bincode::encode_into_writer(&message, &mut canonical, wire())
        .map_err(|_differs| DecodeError::NotCanonical)?;
    if !canonical.rest.is_empty() {
        return Err(DecodeError::NotCanonical);
    }
    Ok(message)
}

/// A writer that compares instead of keeping: the canonical check without a second buffer.
struct Comparing<'a> {
    rest: &'a [u8],
}

impl bincode::enc::write::Writer for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.rest = self
            .rest
            .strip_prefix(bytes)
            .ok_or(bincode::error::EncodeError::Other("another spelling"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

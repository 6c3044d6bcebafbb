//! One message, one datagram, over a connected `SOCK_SEQPACKET` socket.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio_seqpacket::UnixSeqpacket;

use crate::codec::{self, DecodeError, EncodeError, Message};
use crate::limit;

/// A message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The peer sent something else than a message; the connection is of no more use.
    #[error("the peer broke the protocol")]
    Decode(#[source] DecodeError),
    /// Our own message is too long.
    #[error("cannot send")]
    Encode(#[source] EncodeError),
    /// The peer attached file descriptors, which no message carries.
    #[error("the peer attached file descriptors")]
    Ancillary,
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

/// Makes the two directions of a connected socket.
pub fn channel<Out: Message, In: Message>(socket: UnixSeqpacket) -> (Sender<Out>, Receiver<In>) {
    let socket = Arc::new(socket);
    (
        Sender {
            socket: Arc::clone(&socket),
            buffer: vec![0; limit::DATAGRAM].into(),
            message: PhantomData,
        },
        // One byte more than a datagram may have, so that a longer one is seen to be longer.
        Receiver { socket, buffer: vec![0; limit::DATAGRAM + 1].into(), message: PhantomData },
    )
}

/// The sending direction, with the buffer it reuses.
#[derive(Debug)]
pub struct Sender<Out> {
    socket: Arc<UnixSeqpacket>,
    buffer: Box<[u8]>,
    message: PhantomData<fn(Out)>,
}

impl<Out: Message> Sender<Out> {
    /// Sends one message; waits while the peer's queue is full.
    pub async fn send(&mut self, message: &Out) -> Result<(), ChannelError> {
        let datagram = codec::encode(message, &mut self.buffer).map_err(ChannelError::Encode)?;
        self.socket.send(datagram).await.map_err(ChannelError::Socket)?;
        Ok(())
    }
}

/// The receiving direction, with the buffer it reuses.
#[derive(Debug)]
pub struct Receiver<In> {
    socket: Arc<UnixSeqpacket>,
    buffer: Box<[u8]>,
    message: PhantomData<fn() -> In>,
}

impl<In: Message> Receiver<In> {
    /// Receives one message; `None` when the peer has hung up. Safe to cancel.
    pub async fn receive(&mut self) -> Result<Option<In>, ChannelError> {
        let info = match self.socket.recv(&mut self.buffer).await {
            Ok(info) => info,
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(e) => return Err(ChannelError::Socket(e)),
        };
        if info.ancillary_truncated() {
            return Err(ChannelError::Ancillary);
        }
        if info.bytes_read() == 0 {
            return Ok(None);
        }
        let datagram = self.buffer.get(..info.bytes_read()).unwrap_or_default();
        if info.truncated() {
            return Err(ChannelError::Decode(DecodeError::TooLong(datagram.len())));
        }
        codec::decode(datagram).map(Some).map_err(ChannelError::Decode)
    }
}

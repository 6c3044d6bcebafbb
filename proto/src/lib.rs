//! The messages between `mcpfusion` (the network half) and `mcpfusion-runner` (the privileged half).
//!
//! One connection is one run: the front end connects, sends one [`Request::Execute`] or
//! [`Request::Describe`], and hangs up to cancel. One message is one `SOCK_SEQPACKET` datagram, at
//! most [`limit::DATAGRAM`] bytes. The crate knows neither half and holds no policy.

#![forbid(unsafe_code)]

pub mod bounded;
pub mod channel;
pub mod codec;
pub mod limit;
pub mod message;

pub use bounded::{Blob, List, OutOfBounds, Text};
pub use channel::{ChannelError, Receiver, Sender, channel};
pub use codec::{DecodeError, EncodeError, Message};
pub use message::{
    About, Arg, Args, Chunk, CommandInfo, Denial, DenyCode, Ended, EnvVar, Execute, Exit, Failure,
    Name, Reason, Reply, Request, RunId, Started, Status, StdinMode, Stream, StreamReport, Usage,
};

/// The wire version. Both halves ship together; another version is refused by name.
pub const VERSION: u16 = 1;

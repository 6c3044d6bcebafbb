//! One output stream: passes on what fits, counts the rest and drops it.

use std::io;

use proto::{Blob, Reply, Stream, StreamReport};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

/// A stream of the command on its way to the front end.
#[derive(Debug)]
pub struct Output {
    stream: Stream,
    pipe: Option<pipe::Receiver>,
    cap: u64,
    report: StreamReport,
}

impl Output {
    /// Passes at most `cap` bytes of `pipe` on.
    pub fn new(stream: Stream, pipe: pipe::Receiver, cap: u64) -> Self {
        Self { stream, pipe: Some(pipe), cap, report: StreamReport::default() }
    }

    /// The counts so far.
    pub fn report(&self) -> StreamReport {
        self.report
    }

    /// Whether everything has been read.
    pub fn is_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads one piece and passes it on. While the front end does not read, neither do we, and the
    /// command waits: it is that front end's own time. Safe to cancel: nothing is read before there
    /// is room for it. Waits for ever once the stream has ended.
    pub async fn pump(&mut self, replies: &mpsc::Sender<Reply>) {
        let Some(pipe) = &mut self.pipe else { return std::future::pending().await };
        let room = self.cap.saturating_sub(self.report.passed);
        let permit = if room > 0 { replies.reserve().await.ok() } else { None };
        let mut chunk = Vec::with_capacity(proto::limit::CHUNK);
        match read_some(pipe, &mut chunk).await {
            Ok(0) | Err(_) => self.pipe = None,
            Ok(read) => {
                self.report.written += u64::try_from(read).unwrap_or(u64::MAX);
                chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                let passed = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                if let (Some(permit), Ok(chunk)) = (permit, Blob::new(chunk)) {
                    self.report.passed += passed;
                    permit.send(Reply::Output(self.stream, chunk));
                }
            }
        }
    }
}

async fn read_some(pipe: &mut pipe::Receiver, chunk: &mut Vec<u8>) -> io::Result<usize> {
    let limit = u64::try_from(proto::limit::CHUNK).unwrap_or(u64::MAX);
    pipe.take(limit).read_buf(chunk).await
}

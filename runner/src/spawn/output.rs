//! One output stream: passes its beginning on at once and its end at the end, counts what is between
//! and drops it.

use std::collections::VecDeque;
use std::io;

use proto::{Blob, Reply, Stream, StreamReport};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

/// Most of a stream that is kept back to be its end: every run may keep as much.
const MAX_TAIL: u64 = 1 << 20;

/// A stream of the command on its way to the front end.
#[derive(Debug)]
pub struct Output {
    stream: Stream,
    pipe: Option<pipe::Receiver>,
    head: u64,
    tail: Tail,
    report: StreamReport,
    sha256: Sha256,
}

impl Output {
    /// Passes at most `cap` bytes of `pipe` on: the first `head`, or more where the rest would be
    /// too much to keep, and the last.
    pub fn new(stream: Stream, pipe: pipe::Receiver, cap: u64, head: u64) -> Self {
        let tail = cap.saturating_sub(head).min(MAX_TAIL);
        Self {
            stream,
            pipe: Some(pipe),
            head: cap - tail,
            tail: Tail { kept: VecDeque::new(), max: usize::try_from(tail).unwrap_or(usize::MAX) },
            report: StreamReport::default(),
            sha256: Sha256::new(),
        }
    }

    /// How much the command wrote so far, bytes.
    pub fn written(&self) -> u64 {
        self.report.written
    }

    /// Whether everything has been read.
    pub fn is_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads one piece, and passes it on if it is of the stream's beginning. Then, while the front
    /// end does not read, neither do we, and the command waits: it is that front end's own time.
    /// Safe to cancel: nothing is read before there is room for it. Waits for ever once the stream
    /// has ended.
    pub async fn pump(&mut self, replies: &mpsc::Sender<Reply>) {
        let Some(pipe) = &mut self.pipe else { return std::future::pending().await };
        let room = self.head.saturating_sub(self.report.passed);
        let permit = if room > 0 { replies.reserve().await.ok() } else { None };
        let mut chunk = Vec::with_capacity(proto::limit::CHUNK);
        match read_some(pipe, &mut chunk).await {
            Ok(0) | Err(_) => self.pipe = None,
            Ok(_) => {
                self.report.written += length(&chunk);
                self.sha256.update(&chunk);
                let at_once = chunk.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                self.tail.push(chunk.get(at_once..).unwrap_or_default());
                chunk.truncate(at_once);
                // Without a permit there is nobody to pass anything to, now or later.
                if let (Some(permit), Ok(chunk)) = (permit, Blob::new(chunk)) {
                    self.report.passed += length(&chunk);
                    permit.send(Reply::Output(self.stream, chunk));
                }
            }
        }
    }

    /// The messages that are still to be sent, the gap first, and the counts with them.
    pub fn finish(mut self) -> (Vec<Reply>, StreamReport) {
        let tail = self.tail.kept.make_contiguous();
        let mut rest = Vec::new();
        let gap = self.report.written - self.report.passed - length(tail);
        if gap > 0 {
            rest.push(Reply::Gap(self.stream, gap));
        }
        for piece in tail.chunks(proto::limit::CHUNK) {
            if let Ok(piece) = Blob::new(piece.to_vec()) {
                self.report.passed += length(&piece);
                rest.push(Reply::Output(self.stream, piece));
            }
        }
        self.report.sha256 = self.sha256.finalize().into();
        (rest, self.report)
    }
}

/// The last bytes of a stream, at most so many.
#[derive(Debug)]
struct Tail {
    kept: VecDeque<u8>,
    max: usize,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(self.max)..).unwrap_or_default();
        let over = (self.kept.len() + bytes.len()).saturating_sub(self.max);
        self.kept.drain(..over);
        self.kept.extend(bytes);
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

async fn read_some(pipe: &mut pipe::Receiver, chunk: &mut Vec<u8>) -> io::Result<usize> {
    let limit = u64::try_from(proto::limit::CHUNK).unwrap_or(u64::MAX);
    pipe.take(limit).read_buf(chunk).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// What a reader gets of `written`: the pieces before and after the gap, and the gap.
    fn passed(written: &[u8], cap: u64, head: u64) -> (Vec<u8>, u64, Vec<u8>, StreamReport) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (mut write, read) = pipe::pipe().unwrap();
            let (replies, mut received) = mpsc::channel(64);
            let mut output = Output::new(Stream::Stdout, read, cap, head);
            for piece in written.chunks(1_000) {
                write.write_all(piece).await.unwrap();
                output.pump(&replies).await;
            }
            drop(write);
            while !output.is_ended() {
                output.pump(&replies).await;
            }
            drop(replies);
            let (rest, report) = output.finish();
            let mut messages = Vec::new();
            while let Some(message) = received.recv().await {
                messages.push(message);
            }
            let (mut before, mut gap, mut after) = (Vec::new(), 0, Vec::new());
            for message in messages.into_iter().chain(rest) {
                if let Reply::Gap(_, dropped) = message {
                    gap += dropped;
                } else if let Reply::Output(_, piece) = message {
                    if gap == 0 { &mut before } else { &mut after }.extend_from_slice(&piece);
                }
            }
            (before, gap, after, report)
        })
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    #[test]
    fn what_fits_is_whole_and_has_no_gap() {
        for head in [0, 10, 5_000, 9_000] {
            let (before, gap, after, report) = passed(&text(5_000), 5_000, head);
            assert_eq!((before, gap, after), (text(5_000), 0, Vec::new()), "{head}");
            assert!(!report.truncated());
        }
    }

    #[test]
    fn a_cap_that_is_all_head_has_no_end() {
        let (before, gap, after, report) = passed(&text(5_000), 100, 100);
        assert_eq!((before, gap, after), (text(100), 4_900, Vec::new()));
        assert_eq!((report.written, report.passed), (5_000, 100));
    }

    #[test]
    fn no_more_than_the_bound_is_kept_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (_write, read) = pipe::pipe().unwrap();
            let output = Output::new(Stream::Stdout, read, 1 << 40, 0);
            assert_eq!(output.head + MAX_TAIL, 1 << 40);
            assert_eq!(output.tail.max, 1 << 20);
        });
    }

    proptest! {
        #[test]
        fn head_gap_and_tail_are_the_stream(
            len in 0_usize..6_000, cap in 0_u64..4_000, head in 0_u64..4_000,
        ) {
            let written = text(len);
            let (before, gap, after, report) = passed(&written, cap, head);
            let dropped = usize::try_from(gap).unwrap();
            prop_assert_eq!(before.len() + dropped + after.len(), len);
            prop_assert!(written.starts_with(&before));
            prop_assert!(written.ends_with(&after));
            prop_assert_eq!(report.passed, length(&before) + length(&after));
            prop_assert_eq!(report.passed, cap.min(length(&written)));
            prop_assert_eq!(report.truncated(), gap > 0);
            let whole: [u8; 32] = Sha256::digest(&written).into();
            prop_assert_eq!(report.sha256, whole);
        }
    }
}

//! What the front end says during a run, and what it said while the run had to wait.

use std::collections::VecDeque;

use proto::Request;
use tokio::sync::mpsc;

/// Most messages that are kept for a run that waits; the next ones stay in the socket.
const MAX_EARLY: usize = 8;

/// A run's requests, in their order.
#[derive(Debug)]
pub struct Requests {
    early: VecDeque<Request>,
    queue: mpsc::Receiver<Request>,
}

impl Requests {
    /// Those of `queue`, which ends when the front end hangs up.
    pub fn new(queue: mpsc::Receiver<Request>) -> Self {
        Self { early: VecDeque::new(), queue }
    }

    /// The next one; `None` once the front end has hung up. Safe to cancel.
    pub async fn next(&mut self) -> Option<Request> {
        match self.early.pop_front() {
            Some(early) => Some(early),
            None => self.queue.recv().await,
        }
    }

    /// Waits until the front end cancels or hangs up, and keeps what else it says for later. Does
    /// not look behind more than a few messages of stdin. Safe to cancel.
    pub async fn end(&mut self) {
        while self.early.len() < MAX_EARLY {
            match self.queue.recv().await {
                Some(stdin @ Request::Stdin(_)) => self.early.push_back(stdin),
                None | Some(_) => return,
            }
        }
        std::future::pending::<()>().await;
    }
}

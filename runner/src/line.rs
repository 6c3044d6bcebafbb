//! How many runs of one rule there may be at a time. Who comes later waits in line, first come first
//! served, for a bounded time, in a bounded number; nobody overtakes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bincode::{Decode, Encode};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The lines of all rules.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<BTreeMap<String, Line>>>);

/// How much of one rule there may be at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Bounds {
    /// Runs.
    pub concurrency: u64,
    /// Requests that wait.
    pub queue: u64,
    /// How long one waits.
    pub wait: Duration,
}

/// One rule's runs and who waits for their end.
#[derive(Debug, Default)]
struct Line {
    running: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    concurrency: u64,
    ticket: oneshot::Sender<Ticket>,
}

/// One run's admission; given back when dropped, which must not be before the run has ended.
#[derive(Debug)]
pub struct Ticket {
    rule: String,
    lines: Lines,
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Too many wait already.
    #[error("as many runs of this command as it may have are running, and its queue is full")]
    Full,
    /// Its time in line is over.
    #[error("as many runs of this command as it may have are running, and none ended in time")]
    Waited,
}

impl Lines {
    /// Waits for one of the rule's runs. Dropping the future leaves the line.
    pub async fn admit(&self, rule: &str, bounds: Bounds) -> Result<Ticket, NotNow> {
        let ticket = {
            let mut lines = self.lock();
            let line = lines.entry(rule.to_owned()).or_default();
            line.waiting.retain(|waiting| !waiting.ticket.is_closed());
            if line.waiting.is_empty() && line.running < bounds.concurrency {
                line.running += 1;
                drop(lines);
                return Ok(self.ticket(rule));
            }
            if u64::try_from(line.waiting.len()).unwrap_or(u64::MAX) >= bounds.queue {
                return Err(NotNow::Full);
            }
            let (ticket, granted) = oneshot::channel();
            line.waiting.push_back(Waiting { concurrency: bounds.concurrency, ticket });
            granted
        };
        // A ticket that comes when we are gone is dropped, which passes it on.
        match timeout(bounds.wait, ticket).await {
            Ok(Ok(ticket)) => Ok(ticket),
            Ok(Err(_)) | Err(_) => Err(NotNow::Waited),
        }
    }

    fn ticket(&self, rule: &str) -> Ticket {
        Ticket { rule: rule.to_owned(), lines: self.clone() }
    }

    fn give_back(&self, rule: &str) {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(rule) else { return };
        line.running -= 1;
        let mut admitted = Vec::new();
        // After a change of the policy there may be room for more than one, or for none yet.
        while let Some(next) = line.waiting.pop_front() {
            if next.ticket.is_closed() {
                continue;
            }
            if line.running >= next.concurrency {
                line.waiting.push_front(next);
                break;
            }
            line.running += 1;
            admitted.push(next.ticket);
        }
        if line.running == 0 && line.waiting.is_empty() {
            lines.remove(rule);
        }
        drop(lines);
        for ticket in admitted {
            // Back comes the ticket of who left just now, and its end passes it on.
            drop(ticket.send(self.ticket(rule)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.lines.give_back(&self.rule);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    const ONE: Bounds = Bounds { concurrency: 1, queue: 2, wait: Duration::from_secs(5) };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[test]
    fn who_comes_first_is_served_first_and_nobody_overtakes() {
        block_on(async {
            let lines = Lines::default();
            let first = lines.admit("nmap", ONE).await.unwrap();
            let mut second = pin!(lines.admit("nmap", ONE));
            let mut third = pin!(lines.admit("nmap", ONE));
            assert!(is_pending(second.as_mut()).await);
            assert!(is_pending(third.as_mut()).await);
            // Another rule has a line of its own, and a fourth finds this one full.
            drop(lines.admit("df", ONE).await.unwrap());
            assert_eq!(lines.admit("nmap", ONE).await.unwrap_err(), NotNow::Full);
            drop(first);
            // The second has it although it did not look yet: a newcomer cannot take it.
            assert!(is_pending(third.as_mut()).await);
            let second = second.await.unwrap();
            assert!(is_pending(third.as_mut()).await);
            drop(second);
            drop(third.await.unwrap());
            assert!(lines.lock().is_empty());
        });
    }

    #[test]
    fn who_waited_long_enough_is_told_and_leaves_the_line() {
        block_on(async {
            let lines = Lines::default();
            let first = lines.admit("nmap", ONE).await.unwrap();
            let short = Bounds { wait: Duration::from_millis(1), ..ONE };
            assert_eq!(lines.admit("nmap", short).await.unwrap_err(), NotNow::Waited);
            drop(first);
            drop(lines.admit("nmap", ONE).await.unwrap());
            assert!(lines.lock().is_empty());
        });
    }

    #[test]
    fn a_place_that_was_given_to_somebody_who_left_is_passed_on() {
        block_on(async {
            let lines = Lines::default();
            let first = lines.admit("nmap", ONE).await.unwrap();
            let mut third = pin!(lines.admit("nmap", ONE));
            {
                let mut second = Box::pin(lines.admit("nmap", ONE));
                assert!(is_pending(second.as_mut()).await);
                assert!(is_pending(third.as_mut()).await);
                // Granted, and gone before it took it.
                drop(first);
            }
            drop(third.await.unwrap());
            assert!(lines.lock().is_empty());
        });
    }

    #[test]
    fn without_a_queue_nobody_waits() {
        block_on(async {
            let lines = Lines::default();
            let bounds = Bounds { queue: 0, ..ONE };
            let _first = lines.admit("nmap", bounds).await.unwrap();
            assert_eq!(lines.admit("nmap", bounds).await.unwrap_err(), NotNow::Full);
        });
    }

    #[test]
    fn more_room_after_a_reload_is_used_when_a_run_ends() {
        block_on(async {
            let lines = Lines::default();
            let wider = Bounds { concurrency: 2, ..ONE };
            let first = lines.admit("nmap", ONE).await.unwrap();
            let mut second = pin!(lines.admit("nmap", ONE));
            let mut third = pin!(lines.admit("nmap", wider));
            assert!(is_pending(second.as_mut()).await);
            assert!(is_pending(third.as_mut()).await);
            drop(first);
            let _second = second.await.unwrap();
            let _third = third.await.unwrap();
        });
    }
}

//! The calls of a session that run, so that `notifications/cancelled` and the session's end can
//! stop them (2025-11-25, cancellation). Modern requests are cancelled by hanging up and need no list.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::jsonrpc::Id;
use crate::limits;

/// The running calls of one session.
#[derive(Debug, Default)]
pub struct Calls {
    list: Arc<Mutex<List>>,
}

#[derive(Debug, Default)]
struct List {
    next: u64,
    calls: Vec<Call>,
}

/// `serial` tells two calls apart that a client gave one id.
#[derive(Debug)]
struct Call {
    serial: u64,
    id: Id,
    token: CancellationToken,
}

/// A running call; dropping it takes it off the list.
#[derive(Debug)]
pub struct Running {
    /// Ends the call.
    pub token: CancellationToken,
    list: Arc<Mutex<List>>,
    serial: u64,
}

/// The session has [`limits::CALLS_PER_SESSION`] calls running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this session has too many calls running; wait for one to end")]
pub struct TooMany;

impl Calls {
    /// Enters a call. An id that is used twice names both calls.
    pub fn begin(&self, id: Id) -> Result<Running, TooMany> {
        let token = CancellationToken::new();
        let mut list = lock(&self.list);
        if list.calls.len() >= limits::CALLS_PER_SESSION {
            return Err(TooMany);
        }
        let serial = list.next;
        list.next = serial.wrapping_add(1);
        list.calls.push(Call { serial, id, token: token.clone() });
        Ok(Running { token, list: Arc::clone(&self.list), serial })
    }

    /// Stops the calls with this id; one that is not there has ended and is nothing to speak of.
    pub fn cancel(&self, id: &Id) {
        lock(&self.list).calls.iter().filter(|call| call.id == *id).for_each(|c| c.token.cancel());
    }

    /// Stops all calls.
    pub fn cancel_all(&self) {
        lock(&self.list).calls.iter().for_each(|call| call.token.cancel());
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        lock(&self.list).calls.is_empty()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.list).calls.retain(|call| call.serial != self.serial);
    }
}

/// A list is whole at any time, even if a thread died with it.
fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> Id {
        Id::Number(n.into())
    }

    #[test]
    fn only_the_named_call_is_cancelled_and_text_is_not_a_number() {
        let calls = Calls::default();
        let (one, two) = (calls.begin(id(1)).unwrap(), calls.begin(id(2)).unwrap());
        calls.cancel(&Id::Text("1".into()));
        assert!(!one.token.is_cancelled());
        calls.cancel(&id(1));
        assert!(one.token.is_cancelled() && !two.token.is_cancelled());
        calls.cancel_all();
        assert!(two.token.is_cancelled());
    }

    #[test]
    fn of_two_calls_with_one_id_the_one_that_still_runs_is_cancelled() {
        let calls = Calls::default();
        let (one, two) = (calls.begin(id(1)).unwrap(), calls.begin(id(1)).unwrap());
        drop(two);
        calls.cancel(&id(1));
        assert!(one.token.is_cancelled());
    }

    #[test]
    fn an_ended_call_makes_room() {
        let calls = Calls::default();
        let mut running: Vec<_> = (0..64).map(|n| calls.begin(id(n)).unwrap()).collect();
        assert_eq!(calls.begin(id(99)).unwrap_err(), TooMany);
        running.pop();
        drop(calls.begin(id(99)).unwrap());
        running.clear();
        assert!(calls.is_empty());
    }
}

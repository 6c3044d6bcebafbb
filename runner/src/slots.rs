//! One user id a running command: limits on processes count for it alone, and no other run's
//! processes can be signalled or read.

use std::sync::{Arc, Mutex, PoisonError};

/// The users that runs may have.
#[derive(Debug, Clone)]
pub struct Slots(Arc<Mutex<Vec<Slot>>>);

#[derive(Debug, Clone, Copy)]
enum Slot {
    /// A user of its own.
    Uid(u32),
    /// The runner's own user: an unprivileged runner has no other.
    Own,
}

/// One run's place; given back when dropped, which must not be before everything of it has ended.
#[derive(Debug)]
pub struct Place {
    slot: Slot,
    slots: Slots,
}

impl Slots {
    /// `count` users from `first` on.
    pub fn of_users(first: u32, count: u32) -> Self {
        Self::new((first..first.saturating_add(count)).rev().map(Slot::Uid).collect())
    }

    /// `count` places without a user of their own.
    pub fn of_own_user(count: u32) -> Self {
        Self::new((0..count).map(|_| Slot::Own).collect())
    }

    fn new(free: Vec<Slot>) -> Self {
        Self(Arc::new(Mutex::new(free)))
    }

    /// Takes a free place.
    pub fn take(&self) -> Option<Place> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Place { slot, slots: self.clone() })
    }
}

impl Place {
    /// The user, unless it is the runner's own.
    pub fn uid(&self) -> Option<u32> {
        match self.slot {
            Slot::Uid(uid) => Some(uid),
            Slot::Own => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_never_given_twice_at_the_same_time() {
        let slots = Slots::of_users(62001, 2);
        let (one, two) = (slots.take().unwrap(), slots.take().unwrap());
        assert_ne!(one.uid(), two.uid());
        assert!(slots.take().is_none());
        let freed = one.uid();
        drop(one);
        assert_eq!(slots.take().unwrap().uid(), freed);
    }
}

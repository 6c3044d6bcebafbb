//! The tokens that are valid now, in memory. The store fills the table when it opens and changes it
//! after each commit; requests only read it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::clock::{Clock, Timestamp};
use crate::model::caller::{Caller, TokenHash, UserId};

/// Token hash to caller. Readers take a snapshot; a change publishes a new one.
#[derive(Debug)]
pub struct Tokens {
    known: ArcSwap<HashMap<TokenHash, Arc<Known>>>,
    clock: Clock,
}

#[derive(Debug)]
struct Known {
    user: UserId,
    expires_at: Option<Timestamp>,
    /// Seconds since 1970; 0 is never.
    last_used_at: AtomicU64,
    /// The part of `last_used_at` that the store has.
    kept: AtomicU64,
}

/// What happened to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is valid from now on.
    Add {
        /// The token.
        hash: TokenHash,
        /// Whose it is.
        user: UserId,
        /// From when on it is refused.
        expires_at: Option<Timestamp>,
        /// When it was last seen, if it was.
        last_used_at: Option<Timestamp>,
    },
    /// It is refused from now on.
    Remove(TokenHash),
}

impl Tokens {
    /// An empty table.
    pub fn new(clock: Clock) -> Self {
        Self { known: ArcSwap::default(), clock }
    }

    /// The caller whose token this is, unless it has expired. Notes that it was used.
    pub fn find(&self, hash: &TokenHash) -> Option<Caller> {
        let known = self.known.load();
        let token = known.get(hash)?;
        let now = self.clock.now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        token.last_used_at.fetch_max(now.0, Ordering::Relaxed);
        Some(Caller { user: token.user, token: Some(*hash) })
    }

    /// Makes changes visible, all at once. There is one caller: the store's writer.
    pub(crate) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut known = HashMap::clone(&self.known.load());
        for change in changes {
            match change {
                Change::Add { hash, user, expires_at, last_used_at } => {
                    let used = last_used_at.map_or(0, |at| at.0);
                    let (last_used_at, kept) = (AtomicU64::new(used), AtomicU64::new(used));
                    known.insert(hash, Arc::new(Known { user, expires_at, last_used_at, kept }));
                }
                Change::Remove(hash) => {
                    known.remove(&hash);
                }
            }
        }
        self.known.store(Arc::new(known));
    }

    /// When a token was last used, if it is known and was.
    pub fn last_used_at(&self, hash: &TokenHash) -> Option<Timestamp> {
        let used = self.known.load().get(hash)?.last_used_at.load(Ordering::Relaxed);
        (used > 0).then_some(Timestamp(used))
    }

    /// The uses that the store does not have yet.
    pub(crate) fn unkept_uses(&self) -> Vec<(TokenHash, Timestamp)> {
        let known = self.known.load();
        let fresh = known.iter().filter_map(|(hash, token)| {
            let used = token.last_used_at.load(Ordering::Relaxed);
            (used > token.kept.load(Ordering::Relaxed)).then_some((*hash, Timestamp(used)))
        });
        fresh.collect()
    }

    /// Notes that the store has these uses.
    pub(crate) fn note_kept(&self, uses: &[(TokenHash, Timestamp)]) {
        let known = self.known.load();
        for (hash, at) in uses {
            if let Some(token) = known.get(hash) {
                token.kept.fetch_max(at.0, Ordering::Relaxed);
            }
        }
    }
}

//! Sessions of the legacy era. An id is no credential: each request brings its token, and a session
//! answers only the user that began it; to others it does not exist (MCP, security best practices,
//! "Session Hijacking"). A lookup takes a read lock of one shard; only a beginning or an end takes
//! the register.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::cancel::Calls;
use super::version::Revision;
use crate::entropy::{self, NoEntropy};
use crate::limits;
use crate::model::caller::UserId;

/// 128 random bits, 32 hexadecimal digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u128);

/// The text is not an id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 32 hexadecimal digits")]
pub struct InvalidSessionId;

impl SessionId {
    fn random() -> Result<Self, NoEntropy> {
        Ok(Self(u128::from_ne_bytes(*entropy::bytes()?)))
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidSessionId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_digits| InvalidSessionId)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[session]")
    }
}

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub owner: UserId,
    /// What was negotiated.
    pub revision: Revision,
    /// The calls that run in it.
    pub calls: Calls,
    began_at: Instant,
    used_ms: AtomicU64,
}

const _: () = assert!(size_of::<Session>() <= 256, "a session is to stay small");

impl Session {
    /// Notes a use. A session in use does not end.
    pub fn touch(&self, now: Instant) {
        let age = now.saturating_duration_since(self.began_at).as_millis();
        self.used_ms.fetch_max(u64::try_from(age).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn used_at(&self) -> Instant {
        self.began_at + Duration::from_millis(self.used_ms.load(Ordering::Relaxed))
    }

    fn is_over(&self, now: Instant, idle: Duration) -> bool {
        now.saturating_duration_since(self.used_at()) > idle && self.calls.is_empty()
    }
}

/// How many sessions there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In all.
    pub total: usize,
    /// Of one user.
    pub per_user: usize,
    /// Without a request.
    pub idle: Duration,
}

impl Bounds {
    /// As `limits` says.
    pub const STANDARD: Self = Self {
        total: limits::SESSIONS,
        per_user: limits::SESSIONS_PER_USER,
        idle: limits::SESSION_IDLE,
    };
}

const SHARDS: usize = 16;

type Shard = RwLock<HashMap<SessionId, Arc<Session>>>;

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    bounds: Bounds,
    shards: [Shard; SHARDS],
    register: Mutex<Register>,
}

/// The same sessions by their owner. Locked before a shard, never after.
#[derive(Debug, Default)]
struct Register {
    users: HashMap<UserId, Vec<Arc<Session>>>,
    total: usize,
    swept_at: Option<Instant>,
}

impl Sessions {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, shards: Default::default(), register: Mutex::default() }
    }

    /// Begins a session. Where there are too many, the one that is idle for longest ends: the
    /// user's own first.
    pub fn begin(
        &self,
        owner: UserId,
        revision: Revision,
        now: Instant,
    ) -> Result<Arc<Session>, NoEntropy> {
        let session = Arc::new(Session {
            id: SessionId::random()?,
            owner,
            revision,
            calls: Calls::default(),
            began_at: now,
            used_ms: AtomicU64::new(0),
        });
        let mut register = self.register();
        self.sweep(&mut register, now);
        let own = register.users.get(&owner).map_or(&[][..], Vec::as_slice);
        let victim = if own.len() >= self.bounds.per_user {
            oldest(&mut own.iter())
        } else if register.total >= self.bounds.total {
            oldest(&mut register.users.values().flatten())
        } else {
            None
        };
        if let Some(victim) = victim {
            self.remove(&mut register, &victim);
        }
        register.total += 1;
        register.users.entry(owner).or_default().push(Arc::clone(&session));
        write(self.shard(session.id)).insert(session.id, Arc::clone(&session));
        Ok(session)
    }

    /// The session of this id, if it is this user's.
    pub fn find(&self, id: SessionId, user: UserId, now: Instant) -> Option<Arc<Session>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        let session = shard.get(&id).filter(|session| session.owner == user).cloned()?;
        drop(shard);
        if session.is_over(now, self.bounds.idle) {
            self.remove(&mut self.register(), &session);
            return None;
        }
        session.touch(now);
        Some(session)
    }

    /// Ends a session and its calls.
    pub fn end(&self, session: &Arc<Session>) {
        self.remove(&mut self.register(), session);
    }

    /// Ends them all.
    pub fn end_all(&self) {
        let mut register = self.register();
        let all: Vec<_> = register.users.values().flatten().cloned().collect();
        for session in all {
            self.remove(&mut register, &session);
        }
    }

    /// How many there are, over or not.
    pub fn len(&self) -> usize {
        self.register().total
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what is over, at most eight times an idle period: each beginning would pay for it.
    fn sweep(&self, register: &mut Register, now: Instant) {
        let last = *register.swept_at.get_or_insert(now);
        if now.saturating_duration_since(last) < self.bounds.idle / 8 {
            return;
        }
        register.swept_at = Some(now);
        let is_over = |session: &&Arc<Session>| session.is_over(now, self.bounds.idle);
        let over: Vec<_> = register.users.values().flatten().filter(is_over).cloned().collect();
        for session in over {
            self.remove(register, &session);
        }
    }

    fn remove(&self, register: &mut Register, session: &Arc<Session>) {
        let Some(own) = register.users.get_mut(&session.owner) else { return };
        let Some(at) = own.iter().position(|other| other.id == session.id) else { return };
        own.swap_remove(at);
        if own.is_empty() {
            register.users.remove(&session.owner);
        }
        register.total -= 1;
        write(self.shard(session.id)).remove(&session.id);
        session.calls.cancel_all();
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, id: SessionId) -> &Shard {
        let [first, ..] = id.0.to_le_bytes();
        let [shard, rest @ ..] = &self.shards;
        usize::from(first % 16).checked_sub(1).and_then(|at| rest.get(at)).unwrap_or(shard)
    }
}

fn write(shard: &Shard) -> std::sync::RwLockWriteGuard<'_, HashMap<SessionId, Arc<Session>>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

/// The one that is unused for longest; one with a running call only if all have one.
fn oldest(sessions: &mut dyn Iterator<Item = &Arc<Session>>) -> Option<Arc<Session>> {
    sessions.min_by_key(|session| (!session.calls.is_empty(), session.used_at())).cloned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::mcp::jsonrpc::Id;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const BERT: UserId = UserId(Uuid::from_u128(2));
    const SMALL: Bounds = Bounds { total: 4, per_user: 3, idle: Duration::from_mins(1) };

    fn begin(sessions: &Sessions, user: UserId, now: Instant) -> Arc<Session> {
        sessions.begin(user, Revision::V2025_11_25, now).unwrap()
    }

    #[test]
    fn a_session_is_its_owners_alone() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let session = begin(&sessions, ANNA, now);
        assert!(sessions.find(session.id, ANNA, now).is_some());
        assert!(sessions.find(session.id, BERT, now).is_none());
    }

    #[test]
    fn an_idle_session_ends_and_a_used_one_does_not() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let (idle, used) = (begin(&sessions, ANNA, now), begin(&sessions, ANNA, now));
        let later = now + Duration::from_secs(50);
        assert!(sessions.find(used.id, ANNA, later).is_some());
        let last = now + Duration::from_secs(61);
        assert!(sessions.find(idle.id, ANNA, last).is_none());
        assert!(sessions.find(used.id, ANNA, last).is_some());
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn a_session_with_a_running_call_is_not_idle() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let session = begin(&sessions, ANNA, now);
        let running = session.calls.begin(Id::Number(1.into())).unwrap();
        let later = now + Duration::from_mins(10);
        assert!(sessions.find(session.id, ANNA, later).is_some());
        drop(running);
        assert!(sessions.find(session.id, ANNA, later + Duration::from_secs(61)).is_none());
    }

    #[test]
    fn a_user_over_the_limit_loses_the_own_oldest_session() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let other = begin(&sessions, BERT, now);
        let ids: Vec<_> =
            (1..=4).map(|n| begin(&sessions, ANNA, now + Duration::from_secs(n)).id).collect();
        let last = now + Duration::from_secs(5);
        assert!(sessions.find(ids[0], ANNA, last).is_none());
        assert!(ids[1..].iter().all(|id| sessions.find(*id, ANNA, last).is_some()));
        assert!(sessions.find(other.id, BERT, last).is_some());
    }

    #[test]
    fn over_the_total_the_oldest_of_all_ends() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let at = |n| now + Duration::from_secs(n);
        let oldest = begin(&sessions, BERT, now);
        for n in 1..=3 {
            begin(&sessions, ANNA, at(n));
        }
        begin(&sessions, UserId(Uuid::from_u128(3)), at(4));
        assert!(sessions.find(oldest.id, BERT, at(5)).is_none());
        assert_eq!(sessions.len(), 4);
    }

    #[test]
    fn what_is_over_is_dropped_without_being_asked_for() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        for _ in 0..3 {
            begin(&sessions, ANNA, now);
        }
        begin(&sessions, BERT, now + Duration::from_secs(61));
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn the_end_of_a_session_cancels_its_calls() {
        let (sessions, now) = (Sessions::new(SMALL), Instant::now());
        let session = begin(&sessions, ANNA, now);
        let running = session.calls.begin(Id::Number(1.into())).unwrap();
        sessions.end(&session);
        assert!(running.token.is_cancelled());
        assert!(sessions.find(session.id, ANNA, now).is_none());
        sessions.end(&session);
        assert!(sessions.is_empty());
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let (sessions, now) = (Sessions::new(Bounds::STANDARD), Instant::now());
        let ids: std::collections::HashSet<_> =
            (0..64).map(|_| begin(&sessions, ANNA, now).id.to_string()).collect();
        assert_eq!(ids.len(), 64);
        assert!(ids.iter().all(|id| id.len() == 32 && id.parse::<SessionId>().is_ok()));
        for text in ["", "0", "+0000000000000000000000000000000", &"G".repeat(32), &"A".repeat(32)]
        {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text}");
        }
    }
}

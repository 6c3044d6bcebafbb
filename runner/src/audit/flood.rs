//! How many lines a peer can cause that nobody asked for: so many a minute one by one, and the rest
//! as one line with a count, so that whoever has the socket cannot fill the disk with nonsense.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::record::Event;

/// Lines of one kind and one user that are written in a window.
const LINES: u32 = 100;
/// How long a window is.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// Windows that are kept apart; what comes beyond them is counted together.
const WINDOWS: usize = 256;

/// What is counted together: an event, and the user who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) event: Event,
    /// `None` for nobody known, and for everybody beyond [`WINDOWS`].
    pub(super) uid: Option<u32>,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is counted.
    Count,
    /// It is counted, as the first of its window: ask for the count then.
    CountUntil(Kind, Instant),
    /// Write it.
    Write,
}

/// The windows.
#[derive(Debug, Default)]
pub(super) struct Flood(BTreeMap<Kind, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u32,
    counted: u64,
}

impl Flood {
    pub(super) fn admit(&mut self, mut kind: Kind, now: Instant) -> Verdict {
        // A window with a count stays until the count was taken.
        self.0.retain(|_, window| window.counted > 0 || now < window.since + WINDOW);
        if !self.0.contains_key(&kind) && self.0.len() >= WINDOWS {
            kind.uid = None;
        }
        let window = self.0.entry(kind).or_insert(Window { since: now, written: 0, counted: 0 });
        if window.written < LINES {
            window.written += 1;
            return Verdict::Write;
        }
        window.counted += 1;
        match window.counted {
            1 => Verdict::CountUntil(kind, window.since + WINDOW),
            _ => Verdict::Count,
        }
    }

    /// Ends a window and says how many lines were only counted.
    pub(super) fn take(&mut self, kind: Kind) -> Option<u64> {
        self.0.remove(&kind).map(|window| window.counted).filter(|counted| *counted > 0)
    }

    /// Windows whose count was not taken yet.
    pub(super) fn open(&self) -> Vec<Kind> {
        self.0.iter().filter(|(_, window)| window.counted > 0).map(|(kind, _)| *kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { event: Event::Malformed, uid: Some(7) };

    fn fill(flood: &mut Flood, kind: Kind, now: Instant) {
        for n in 0..LINES {
            assert_eq!(flood.admit(kind, now), Verdict::Write, "{n}");
        }
    }

    #[test]
    fn a_hundred_are_written_and_the_rest_is_counted_until_the_minute_is_over() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        fill(&mut flood, KIND, now);
        let soon = now + WINDOW / 2;
        assert_eq!(flood.admit(KIND, soon), Verdict::CountUntil(KIND, now + WINDOW));
        assert_eq!(flood.admit(KIND, soon), Verdict::Count);
        assert_eq!(flood.open(), [KIND]);
        // Late for the count: it is not lost, and neither is the next line.
        assert_eq!(flood.admit(KIND, now + 2 * WINDOW), Verdict::Count);
        assert_eq!(flood.take(KIND), Some(3));
        assert_eq!(flood.take(KIND), None);
        fill(&mut flood, KIND, now + 2 * WINDOW);
    }

    #[test]
    fn a_window_ends_by_itself_where_nothing_was_counted() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        fill(&mut flood, KIND, now);
        fill(&mut flood, KIND, now + WINDOW);
        assert!(flood.open().is_empty());
    }

    #[test]
    fn users_and_events_are_counted_apart() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        fill(&mut flood, KIND, now);
        fill(&mut flood, Kind { uid: Some(8), ..KIND }, now);
        fill(&mut flood, Kind { event: Event::Refuse, ..KIND }, now);
    }

    #[test]
    fn a_crowd_of_users_is_counted_together_and_takes_no_more_memory() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let mut written = 0;
        for uid in 0..10_000 {
            let kind = Kind { uid: Some(uid), ..KIND };
            written += usize::from(flood.admit(kind, now) == Verdict::Write);
        }
        assert_eq!(written, WINDOWS + usize::try_from(LINES).unwrap());
        assert_eq!(flood.0.len(), WINDOWS + 1);
        assert_eq!(flood.open(), [Kind { uid: None, ..KIND }]);
    }
}

//! What is kept of one output stream: its beginning, its end, and how much was dropped between them,
//! by the runner or here.

use crate::limits;

/// One stream of a run, at most [`limits::RUN_OUTPUT`] bytes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    head: Vec<u8>,
    dropped: u64,
    tail: Vec<u8>,
    is_past_head: bool,
}

/// The end may be this much longer than what is kept, so that it is not moved for every piece.
const SLACK: usize = HALF;
const HALF: usize = limits::RUN_OUTPUT / 2;

impl Kept {
    /// The stream from its beginning.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// How many bytes are missing between [`Self::head`] and [`Self::tail`].
    pub fn dropped(&self) -> u64 {
        self.dropped + count(self.tail.len() - self.tail().len())
    }

    /// The stream's end.
    pub fn tail(&self) -> &[u8] {
        self.tail.get(self.tail.len().saturating_sub(HALF)..).unwrap_or_default()
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let room = if self.is_past_head { 0 } else { HALF - self.head.len() };
        let (head, tail) = piece.split_at(room.min(piece.len()));
        self.head.extend_from_slice(head);
        self.is_past_head |= !tail.is_empty();
        self.tail.extend_from_slice(tail);
        if self.tail.len() > HALF + SLACK {
            let over = self.tail.len() - HALF;
            self.dropped += count(over);
            self.tail.drain(..over);
        }
    }

    /// Takes a gap that the runner left. There is one in what is kept, so what stood between our
    /// beginning and this gap goes as well.
    pub fn gap(&mut self, dropped: u64) {
        self.is_past_head = true;
        self.dropped = self.dropped.saturating_add(dropped).saturating_add(count(self.tail.len()));
        self.tail.clear();
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(pieces: &[&[u8]]) -> Kept {
        let mut kept = Kept::default();
        for piece in pieces {
            kept.push(piece);
        }
        kept
    }

    #[test]
    fn what_fits_has_no_gap() {
        let whole = kept(&[&vec![1; HALF], &vec![2; HALF]]);
        assert_eq!((whole.head().len(), whole.dropped(), whole.tail().len()), (HALF, 0, HALF));
    }

    #[test]
    fn a_gap_of_the_runner_ends_the_beginning() {
        let mut kept = kept(&[b"first"]);
        kept.gap(70);
        kept.push(b"last");
        assert_eq!((kept.head(), kept.dropped(), kept.tail()), (&b"first"[..], 70, &b"last"[..]));
    }

    #[test]
    fn what_stands_before_a_late_gap_is_dropped_with_it() {
        let mut kept = kept(&[&vec![1; HALF], b"middle"]);
        kept.gap(70);
        kept.push(b"last");
        assert_eq!((kept.head().len(), kept.dropped(), kept.tail()), (HALF, 76, &b"last"[..]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nothing_is_lost_uncounted(sizes in proptest::collection::vec(1..HALF, 0..12)) {
            let mut all = Vec::new();
            let mut kept = Kept::default();
            for (n, size) in sizes.into_iter().enumerate() {
                let piece = vec![u8::try_from(n).unwrap(); size];
                kept.push(&piece);
                all.extend(piece);
            }
            prop_assert!(all.starts_with(kept.head()));
            prop_assert!(all.ends_with(kept.tail()));
            prop_assert!(kept.head().len() + kept.tail().len() <= limits::RUN_OUTPUT);
            let counted = count(kept.head().len() + kept.tail().len()) + kept.dropped();
            prop_assert_eq!(counted, count(all.len()));
        }
    }
}

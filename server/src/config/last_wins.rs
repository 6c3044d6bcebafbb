//! Entries in order, where the last of two with one key is kept, and stands where it was written.

use std::collections::BTreeMap;

/// The entries.
#[derive(Debug)]
pub(super) struct LastWins<T> {
    slots: Vec<Option<T>>,
    index: BTreeMap<String, usize>,
}

impl<T> Default for LastWins<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), index: BTreeMap::new() }
    }
}

impl<T> LastWins<T> {
    /// Adds an entry, and gives back the one that it replaces.
    pub(super) fn insert(&mut self, key: String, entry: T) -> Option<T> {
        let first = self.index.insert(key, self.slots.len());
        let replaced = first.and_then(|first| self.slots.get_mut(first)?.take());
        self.slots.push(Some(entry));
        replaced
    }

    /// What is left, in order.
    pub(super) fn into_entries(self) -> Vec<T> {
        self.slots.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_is_kept_in_its_own_place() {
        let mut entries = LastWins::default();
        assert_eq!(entries.insert("a".to_owned(), 1), None);
        assert_eq!(entries.insert("b".to_owned(), 2), None);
        assert_eq!(entries.insert("a".to_owned(), 3), Some(1));
        assert_eq!(entries.insert("a".to_owned(), 4), Some(3));
        assert_eq!(entries.into_entries(), [2, 4]);
    }
}

//! The heaviest clients in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005).
//!
//! Used by `book`. When it is full, a new key takes the row with the least count and inherits that
//! count as its error. So a key that was seen more often than one in so many as there are rows is
//! always there, and no noise drives it out. Pure: no clock, no lock.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use super::{
    heap::Heap,
    row::{Circumstances, Key, Row},
};
use crate::stack::Stack;

/// The rows.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
    heap: Heap,
    /// Rows by the hash of their key, which is keyed by chance: nobody can make two alike.
    index: HashMap<u64, u32>,
    hasher: RandomState,
    most: usize,
}

/// Where a sighting went.
#[derive(Debug)]
pub(super) enum Place {
    /// Into a row; this one had to go for it.
    Row(Option<Row>),
    /// Nowhere: two keys have one hash.
    None,
}

impl Table {
    /// At most `most` rows; there is always one.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            rows: Vec::with_capacity(most),
            heap: Heap::new(most),
            // Twice: below half full, a map whose entries come and go never has to grow.
            index: HashMap::with_capacity(most * 2),
            hasher: RandomState::new(),
            most,
        }
    }

    /// A key was seen; `stack` is asked where it is a new one.
    pub(super) fn see(
        &mut self,
        key: &Key<'_>,
        policy: &Arc<str>,
        seen: Circumstances,
        stack: impl FnOnce() -> Stack,
    ) -> Place {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.index.get(&hash).copied() {
            let Some(row) = self.row_mut(slot).filter(|row| row.key() == *key) else {
                return Place::None;
            };
            row.saw(seen);
            self.heap.raise(slot);
            return Place::Row(None);
        }
        let mut row = Row::new(hash, key, policy, stack());
        row.saw(seen);
        if self.rows.len() < self.most {
            let slot = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            self.rows.push(row);
            self.heap.push();
            self.index.insert(hash, slot);
            return Place::Row(None);
        }
        self.take_over(row)
    }

    fn take_over(&mut self, mut row: Row) -> Place {
        let Some((slot, count)) = self.heap.least() else { return Place::None };
        row.error = count;
        let hash = row.hash;
        let Some(place) = self.row_mut(slot) else { return Place::None };
        let gone = std::mem::replace(place, row);
        self.index.remove(&gone.hash);
        self.index.insert(hash, slot);
        self.heap.raise(slot);
        Place::Row(Some(gone))
    }

    /// Rows from a place on, with their counts.
    pub(super) fn part(
        &mut self,
        from: usize,
        length: usize,
    ) -> impl Iterator<Item = (&mut Row, u64)> {
        let heap = &self.heap;
        let part = self.rows.iter_mut().enumerate().skip(from).take(length);
        part.map(|(slot, row)| (row, heap.count(u32::try_from(slot).unwrap_or(u32::MAX))))
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many there can be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// What it takes of memory at the most, now.
    pub(super) fn bytes(&self) -> usize {
        // A map has a control byte a place, and an eighth of its places stay free.
        let place = size_of::<(u64, u32)>() + 1;
        let index = (self.most * 2 * 8 / 7).next_power_of_two() * place;
        let rows = self.rows.capacity() * Row::MOST;
        rows + self.heap.bytes() + index
    }

    fn row_mut(&mut self, slot: u32) -> Option<&mut Row> {
        self.rows.get_mut(usize::try_from(slot).unwrap_or(usize::MAX))
    }
}

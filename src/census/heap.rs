//! Slots by their count, the least one first: what a census gives up when it is full.
//!
//! Used by `table`. A binary heap that knows where each slot stands, so that a count can be raised
//! in place; counts lie in the heap itself, because a flood of new clients walks it.

/// Counts of slots, numbered from 0.
#[derive(Debug)]
pub(super) struct Heap {
    entries: Vec<Entry>,
    /// Where each slot stands.
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    count: u64,
    slot: u32,
}

impl Heap {
    /// Room for as many slots.
    pub(super) fn new(most: usize) -> Self {
        Self { entries: Vec::with_capacity(most), places: Vec::with_capacity(most) }
    }

    /// One slot more, with a count of one: nothing is less, so it goes to the top.
    pub(super) fn push(&mut self) {
        let slot = self.entries.len();
        let entry = Entry { count: 1, slot: number(slot) };
        self.entries.push(entry);
        self.places.push(number(slot));
        let mut at = slot;
        while let Some(parent) = at.checked_sub(1).map(|below| below / 2) {
            if self.count_at(parent) <= entry.count {
                break;
            }
            self.swap(at, parent);
            at = parent;
        }
    }

    /// The slot with the least count, and that count.
    pub(super) fn least(&self) -> Option<(u32, u64)> {
        self.entries.first().map(|entry| (entry.slot, entry.count))
    }

    /// One more for a slot.
    pub(super) fn raise(&mut self, slot: u32) {
        let Some(mut at) = self.places.get(index(slot)).map(|place| index(*place)) else { return };
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.count += 1;
        let count = entry.count;
        loop {
            let left = at * 2 + 1;
            let right = left + 1;
            let child = if self.count_at(right) < self.count_at(left) { right } else { left };
            if self.count_at(child) >= count {
                return;
            }
            self.swap(at, child);
            at = child;
        }
    }

    /// A slot's count.
    pub(super) fn count(&self, slot: u32) -> u64 {
        let place = self.places.get(index(slot)).map_or(usize::MAX, |place| index(*place));
        self.entries.get(place).map_or(0, |entry| entry.count)
    }

    /// What it takes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.places.capacity() * size_of::<u32>()
    }

    /// Beyond the end: more than any count.
    fn count_at(&self, at: usize) -> u64 {
        self.entries.get(at).map_or(u64::MAX, |entry| entry.count)
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.entries.swap(one, other);
        for at in [one, other] {
            let Some(slot) = self.entries.get(at).map(|entry| index(entry.slot)) else { continue };
            if let Some(place) = self.places.get_mut(slot) {
                *place = number(at);
            }
        }
    }
}

/// There are never as many slots as 32 bits can say.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Heap;

    #[test]
    fn the_least_is_first_whatever_is_raised() {
        let mut heap = Heap::new(64);
        let mut counts = Vec::new();
        let mut random = 1_u32;
        for round in 0..5_000 {
            if counts.len() < 64 && round % 3 == 0 {
                heap.push();
                counts.push(1_u64);
            }
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slot = usize::from(random.to_be_bytes()[0]) % counts.len();
            heap.raise(u32::try_from(slot).unwrap());
            counts[slot] += 1;
            let (least, count) = heap.least().unwrap();
            assert_eq!(Some(&count), counts.iter().min());
            assert_eq!(counts[usize::try_from(least).unwrap()], count);
            assert_eq!(heap.count(u32::try_from(slot).unwrap()), counts[slot]);
        }
    }
}

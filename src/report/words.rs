//! Texts that occur again and again, each kept once under a number.
//!
//! All texts lie in one string, so a million clients cost their bytes and twelve more each. The
//! number of texts is bounded: a log can be of any size.

use std::hash::{BuildHasher, RandomState};

/// The texts.
pub(super) struct Words {
    text: String,
    /// Where each ends; it begins where the one before ended.
    ends: Vec<u32>,
    /// A table of numbers, open addressing; a power of two long, 0 for nothing, else number + 1.
    slots: Vec<u32>,
    hasher: RandomState,
    most: usize,
}

impl Words {
    /// At most `most` of them.
    pub(super) fn new(most: usize) -> Self {
        let (text, ends, slots) = (String::new(), Vec::new(), vec![0; 16]);
        Self { text, ends, slots, hasher: RandomState::new(), most }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of a text, a new one for a new text; nothing when there are too many.
    pub(super) fn number(&mut self, word: &str) -> Option<u32> {
        let (slot, found) = self.look(word);
        if found.is_some() {
            return found;
        }
        let end = u32::try_from(self.text.len().checked_add(word.len())?).ok()?;
        let next = u32::try_from(self.ends.len()).ok()?;
        if self.ends.len() >= self.most {
            return None;
        }
        self.text.push_str(word);
        self.ends.push(end);
        *self.slots.get_mut(slot)? = next.checked_add(1)?;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        Some(next)
    }

    /// The text of a number.
    pub(super) fn word(&self, number: u32) -> &str {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let end = |at: usize| {
            self.ends.get(at).and_then(|end| usize::try_from(*end).ok()).unwrap_or_default()
        };
        let start = at.checked_sub(1).map_or(0, end);
        self.text.get(start..end(at)).unwrap_or_default()
    }

    /// Where a text stands, or the free place where it belongs. Half the places are free.
    fn look(&self, word: &str) -> (usize, Option<u32>) {
        let mask = self.slots.len() - 1;
        let hash = self.hasher.hash_one(word);
        let mut slot = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask;
        loop {
            match self.slots.get(slot).and_then(|number| number.checked_sub(1)) {
                None => return (slot, None),
                Some(number) if self.word(number) == word => return (slot, Some(number)),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let numbers = std::mem::take(&mut self.slots).into_iter().filter(|number| *number > 0);
        let numbers: Vec<u32> = numbers.collect();
        self.slots = vec![0; numbers.len().saturating_mul(3).next_power_of_two()];
        for number in numbers {
            let (slot, _) = self.look(self.word(number - 1));
            if let Some(place) = self.slots.get_mut(slot) {
                *place = number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn each_text_has_one_number_and_each_number_its_text() {
        let mut words = Words::new(10_000);
        for round in 0..2 {
            for at in 0..5_000_u32 {
                let word = format!("203.0.{at}");
                assert_eq!(words.number(&word), Some(at), "round {round}");
            }
        }
        assert_eq!(words.len(), 5_000);
        assert_eq!((words.word(0), words.word(4_999)), ("203.0.0", "203.0.4999"));
        assert_eq!(words.number(""), Some(5_000));
        assert_eq!(words.word(5_000), "");
        assert_eq!(words.word(5_001), "");
    }

    #[test]
    fn there_is_a_bound() {
        let mut words = Words::new(2);
        assert_eq!(
            ["a", "b", "c", "a"].map(|word| words.number(word)),
            [Some(0), Some(1), None, Some(0)]
        );
    }
}

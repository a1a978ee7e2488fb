//! Records under texts: clients, names, networks, stacks.
//!
//! Bounded; what finds no place any more is summed under one record, so that totals stay true.

use super::{record::Record, words::Words};

/// Records under texts.
pub(super) struct Table {
    words: Words,
    records: Vec<Record>,
    /// What found no place, and what rows call "other".
    pub(super) other: Record,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self { words: Words::new(most), records: Vec::new(), other: Record::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// The number and the record of a text; the record that stands for all others if it is full.
    pub(super) fn entry(&mut self, word: &str) -> (Option<u32>, &mut Record) {
        let Some(number) = self.words.number(word) else {
            return (None, &mut self.other);
        };
        if self.records.len() < self.words.len() {
            self.records.push(Record::default());
        }
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        (Some(number), self.records.get_mut(at).unwrap_or(&mut self.other))
    }

    pub(super) fn word(&self, number: u32) -> &str {
        self.words.word(number)
    }

    pub(super) fn record(&self, number: u32) -> &Record {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        self.records.get(at).unwrap_or(&self.other)
    }

    pub(super) fn record_mut(&mut self, number: u32) -> Option<&mut Record> {
        self.records.get_mut(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Every record with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.records)
    }

    /// The numbers of those that `choose` takes, most connections first, then by text.
    pub(super) fn order(&self, choose: impl Fn(&Record) -> bool) -> Vec<u32> {
        let chosen = self.iter().filter(|(_, record)| choose(record)).map(|(number, _)| number);
        let mut order: Vec<u32> = chosen.collect();
        order.sort_unstable_by(|a, b| {
            let count = self.record(*b).count.cmp(&self.record(*a).count);
            count.then_with(|| self.word(*a).cmp(self.word(*b)))
        });
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn what_finds_no_place_is_summed() {
        let mut table = Table::new(2);
        for (word, count) in [("b", 1), ("a", 5), ("c", 10), ("d", 20), ("b", 4)] {
            table.entry(word).1.count += count;
        }
        let order = table.order(|_all| true);
        let words: Vec<_> = order.iter().map(|number| table.word(*number)).collect();
        assert_eq!((words, table.other.count), (vec!["a", "b"], 30));
        assert_eq!(table.record(0).count, 5);
    }
}

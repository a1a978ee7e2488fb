//! Protocols and cipher suites in use: every connection, by what was offered and what agreed.
//!
//! From `totals` rows. What it sums up is all connections of the fleet, the good ones too.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    moment::Moment,
    row::{Judged, Lane, Totals, text},
    words::Words,
};
use crate::version::Offered;

/// Versions and suites that are told apart; there are a few dozen.
const MOST: usize = 4096;

/// One combination of what rows tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    offered: Offered,
    version: Option<u32>,
    cipher: Option<u32>,
    lane: Lane,
    verdict: Judged,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    count: u64,
    first: Moment,
    last: Moment,
}

/// All combinations.
pub(super) struct Inventory {
    words: Words,
    uses: HashMap<Key, Use>,
}

/// One combination, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct InUse<'a> {
    pub(super) lane: &'static str,
    pub(super) verdict: &'static str,
    /// The highest version that was offered.
    pub(super) offered: &'static str,
    /// What was agreed on; nothing where nothing was, or not by us.
    pub(super) version: &'a str,
    pub(super) cipher: &'a str,
    pub(super) connections: u64,
    pub(super) first: Moment,
    pub(super) last: Moment,
}

impl InUse<'_> {
    /// Adds another one, whatever tells them apart.
    pub(super) fn join(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Inventory {
    pub(super) fn new() -> Self {
        Self { words: Words::new(MOST), uses: HashMap::new() }
    }

    pub(super) fn add(&mut self, row: &Totals<'_>) {
        let mut number = |word: Option<&str>| word.and_then(|word| self.words.number(word));
        let key = Key {
            offered: row.offered.0,
            version: number(text(&row.version)),
            cipher: number(text(&row.cipher)),
            lane: row.lane.0,
            verdict: row.verdict.0,
        };
        let found = self.uses.entry(key);
        let sum = found.or_insert(Use { count: 0, first: row.from, last: row.to });
        sum.count = sum.count.saturating_add(row.count);
        sum.first = sum.first.min(row.from);
        sum.last = sum.last.max(row.to);
    }

    /// All connections, and how many of them fail the floor; nothing without any row.
    pub(super) fn sums(&self) -> Option<(u64, u64)> {
        let sum = |failed: bool| {
            let chosen = self.uses.iter().filter(|(key, _)| !failed || key.verdict == Judged::Fail);
            chosen.fold(0_u64, |sum, (_, used)| sum.saturating_add(used.count))
        };
        (!self.uses.is_empty()).then(|| (sum(false), sum(true)))
    }

    /// Every combination that was seen: by lane, then newest version and most connections first.
    pub(super) fn in_use(&self) -> Vec<InUse<'_>> {
        let word = |number: Option<u32>| number.map_or("", |number| self.words.word(number));
        let mut all: Vec<(Key, InUse<'_>)> = Vec::new();
        for (key, used) in self.uses.iter().filter(|(_, used)| used.count > 0) {
            all.push((
                *key,
                InUse {
                    lane: key.lane.as_str(),
                    verdict: key.verdict.as_str(),
                    offered: key.offered.as_str(),
                    version: word(key.version),
                    cipher: word(key.cipher),
                    connections: used.count,
                    first: used.first,
                    last: used.last,
                },
            ));
        }
        all.sort_by(|(a, one), (b, two)| {
            let newest = two.version.cmp(one.version).then(b.offered.cmp(&a.offered));
            let most = two.connections.cmp(&one.connections).then(one.cipher.cmp(two.cipher));
            a.lane.cmp(&b.lane).then(newest).then(most).then(a.verdict.cmp(&b.verdict))
        });
        all.into_iter().map(|(_, used)| used).collect()
    }
}

//! Connections over time: by day for the trend, by minute for what a brownout changed.
//!
//! A row counts where it begins; rows span the time between two flushes, which is short beside
//! the windows that are compared.

use std::collections::{BTreeMap, HashMap};

use super::moment::Moment;
use crate::label::Label;
use crate::policy::Reason;

/// Minutes that are told apart: a year of them. Days have no such bound, there are few.
const MINUTES: usize = 366 * 24 * 60;

/// What happened in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// All connections, from totals.
    pub(super) connections: u64,
    /// Those that fail the policy, from the census.
    pub(super) below: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.below = self.below.saturating_add(other.below);
    }
}

/// Sums by day and by minute.
#[derive(Default)]
pub(super) struct Series {
    days: BTreeMap<u32, (Sums, Vec<u64>)>,
    minutes: HashMap<u32, Sums>,
    all: Option<(Moment, Moment)>,
}

impl Series {
    pub(super) fn connections(&mut self, from: Moment, to: Moment, count: u64) {
        self.add(from, to, Sums { connections: count, below: 0 });
    }

    pub(super) fn below(&mut self, from: Moment, to: Moment, reason: Reason, count: u64) {
        self.add(from, to, Sums { connections: 0, below: count });
        let (_, reasons) = self.days.entry(from.day()).or_default();
        reasons.resize(Reason::ALL.len(), 0);
        if let Some(sum) = reasons.get_mut(reason.index()) {
            *sum = sum.saturating_add(count);
        }
    }

    fn add(&mut self, from: Moment, to: Moment, sums: Sums) {
        let (first, last) = self.all.unwrap_or((from, to));
        self.all = Some((first.min(from), last.max(to)));
        self.days.entry(from.day()).or_default().0.add(sums);
        let room = self.minutes.len() < MINUTES;
        if let Some(minute) = self.minutes.get_mut(&from.minute()) {
            minute.add(sums);
        } else if room {
            self.minutes.insert(from.minute(), sums);
        }
    }

    /// From the first to the last moment that a row speaks of.
    pub(super) const fn all(&self) -> Option<(Moment, Moment)> {
        self.all
    }

    /// Each day from the first to the last, those without rows too.
    pub(super) fn days(&self) -> impl Iterator<Item = (Moment, Sums, &[u64])> {
        let first = self.days.keys().next().copied().unwrap_or(1);
        let last = self.days.keys().next_back().copied().unwrap_or(0);
        (first..=last).map(|day| {
            let found = self.days.get(&day);
            let (sums, reasons) = found.map_or_else(Default::default, |(s, r)| (*s, r.as_slice()));
            (Moment::of_day(day), sums, reasons)
        })
    }

    /// The sums of the minutes that begin in a window.
    pub(super) fn window(&self, from: Moment, to: Moment) -> Sums {
        let within = from.minute()..to.minute();
        let mut sums = Sums::default();
        for (_, minute) in self.minutes.iter().filter(|(minute, _)| within.contains(minute)) {
            sums.add(*minute);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, Sums};
    use crate::{policy::Reason, report::moment::Moment};

    #[test]
    fn by_day_and_by_window() {
        let at = |text: &str| Moment::parse(text).unwrap();
        let mut series = Series::default();
        assert_eq!(series.days().count(), 0);
        let (one, two) = (at("2027-01-12T23:59:00Z"), at("2027-01-13T00:00:00Z"));
        let after = at("2027-01-15T00:00:00Z");
        series.connections(one, two, 10);
        series.below(one, two, Reason::Cipher, 3);
        series.below(after, after, Reason::Version, 4);
        let days: Vec<_> = series
            .days()
            .map(|(day, sums, reasons)| (day.date(), sums, reasons.to_vec()))
            .collect();
        let sums = |connections, below| Sums { connections, below };
        assert_eq!(days.len(), 4);
        assert_eq!(days[0], ("2027-01-12".into(), sums(10, 3), vec![0, 3, 0, 0, 0, 0]));
        assert_eq!(days[1], ("2027-01-13".into(), sums(0, 0), vec![]));
        assert_eq!(days[3].1, sums(0, 4));
        assert_eq!(series.window(one, two), sums(10, 3));
        assert_eq!(series.window(two, after), sums(0, 0));
        assert_eq!(series.all(), Some((one, after)));
    }
}

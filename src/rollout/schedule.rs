//! Which stage a rollout is in at a moment, and when the next one begins.
//!
//! Pure, in whole seconds since 1970, so no clock of daylight saving ever comes into it. Asked for
//! each hello that fails the floor, therefore without a walk through occurrences: those of a
//! brownout are found by division.

use jiff::Timestamp;

use crate::{
    config::{self, Place},
    metrics::StageKind,
};

/// What is in force at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody is refused.
    Observe,
    /// A brownout that refuses more than the ramp does.
    Brownout {
        /// Which, as listed.
        index: usize,
        /// How many of a hundred clients.
        percent: u8,
        /// How many of them the ramp refuses anyway.
        ramp: u8,
    },
    /// A step of the ramp.
    Ramp {
        /// Which, as listed.
        index: usize,
        /// How many of a hundred clients.
        percent: u8,
    },
    /// Everybody.
    Cut,
}

impl Stage {
    /// Its word.
    #[must_use]
    pub fn kind(self) -> StageKind {
        match self {
            Self::Observe => StageKind::Observe,
            Self::Brownout { .. } => StageKind::Brownout,
            Self::Ramp { .. } => StageKind::Ramp,
            Self::Cut => StageKind::Cut,
        }
    }

    /// How many of a hundred clients are refused.
    #[must_use]
    pub fn percent(self) -> u8 {
        match self {
            Self::Observe => 0,
            Self::Brownout { percent, .. } | Self::Ramp { percent, .. } => percent,
            Self::Cut => 100,
        }
    }
}

/// A schedule that can be asked.
#[derive(Debug)]
pub struct Schedule {
    /// Moments from which on something holds until the next of them, by time.
    bases: Vec<(i64, Base)>,
    windows: Vec<Windows>,
    places: Places,
}

/// Where the parts of a schedule stand in the configuration.
#[derive(Debug)]
struct Places {
    cut: Option<Place>,
    ramp: Vec<Place>,
    brownouts: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Nothing,
    Ramp { index: usize, percent: u8 },
    Cut,
}

impl Base {
    fn percent(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Ramp { percent, .. } => percent,
            Self::Cut => 100,
        }
    }
}

/// One brownout's occurrences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    from: i64,
    until: i64,
    every: Option<i64>,
    lasts: i64,
    percent: u8,
}

impl Windows {
    fn new(written: &config::Brownout) -> Self {
        let whole = |duration: std::time::Duration| {
            i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).max(1)
        };
        Self {
            from: written.from.as_second(),
            until: written.until.as_second(),
            every: written.every.map(whole),
            lasts: whole(written.lasts),
            percent: written.percent,
        }
    }

    /// The last occurrence that begins at `now` or before: its beginning and its end.
    fn begun(&self, now: i64) -> Option<(i64, i64)> {
        // The last moment of all in which one may begin.
        let now = now.min(self.until.saturating_sub(1));
        let since = now.checked_sub(self.from).filter(|since| *since >= 0)?;
        let start = match self.every {
            Some(every) => now.saturating_sub(since.checked_rem(every)?),
            None => self.from,
        };
        Some((start, start.saturating_add(self.lasts).min(self.until)))
    }

    /// The end of the occurrence that `now` is in.
    fn end(&self, now: i64) -> Option<i64> {
        self.begun(now).map(|(_, end)| end).filter(|end| now < *end)
    }

    /// The first beginning after `now`.
    fn next(&self, now: i64) -> Option<i64> {
        if now < self.from {
            return Some(self.from);
        }
        let (start, _) = self.begun(now)?;
        let next = start.checked_add(self.every?)?;
        (now < next && next < self.until).then_some(next)
    }

    /// The first occurrence that is under way at `now` or later.
    pub(super) fn at_or_after(&self, now: i64) -> Option<(i64, i64)> {
        let running = self.begun(now).filter(|(_, end)| now < *end);
        running.or_else(|| self.begun(self.next(now)?))
    }

    /// When the last one has ended.
    pub(super) fn over(&self) -> i64 {
        self.begun(self.until).map_or(self.until, |(_, end)| end)
    }
}

impl Schedule {
    /// As the configuration says.
    #[must_use]
    pub fn new(written: &config::Schedule) -> Self {
        let cut = written.cut.as_ref();
        let steps = written.ramp.iter().enumerate().map(|(index, step)| {
            (step.at.as_second(), Base::Ramp { index, percent: step.percent })
        });
        let mut bases: Vec<_> =
            cut.map(|cut| (cut.at.as_second(), Base::Cut)).into_iter().collect();
        bases.extend(steps);
        bases.sort_by_key(|(at, _)| *at);
        Self {
            bases,
            windows: written.brownouts.iter().map(Windows::new).collect(),
            places: Places {
                cut: cut.map(|cut| cut.place.clone()),
                ramp: written.ramp.iter().map(|step| step.place.clone()).collect(),
                brownouts: written.brownouts.iter().map(|one| one.place.clone()).collect(),
            },
        }
    }

    /// What is in force at `now`: a beginning belongs to it, an end does not. Of several brownouts
    /// and the ramp the largest share wins.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> Stage {
        self.at(now.as_second())
    }

    /// When the stage changes next; none where it stays as it is.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.as_second();
        let stage = self.at(now);
        let base = self.bases.iter().map(|(at, _)| *at).find(|at| *at > now);
        if stage == Stage::Cut {
            return base.and_then(moment);
        }
        let running = match stage {
            Stage::Brownout { index, .. } => Some(index),
            _ => None,
        };
        let end = running.and_then(|index| self.windows.get(index)?.end(now));
        // A weaker brownout changes nothing now; should it outlast this stage, its end shows it.
        // Of two equals the first listed wins.
        let begins = self.windows.iter().enumerate().filter_map(|(index, windows)| {
            let first = running.is_some_and(|running| index < running);
            let wins =
                windows.percent > stage.percent() || (first && windows.percent == stage.percent());
            windows.next(now).filter(|_| wins)
        });
        begins.chain(base).chain(end).min().and_then(moment)
    }

    /// Every change after `from`, with the stage that it leads to.
    pub fn changes(&self, from: Timestamp) -> impl Iterator<Item = (Timestamp, Stage)> {
        let next = |at: &Timestamp| self.next_change(*at);
        let moments = std::iter::successors(self.next_change(from), next);
        moments.map(|at| (at, self.stage(at)))
    }

    /// When the brownout of `now` is over, those that follow without a pause included.
    #[must_use]
    pub fn brownout_end(&self, now: Timestamp) -> Option<Timestamp> {
        let mut changes = self.changes(now).take(self.windows.len() + self.bases.len());
        changes.find(|(_, stage)| !matches!(stage, Stage::Brownout { .. })).map(|(at, _)| at)
    }

    /// When everybody is refused for good, unless that is taken back.
    #[must_use]
    pub fn cut(&self) -> Option<Timestamp> {
        let cut = self.bases.iter().find(|(_, base)| *base == Base::Cut);
        cut.and_then(|(at, _)| moment(*at))
    }

    /// The configuration key of what is in force.
    #[must_use]
    pub fn key(&self, stage: Stage) -> &str {
        let place = match stage {
            Stage::Observe => None,
            Stage::Brownout { index, .. } => self.places.brownouts.get(index),
            Stage::Ramp { index, .. } => self.places.ramp.get(index),
            Stage::Cut => self.places.cut.as_ref(),
        };
        place.map_or("", |place| &place.key)
    }

    /// The brownouts' occurrences, as listed.
    pub(super) fn windows(&self) -> &[Windows] {
        &self.windows
    }

    fn at(&self, now: i64) -> Stage {
        let begun = self.bases.partition_point(|(at, _)| *at <= now);
        let base = begun.checked_sub(1).and_then(|last| self.bases.get(last));
        let base = base.map_or(Base::Nothing, |(_, base)| *base);
        let ramp = base.percent();
        let mut strongest = match base {
            Base::Nothing => Stage::Observe,
            Base::Ramp { percent: 0, .. } => Stage::Observe,
            Base::Ramp { index, percent } => Stage::Ramp { index, percent },
            Base::Cut => return Stage::Cut,
        };
        for (index, windows) in self.windows.iter().enumerate() {
            let percent = windows.percent;
            if percent > strongest.percent() && windows.end(now).is_some() {
                strongest = Stage::Brownout { index, percent, ramp };
            }
        }
        strongest
    }
}

/// None beyond the year 9999, where nothing is scheduled.
pub(super) fn moment(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

//! What happens when: the dates of both rollouts, as customers are told them.
//!
//! Pure, from the configuration alone and without a clock, so that one configuration always gives
//! one calendar. What the cut makes pointless is left out, and a brownout that comes back very
//! often is one entry that says so.

use jiff::Timestamp;

use crate::config::{self, Config};

/// Occurrences of brownouts that are listed one by one.
const LISTED: u64 = 50;

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Tls,
    PlainHttp,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Brownout,
    Ramp,
    Cut,
}

/// One date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) at: i64,
    pub(super) scope: Scope,
    pub(super) kind: Kind,
    /// When it is over; none: it stays.
    pub(super) until: Option<i64>,
    pub(super) percent: u8,
    pub(super) repeats: Option<Repeats>,
}

/// An entry that comes back; the first is the entry itself, all are as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repeats {
    pub(super) every: i64,
    pub(super) count: u64,
    /// When the last one is over.
    pub(super) over: i64,
}

/// Everything, by time. Of TLS there is nothing without a legacy lane: all are refused already.
pub(super) fn entries(config: &Config) -> Vec<Entry> {
    let mut entries = Vec::new();
    if !config.rollout.legacy.is_empty() {
        add(&config.rollout.schedule, Scope::Tls, &mut entries);
    }
    if let Some(plain) = &config.plain_http.rollout {
        add(&plain.rollout.schedule, Scope::PlainHttp, &mut entries);
    }
    entries.sort();
    entries
}

fn add(schedule: &config::Schedule, scope: Scope, entries: &mut Vec<Entry>) {
    let entry = |at: Timestamp, kind, percent| {
        let at = at.as_second();
        Entry { at, scope, kind, until: None, percent, repeats: None }
    };
    entries.extend(schedule.cut.iter().map(|cut| entry(cut.at, Kind::Cut, 100)));
    entries.extend(schedule.ramp.iter().map(|step| entry(step.at, Kind::Ramp, step.percent)));
    let mut left = LISTED;
    for brownout in &schedule.brownouts {
        let Some(windows) = Windows::of(brownout, schedule) else { continue };
        let count = windows.count();
        let blank = entry(brownout.from, Kind::Brownout, brownout.percent);
        let one = |(at, until)| Entry { at, until: Some(until), ..blank.clone() };
        if count <= left {
            left -= count;
            entries.extend((0..count).map(|index| one(windows.at(index))));
            continue;
        }
        // The last may be cut short; then it stands alone, so that all others are as long.
        let (start, over) = windows.at(count - 1);
        let is_short = over - start < windows.lasts;
        let count = count - u64::from(is_short);
        let (_, over) = windows.at(count.saturating_sub(1));
        let repeats = Some(Repeats { every: windows.every, count, over });
        entries.push(Entry { repeats, ..one(windows.at(0)) });
        entries.extend(is_short.then(|| one(windows.at(count))));
    }
}

/// When a brownout is in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    from: i64,
    until: i64,
    /// Of a single one as long as it lasts.
    every: i64,
    lasts: i64,
}

impl Windows {
    /// None where the cut leaves nothing of it.
    pub(super) fn of(brownout: &config::Brownout, schedule: &config::Schedule) -> Option<Self> {
        let whole = |duration: std::time::Duration| {
            i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).max(1)
        };
        let (from, until) = (brownout.from.as_second(), brownout.until.as_second());
        let cut = schedule.cut.as_ref().map(|cut| cut.at);
        let back = cut.and_then(|cut| schedule.ramp.iter().find(|step| step.at >= cut));
        let until = match cut.map(Timestamp::as_second) {
            Some(cut) if from < cut => until.min(cut),
            Some(_) if back.is_none_or(|step| brownout.from < step.at) => return None,
            _ => until,
        };
        let single = until.saturating_sub(from).max(1);
        let lasts = whole(brownout.lasts);
        Some(Self { from, until, every: brownout.every.map_or(single, whole), lasts })
    }

    fn count(&self) -> u64 {
        let length = u64::try_from(self.until.saturating_sub(self.from)).unwrap_or(0);
        length.div_ceil(u64::try_from(self.every).unwrap_or(1)).max(1)
    }

    /// Its beginning and its end.
    fn at(&self, index: u64) -> (i64, i64) {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let start = self.from.saturating_add(self.every.saturating_mul(index));
        (start, start.saturating_add(self.lasts).min(self.until))
    }

    /// The one that has any moment between `from` and `to`, the last of them.
    pub(super) fn meeting(&self, from: i64, to: i64) -> Option<(i64, i64)> {
        let since = to.min(self.until.saturating_sub(1)).checked_sub(self.from)?;
        let index = u64::try_from(since.checked_div(self.every)?).ok()?;
        Some(self.at(index)).filter(|(start, end)| *start <= to && from < *end)
    }
}

/// `2027-01-12 10:00 UTC`; with seconds where there are any.
pub(super) fn date(at: i64) -> String {
    let text = Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string());
    let text = text.trim_end_matches('Z').replace('T', " ");
    format!("{} UTC", text.strip_suffix(":00").unwrap_or(&text))
}

/// `1 hour 30 minutes`
pub(super) fn length(seconds: i64) -> String {
    let mut left = seconds;
    let mut words = Vec::new();
    for (unit, name) in [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")] {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    words.join(" ")
}

impl Entry {
    /// When, in words.
    pub(super) fn when(&self) -> String {
        match (self.repeats, self.until) {
            (Some(Repeats { every, count, over }), Some(until)) => format!(
                "every {} for {}, from {} until {} ({count} times)",
                length(every).trim_start_matches("1 "),
                length(until - self.at),
                date(self.at),
                date(over)
            ),
            (None, Some(until)) => format!("{} to {}", date(self.at), date(until)),
            _ => format!("from {}", date(self.at)),
        }
    }

    /// Who, in words.
    pub(super) fn who(&self) -> String {
        match self.percent {
            0 => "nobody".to_owned(),
            100 => "everybody who is affected".to_owned(),
            percent => format!("{percent} of 100 clients that are affected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Entry, Kind, date, entries, length};
    use crate::config;

    fn calendar(rollout: &str) -> Vec<Entry> {
        let text = format!(
            "[tls]\ncertificates = [{{ chain = \"c\", key = \"k\" }}]\n[[upstreams]]\nname = \"a\"\n\
             servers = [\"http://10.0.0.1:80\"]\n[rollout]\nlegacy = \"10.0.0.9:443\"\n{rollout}"
        );
        entries(&config::parse(&text, Path::new("t.toml")).unwrap())
    }

    #[test]
    fn words() {
        assert_eq!(date(1_800_000_000), "2027-01-15 08:00 UTC");
        assert_eq!(date(1_800_000_007), "2027-01-15 08:00:07 UTC");
        assert_eq!(length(5400), "1 hour 30 minutes");
        assert_eq!(length(7 * 86_400), "7 days");
    }

    #[test]
    fn few_occurrences_are_listed_and_many_described() {
        let few = calendar(
            "brownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-02-01T03:00:00Z, every = \"1h\", lasts = \"10m\" }]\n",
        );
        let when: Vec<_> = few.iter().map(Entry::when).collect();
        assert_eq!(
            when,
            [
                "2027-02-01 00:00 UTC to 2027-02-01 00:10 UTC",
                "2027-02-01 01:00 UTC to 2027-02-01 01:10 UTC",
                "2027-02-01 02:00 UTC to 2027-02-01 02:10 UTC"
            ]
        );
        let many = calendar(
            "brownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-03-01T00:00:00Z, every = \"1h\", lasts = \"10m\", percent = 50 }]\n",
        );
        assert_eq!(many.len(), 1);
        assert_eq!(
            many[0].when(),
            "every hour for 10 minutes, from 2027-02-01 00:00 UTC until 2027-02-28 23:10 UTC (672 times)"
        );
        assert_eq!(many[0].who(), "50 of 100 clients that are affected");
    }

    #[test]
    fn the_cut_ends_brownouts_and_a_last_one_cut_short_stands_alone() {
        let all = calendar(
            "cut = 2027-02-28T23:05:00Z\nbrownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-03-01T00:00:00Z, every = \"1h\", lasts = \"10m\" }, { from = 2027-03-02T00:00:00Z, lasts = \"1h\" }]\n",
        );
        let when: Vec<_> = all.iter().map(|entry| (entry.kind, entry.when())).collect();
        assert_eq!(when.len(), 3, "{when:?}");
        assert!(when[0].1.ends_with("until 2027-02-28 22:10 UTC (671 times)"), "{when:?}");
        assert_eq!(when[1].1, "2027-02-28 23:00 UTC to 2027-02-28 23:05 UTC");
        assert_eq!(when[2], (Kind::Cut, "from 2027-02-28 23:05 UTC".to_owned()));
    }
}

//! Says in the log that a certificate will end: 21, 7 and 1 days before, and when it has.
//!
//! Run by `app` on the control thread for as long as the process lives. It asks again and again for
//! the certificates in force, so a reload needs to tell it nothing.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use jiff::Timestamp;

use super::clock;

/// A certificate's name and when it ends, in seconds since 1970.
pub type Expiry = (String, i64);

/// How many days before its end a certificate is spoken of; 0: it has ended.
const DAYS: [i64; 4] = [0, 1, 7, 21];

const DAY: i64 = 86_400;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(3600);

/// Warns of what `current` gives, once for each certificate and number of days.
pub async fn watch<C: IntoIterator<Item = Expiry>>(current: impl Fn() -> C) -> Infallible {
    let mut said = Said::default();
    loop {
        let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
        for ((name, ends), days) in said.due(current(), now) {
            let expires = Timestamp::from_second(ends).unwrap_or(Timestamp::MAX);
            let left = ends.saturating_sub(now).max(0) / DAY;
            let text = match days {
                0 => "a certificate has expired: clients refuse it",
                _ => "a certificate will expire: replace it",
            };
            tracing::warn!(
                event = "certificate",
                name,
                %expires,
                days_left = left,
                "{text}"
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The number of days that is to be spoken of now, unless it was already.
#[must_use]
fn due(expires: i64, now: i64, last_said: Option<i64>) -> Option<i64> {
    let left = expires.saturating_sub(now);
    let reached = DAYS.into_iter().find(|days| left <= days * DAY)?;
    last_said.is_none_or(|last| reached < last).then_some(reached)
}

/// What was said last of each certificate in force.
#[derive(Debug, Default)]
struct Said(BTreeMap<Expiry, i64>);

impl Said {
    /// Those that are to be spoken of now, each with its number of days.
    fn due(&mut self, current: impl IntoIterator<Item = Expiry>, now: i64) -> Vec<(Expiry, i64)> {
        let (mut said, mut lines) = (BTreeMap::new(), Vec::new());
        for one in current {
            let last = said.get(&one).or_else(|| self.0.get(&one)).copied();
            let due = due(one.1, now, last);
            if let Some(days) = due {
                lines.push((one.clone(), days));
            }
            if let Some(days) = due.or(last) {
                said.insert(one, days);
            }
        }
        // What is no longer in force is forgotten.
        self.0 = said;
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Said, due};

    const ENDS: i64 = 1_900_000_000;

    #[test]
    fn each_number_of_days_once() {
        let mut last = None;
        let mut said = Vec::new();
        for hour in (-1..=30 * 24).rev() {
            let now = ENDS - hour * 3600;
            if let Some(days) = due(ENDS, now, last) {
                said.push((hour, days));
                last = Some(days);
            }
        }
        assert_eq!(said, [(21 * 24, 21), (7 * 24, 7), (24, 1), (0, 0)]);
    }

    #[test]
    fn what_begins_late_begins_with_the_nearest() {
        for (left, days) in [
            (22 * DAY, None),
            (21 * DAY + 1, None),
            (21 * DAY, Some(21)),
            (8 * DAY, Some(21)),
            (2 * DAY, Some(7)),
            (3600, Some(1)),
            (1, Some(1)),
            (0, Some(0)),
            (-DAY, Some(0)),
        ] {
            assert_eq!(due(ENDS, ENDS - left, None), days, "{left}");
        }
        assert_eq!(due(i64::MAX, i64::MIN, None), None);
        assert_eq!(due(ENDS, ENDS - 2 * DAY, Some(7)), None);
        // A clock that goes back says nothing again.
        assert_eq!(due(ENDS, ENDS - 20 * DAY, Some(1)), None);
    }

    #[test]
    fn certificates_are_told_apart_and_a_replaced_one_begins_anew() {
        let mut said = Said::default();
        let one = |name: &str, ends| (name.to_owned(), ends);
        let now = ENDS - 5 * DAY;
        // Two hosts may have the same certificate.
        let current = [one("a", ENDS), one("a", ENDS), one("b", ENDS + 90 * DAY)];
        assert_eq!(said.due(current.clone(), now), [(one("a", ENDS), 7)]);
        assert_eq!(said.due(current, now + 3600), []);
        assert_eq!(said.due([one("a", ENDS + DAY)], now + 7200), [(one("a", ENDS + DAY), 7)]);
        assert_eq!(said.0.len(), 1);
    }
}

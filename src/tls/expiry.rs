//! Says in the log that a certificate will end: 21, 7 and 1 days before, and when it has; and that
//! an OCSP response is no longer stapled.
//!
//! Run by `app` on the control thread for as long as the process lives. It asks again and again for
//! what is in force, so a reload needs to tell it nothing.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use jiff::Timestamp;

use super::clock;

/// Something in force that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// What it is.
    pub kind: Expiring,
    /// The certificate's name.
    pub name: String,
    /// Seconds since 1970.
    pub ends: i64,
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiring {
    /// A certificate.
    Certificate,
    /// An OCSP response for one. It is replaced every few days, so only its end is worth a word.
    Staple,
}

impl Expiring {
    /// How many days before the end it is spoken of; 0: it has come.
    const fn days(self) -> &'static [i64] {
        match self {
            Self::Certificate => &[0, 1, 7, 21],
            Self::Staple => &[0],
        }
    }

    const fn text(self, has_ended: bool) -> &'static str {
        match (self, has_ended) {
            (Self::Certificate, false) => "the certificate will expire; replace it",
            (Self::Certificate, true) => "the certificate has expired: clients refuse it",
            (Self::Staple, _) => "the OCSP response is over and no longer stapled; fetch another",
        }
    }
}

const DAY: i64 = 86_400;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(3600);

/// Warns of what `current` gives, once for each of them and number of days.
pub async fn watch<C: IntoIterator<Item = Ending>>(current: impl Fn() -> C) -> Infallible {
    let mut said = Said::default();
    loop {
        let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
        for (Ending { kind, name, ends }, days) in said.due(current(), now) {
            let expires = Timestamp::from_second(ends).unwrap_or(Timestamp::MAX);
            let days_left = ends.saturating_sub(now).max(0) / DAY;
            let text = kind.text(days == 0);
            tracing::warn!(event = "certificate", name, %expires, days_left, "{text}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Which of these numbers of days is to be spoken of now, unless it was already.
fn due(days: &[i64], ends: i64, now: i64, last_said: Option<i64>) -> Option<i64> {
    let left = ends.saturating_sub(now);
    let reached = days.iter().copied().find(|days| left <= days * DAY)?;
    last_said.is_none_or(|last| reached < last).then_some(reached)
}

/// What was said last of each of those in force.
#[derive(Debug, Default)]
struct Said(BTreeMap<Ending, i64>);

impl Said {
    /// Those that are to be spoken of now, each with its number of days.
    fn due(&mut self, current: impl IntoIterator<Item = Ending>, now: i64) -> Vec<(Ending, i64)> {
        let (mut said, mut lines) = (BTreeMap::new(), Vec::new());
        for one in current {
            let last = said.get(&one).or_else(|| self.0.get(&one)).copied();
            let due = due(one.kind.days(), one.ends, now, last);
            lines.extend(due.map(|days| (one.clone(), days)));
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
    use super::{DAY, Ending, Expiring, Said, due};

    const ENDS: i64 = 1_900_000_000;

    #[test]
    fn each_number_of_days_once() {
        let mut last = None;
        let mut said = Vec::new();
        for hour in (-1..=30 * 24).rev() {
            let now = ENDS - hour * 3600;
            if let Some(days) = due(Expiring::Certificate.days(), ENDS, now, last) {
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
            assert_eq!(due(Expiring::Certificate.days(), ENDS, ENDS - left, None), days, "{left}");
        }
        assert_eq!(due(Expiring::Certificate.days(), i64::MAX, i64::MIN, None), None);
        assert_eq!(due(Expiring::Certificate.days(), ENDS, ENDS - 2 * DAY, Some(7)), None);
        // A clock that goes back says nothing again.
        assert_eq!(due(Expiring::Certificate.days(), ENDS, ENDS - 20 * DAY, Some(1)), None);
    }

    #[test]
    fn certificates_are_told_apart_and_a_replaced_one_begins_anew() {
        let mut said = Said::default();
        let one =
            |name: &str, ends| Ending { kind: Expiring::Certificate, name: name.to_owned(), ends };
        let now = ENDS - 5 * DAY;
        // Two hosts may have the same certificate.
        let current = [one("a", ENDS), one("a", ENDS), one("b", ENDS + 90 * DAY)];
        assert_eq!(said.due(current.clone(), now), [(one("a", ENDS), 7)]);
        assert_eq!(said.due(current, now + 3600), []);
        assert_eq!(said.due([one("a", ENDS + DAY)], now + 7200), [(one("a", ENDS + DAY), 7)]);
        assert_eq!(said.0.len(), 1);
    }

    #[test]
    fn an_ocsp_response_is_spoken_of_when_it_is_over() {
        let mut said = Said::default();
        let staple = Ending { kind: Expiring::Staple, name: "a".to_owned(), ends: ENDS };
        assert_eq!(said.due([staple.clone()], ENDS - 1), []);
        assert_eq!(said.due([staple.clone()], ENDS), [(staple.clone(), 0)]);
        assert_eq!(said.due([staple], ENDS + 3600), []);
    }
}

//! What of a rollout works and may surprise: said by `tlsfloor check`, and logged at the start.
//!
//! Called while a snapshot is built. What cannot work is a problem and never comes here.

use jiff::{SignedDuration, Timestamp};

use super::{PLAIN_HTTP, Rollout, Rollouts, Stage, TLS, schedule::moment};
use crate::config::{self, Config, Place, PlainAction, Problem};

/// An exemption is warned of so long before its end.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Nobody is refused for so long before the cut: a gap that is worth a word.
const GAP: SignedDuration = SignedDuration::from_hours(24);

/// Occurrences of a brownout that are held against another one.
const OCCURRENCES: usize = 10_000;

/// Everything there is to say at `now`.
pub(super) fn warnings(config: &Config, rollouts: &Rollouts, now: Timestamp) -> Vec<Problem> {
    let replicas = config.fleet.replicas;
    let tls = Explained { name: TLS, written: &config.rollout, rollout: &rollouts.tls, replicas };
    let mut said = tls.all(now);
    if let (Some(written), Some(plain)) = (&config.plain_http.rollout, &rollouts.plain_http) {
        let (written, rollout) = (&written.rollout, &plain.rollout);
        let plain = Explained { name: PLAIN_HTTP, written, rollout, replicas };
        said.extend(plain.all(now));
        said.extend(plain.sunset(config.plain_http.sunset));
    }
    said
}

/// Each cut that is in force by `before` and would not be by `after`, although nothing says that this
/// is meant: whoever was told that it is over would find that it is not.
pub(super) fn loosened(config: &Config, before: &Rollouts, after: &Rollouts) -> Vec<Problem> {
    let now = after.clock.now().wall;
    let was_cut = |rollout: &Rollout| rollout.schedule.stage(now) == Stage::Cut;
    let tls = was_cut(&before.tls) && !before.tls.legacy.is_empty();
    let tls = tls && !after.tls.legacy.is_empty() && !was_cut(&after.tls);
    let mut said = Vec::new();
    said.extend(tls.then(|| taken_back(TLS, Some(&config.rollout.schedule))).flatten());
    let plain = before.plain_http.as_ref().is_some_and(|plain| was_cut(&plain.rollout));
    let plain = plain
        && match &after.plain_http {
            Some(plain) => !was_cut(&plain.rollout),
            None => config.plain_http.action == PlainAction::Forward,
        };
    let written = config.plain_http.rollout.as_ref().map(|written| &written.rollout.schedule);
    said.extend(plain.then(|| taken_back(PLAIN_HTTP, written)).flatten());
    said
}

fn taken_back(name: &str, written: Option<&config::Schedule>) -> Option<Problem> {
    if written.is_some_and(|schedule| schedule.allow_loosening) {
        return None;
    }
    let cut = written.and_then(|schedule| schedule.cut.as_ref());
    let place = cut.map_or_else(|| Place::bare(&format!("{name}.cut")), |cut| cut.place.clone());
    let text = "takes back a cut that is in force, expected that it stays, or allow_loosening = \
                true beside it";
    Some(problem(&place, text))
}

struct Explained<'a> {
    name: &'static str,
    written: &'a config::Rollout,
    rollout: &'a Rollout,
    replicas: u32,
}

impl Explained<'_> {
    fn all(&self, now: Timestamp) -> Vec<Problem> {
        let mut said = Vec::new();
        said.extend(self.no_legacy());
        said.extend(self.cut(now));
        said.extend(self.gap());
        said.extend(self.salt());
        self.after_cut(&mut said);
        self.overlaps(&mut said);
        self.exemptions(now, &mut said);
        said
    }

    fn no_legacy(&self) -> Option<Problem> {
        let cut = self.written.schedule.cut.as_ref();
        let cut = cut.filter(|_| self.name == TLS && self.written.legacy.is_empty())?;
        let text = "has no effect without rollout.legacy: whoever fails the floor is refused \
                    already, because there is nothing that would serve them";
        Some(problem(&cut.place, text))
    }

    fn cut(&self, now: Timestamp) -> Option<Problem> {
        let cut = self.written.schedule.cut.as_ref().filter(|cut| cut.at <= now)?;
        let back = self.written.schedule.ramp.iter().find(|step| step.at >= cut.at);
        let text = match back {
            Some(step) if step.at <= now => {
                format!("has passed ({}), and was taken back at {}", cut.at, step.at)
            }
            _ => format!("has passed: in force since {}", cut.at),
        };
        Some(problem(&cut.place, &text))
    }

    /// Quiet before the cut, in which owners notice nothing.
    fn gap(&self) -> Option<Problem> {
        let schedule = &self.written.schedule;
        let cut = schedule.cut.as_ref()?;
        if self.name == TLS && self.written.legacy.is_empty() {
            return None;
        }
        if schedule.ramp.iter().any(|step| step.at < cut.at) {
            return None;
        }
        let ends = self.rollout.schedule.windows().iter().map(|windows| windows.over());
        let last = ends.map(|end| end.min(cut.at.as_second())).max().and_then(moment);
        let begins = schedule.brownouts.iter().any(|one| one.from < cut.at);
        match last.filter(|_| begins) {
            None => {
                let text = "comes without a brownout or a ramp before it: owners notice nothing \
                            until everybody is refused";
                Some(problem(&cut.place, text))
            }
            Some(last) if cut.at.duration_since(last) > GAP => {
                let days = cut.at.duration_since(last).as_hours() / 24;
                let text = format!(
                    "comes {days} days after the last brownout ({last}); nobody is refused \
                     between them"
                );
                Some(problem(&cut.place, &text))
            }
            Some(_) => None,
        }
    }

    fn salt(&self) -> Option<Problem> {
        let schedule = &self.written.schedule;
        let shares = schedule.ramp.iter().any(|step| (1..100).contains(&step.percent))
            || schedule.brownouts.iter().any(|one| one.percent < 100);
        if self.written.salt.is_some() || !shares {
            return None;
        }
        let many = match self.replicas {
            1 => String::new(),
            replicas => format!(", and {replicas} replicas would each refuse another share"),
        };
        let text = format!(
            "has shares and no salt: a restart chooses other clients{many}; set {}.salt to any text",
            self.name
        );
        Some(problem(&self.written.place, &text))
    }

    fn after_cut(&self, said: &mut Vec<Problem>) {
        let schedule = &self.written.schedule;
        let Some(cut) = &schedule.cut else { return };
        let back = schedule.ramp.iter().find(|step| step.at >= cut.at);
        if let Some(step) = back {
            let text = format!("takes the cut of {} back: {} percent", cut.at, step.percent);
            said.push(problem(&step.place, &text));
        }
        for one in &schedule.brownouts {
            let until_back = back.is_none_or(|step| one.until <= step.at);
            if one.from >= cut.at && until_back {
                let text = format!("has no effect: it begins after the cut ({})", cut.at);
                said.push(problem(&one.place, &text));
            } else if one.from < cut.at && one.until > cut.at {
                let text = format!("goes on after the cut ({}), where it has no effect", cut.at);
                said.push(problem(&one.place, &text));
            }
        }
    }

    fn overlaps(&self, said: &mut Vec<Problem>) {
        let (written, windows) =
            (&self.written.schedule.brownouts, self.rollout.schedule.windows());
        for (index, (one, its)) in written.iter().zip(windows).enumerate() {
            for (above, others) in written.iter().zip(windows).take(index) {
                let begin = others.at_or_after(i64::MIN).map_or(i64::MIN, |(start, _)| start);
                let next = |(_, end): &(i64, i64)| its.at_or_after(*end);
                let occurrences = std::iter::successors(its.at_or_after(begin), next);
                let mut occurrences = occurrences.take_while(|(start, _)| *start < others.over());
                let meets = |(start, end): (i64, i64)| {
                    let (from, _) = others.at_or_after(start).filter(|(from, _)| *from < end)?;
                    moment(from.max(start))
                };
                let meeting = occurrences.by_ref().take(OCCURRENCES).find_map(meets);
                let Some(meeting) = meeting else { continue };
                let text = format!(
                    "overlaps {} at {meeting}; of the two the larger share counts, {} percent",
                    above.place.key,
                    one.percent.max(above.percent)
                );
                said.push(problem(&one.place, &text));
            }
        }
    }

    fn exemptions(&self, now: Timestamp, said: &mut Vec<Problem>) {
        for entry in self.rollout.exemptions.iter() {
            let (owner, expires) = (&entry.written.owner, entry.written.expires);
            let text = if !entry.is_active(now) {
                format!("has no effect: it ended at {expires} (owner {owner}); delete it")
            } else if expires.duration_since(now) <= AHEAD {
                format!("ends soon, at {expires} (owner {owner})")
            } else {
                continue;
            };
            said.push(problem(&entry.written.place, &text));
        }
    }

    /// What clients are told ahead is what happens.
    fn sunset(&self, sunset: Option<Timestamp>) -> Option<Problem> {
        let (cut, sunset) = (self.written.schedule.cut.as_ref()?, sunset?);
        let text =
            format!("is {}, and plain_http.sunset, which clients are told, is {sunset}", cut.at);
        (cut.at != sunset).then(|| problem(&cut.place, &text))
    }
}

fn problem(place: &Place, text: &str) -> Problem {
    Problem { place: place.clone(), text: text.to_owned() }
}

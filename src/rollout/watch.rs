//! What time does to a rollout: stages that begin, exemptions that end.
//!
//! Looked at by `control` once a second. It compares with what it saw last, so it does not matter
//! whether the time, a reload, an operator or the fuse moved something.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{Rollout, Rollouts, Stage};
use crate::label::labels;

/// An exemption is warned of so long before its end.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Moves of a schedule that are followed after a clock that has jumped.
const MOVES: usize = 10_000;

/// Uses are told this often, in seconds.
const FLUSH: u64 = 60;

labels! {
    /// What keeps a schedule from taking effect.
    pub enum Held {
        /// Nothing.
        No = "schedule",
        /// An operator.
        Paused = "paused",
        /// The fuse.
        Fuse = "fuse",
        /// There is no legacy lane: everybody who fails is refused, whatever the schedule says.
        NoLegacy = "no_legacy",
    }
}

/// What is in effect: the schedule's stage, unless something holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InEffect {
    /// The stage; `observe` where something holds it.
    pub stage: Stage,
    /// What does.
    pub held: Held,
}

impl Rollout {
    /// What is in effect at `now`.
    #[must_use]
    pub fn in_effect(&self, now: Timestamp) -> InEffect {
        if self.needs_legacy && self.legacy.is_empty() {
            return InEffect { stage: Stage::Cut, held: Held::NoLegacy };
        }
        let stage = self.schedule.stage(now);
        let held = if stage == Stage::Observe {
            Held::No
        } else if self.brake.is_paused(now) {
            Held::Paused
        } else if stage != Stage::Cut && self.fuse.is_some() && self.brake.is_blown() {
            Held::Fuse
        } else {
            Held::No
        };
        let stage = if held == Held::No { stage } else { Stage::Observe };
        InEffect { stage, held }
    }
}

/// What there is to say of an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// It ends within fourteen days.
    EndsSoon,
    /// It has ended.
    Ended,
    /// It spared clients.
    Used,
    /// It is new here, and has spared nobody.
    Unused,
}

impl Note {
    const fn as_str(self) -> &'static str {
        match self {
            Self::EndsSoon => "ends_soon",
            Self::Ended => "ended",
            Self::Used => "used",
            Self::Unused => "unused",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A stage begins.
    Stage {
        rollout: &'static str,
        from: InEffect,
        to: InEffect,
        /// The key of the step that begins.
        step: String,
        at: Timestamp,
        next: Option<Timestamp>,
    },
    /// Something about an exemption.
    Exemption {
        note: Note,
        label: String,
        owner: String,
        expires: Timestamp,
        /// Uses that no line has told yet; `report` adds them up.
        count: u64,
        /// All of them.
        uses: u64,
    },
}

impl Event {
    /// Writes it.
    pub(super) fn log(&self) {
        match self {
            Self::Stage { rollout, from, to, step, at, next } => tracing::info!(
                event = "stage",
                rollout,
                from = from.stage.kind().as_str(),
                to = to.stage.kind().as_str(),
                stage = to.stage.kind().as_str(),
                step,
                percent = to.stage.percent(),
                by = to.held.as_str(),
                %at,
                next = next.map(tracing::field::display),
                // Clients that the cut refused are let through again.
                loosens = (from.stage == Stage::Cut).then_some(true),
            ),
            Self::Exemption {
                note: note @ (Note::Used | Note::Unused),
                label,
                owner,
                expires,
                count,
                uses,
            } => tracing::info!(
                event = "exemption",
                state = note.as_str(),
                exemption = label,
                owner,
                %expires,
                count,
                uses,
            ),
            Self::Exemption { note, label, owner, expires, count, uses } => tracing::warn!(
                event = "exemption",
                state = note.as_str(),
                exemption = label,
                owner,
                %expires,
                count,
                uses,
            ),
        }
    }
}

/// When the schedule last moved between two looks. After a look that came late, or a clock that has
/// jumped, that is not its first move.
fn began(rollout: &Rollout, (last, now): (Timestamp, Timestamp)) -> Option<Timestamp> {
    let moves = rollout.schedule.changes(last).map(|(at, _)| at);
    moves.take(MOVES).take_while(|at| *at <= now).last()
}

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    stages: HashMap<&'static str, InEffect>,
    exemptions: HashMap<String, Seen>,
    looked: Option<Timestamp>,
    flushed: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The end that was spoken of, and how.
    said: Option<(Note, Timestamp)>,
    uses: u64,
}

impl Watch {
    /// What has happened since the last look.
    pub(super) fn look(&mut self, rollouts: &Rollouts, now: Timestamp) -> Vec<Event> {
        let last = self.looked.replace(now).filter(|last| *last <= now).unwrap_or(now);
        let stages =
            rollouts.each().filter_map(|(name, rollout)| self.stage(name, rollout, (last, now)));
        let mut events: Vec<_> = stages.collect();
        let second = now.as_second();
        let due = |flushed: i64| second.abs_diff(flushed) >= FLUSH;
        if self.flushed.is_none_or(due) {
            self.flushed = Some(second);
            self.exemptions(rollouts, now, &mut events);
        }
        events
    }

    /// What exemptions have been used for since the last time, before the minute is over.
    pub(super) fn last_look(&mut self, rollouts: &Rollouts, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        self.exemptions(rollouts, now, &mut events);
        events
    }

    fn exemptions(&mut self, rollouts: &Rollouts, now: Timestamp, events: &mut Vec<Event>) {
        let mut before = std::mem::take(&mut self.exemptions);
        for entry in rollouts.each().flat_map(|(_, rollout)| rollout.exemptions.iter()) {
            let label = &entry.metrics.label;
            // One that is not configured any more is forgotten.
            let known = before.remove(label);
            let is_new = known.is_none();
            let mut seen = known.unwrap_or_default();
            let (expires, uses) = (entry.written.expires, entry.metrics.uses());
            let event = |note, count| Event::Exemption {
                note,
                label: label.clone(),
                owner: entry.written.owner.clone(),
                expires,
                count,
                uses,
            };
            if uses != seen.uses {
                events.push(event(Note::Used, uses.saturating_sub(seen.uses)));
                seen.uses = uses;
            } else if is_new {
                events.push(event(Note::Unused, 0));
            }
            let note = if !entry.is_active(now) {
                Some(Note::Ended)
            } else {
                (expires.duration_since(now) <= AHEAD).then_some(Note::EndsSoon)
            };
            let news = note.map(|note| (note, expires)).filter(|news| seen.said != Some(*news));
            if let Some((note, _)) = news {
                seen.said = news;
                events.push(event(note, 0));
            }
            self.exemptions.insert(label.clone(), seen);
        }
    }

    /// At the first look too, so that a log says where a process began.
    fn stage(
        &mut self,
        name: &'static str,
        rollout: &Rollout,
        (last, now): (Timestamp, Timestamp),
    ) -> Option<Event> {
        let to = rollout.in_effect(now);
        let before = self.stages.insert(name, to);
        let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let start = InEffect { stage: Stage::Observe, held: Held::No };
        let from = before.unwrap_or(start);
        // Without a rollout there is nothing to begin.
        let begins = before.is_none() && to.held != Held::NoLegacy;
        let moves = before.is_some_and(|before| before != to);
        (moves || begins).then(|| Event::Stage {
            rollout: name,
            from,
            to,
            step: rollout.schedule.key(to.stage).to_owned(),
            at: began(rollout, (last, now)).unwrap_or(seconds),
            next: rollout.schedule.next_change(now),
        })
    }
}

//! What happens to a connection: the one place that turns a verdict into a lane.
//!
//! Asked by `greet` for each hello and by `http` for each request in clear. Pure but for the
//! counters of exemptions and the fuse; a client that holds the floor costs nothing here.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Rollout, exemptions::Facts, schedule::Stage};
use crate::{
    label::labels,
    policy::{Failure, Verdict},
};

labels! {
    /// Why a client that fails is refused or spared.
    pub enum Why {
        /// Spared: the rollout only observes so far.
        Observe = "observe",
        /// Spared: by an exemption.
        Exempt = "exempt",
        /// Spared: not in the share that is refused.
        Spared = "spared",
        /// Spared: an operator has paused the rollout.
        Paused = "paused",
        /// Spared: the fuse has blown.
        Fuse = "fuse",
        /// Refused: by a brownout.
        Brownout = "brownout",
        /// Refused: by the ramp.
        Ramp = "ramp",
        /// Refused: after the cut.
        Cut = "cut",
        /// Refused: there is no legacy lane.
        NoLegacy = "no_legacy",
        /// Refused: a self-test host holds the floor that is to come.
        SelfTest = "self_test",
    }
}

/// Now, by both clocks: the schedule follows the wall's, the fuse the one that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For the schedule, exemptions and pauses.
    pub wall: Timestamp,
    /// For the fuse.
    pub monotonic: Instant,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// It is terminated here.
    Serve,
    /// Its bytes go to today's terminator; the failure is what it would be refused for.
    Legacy(Failure, Why),
    /// Its sender is told why not.
    Refuse(Failure, Why),
}

/// The lane for a client whose hello was judged so by the floor. Clocks are read for who fails it
/// only.
pub fn lane(
    rollout: &Rollout,
    now: impl FnOnce() -> Moment,
    facts: &Facts<'_>,
    verdict: Verdict,
) -> Lane {
    let failure = match verdict {
        Verdict::Pass => return Lane::Serve,
        Verdict::Fail(failure) => failure,
    };
    match rollout.decide(facts, now()) {
        Fate::Spare(why) => Lane::Legacy(failure, why),
        Fate::Refuse(why, _) => Lane::Refuse(failure, why),
    }
}

/// What a rollout has for a client that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What works today goes on.
    Spare(Why),
    /// It ends, by this stage.
    Refuse(Why, Stage),
}

impl Rollout {
    /// What this client gets at `now`.
    ///
    /// Exemptions come first, because a use of one shows that its owner still needs it. A pause
    /// comes before the schedule, the cut included: an operator who pauses knows why.
    pub fn decide(&self, facts: &Facts<'_>, now: Moment) -> Fate {
        if self.needs_legacy && self.legacy.is_empty() {
            return Fate::Refuse(Why::NoLegacy, Stage::Cut);
        }
        if let Some(exemption) = self.exemptions.find(facts, now.wall) {
            exemption.metrics.used(now.wall.as_second());
            return Fate::Spare(Why::Exempt);
        }
        if self.brake.is_paused(now.wall) {
            return Fate::Spare(Why::Paused);
        }
        let stage = self.schedule.stage(now.wall);
        let why = match stage {
            Stage::Observe => return Fate::Spare(Why::Observe),
            Stage::Cut => return Fate::Refuse(Why::Cut, stage),
            Stage::Ramp { .. } => Why::Ramp,
            Stage::Brownout { ramp, .. } if self.share.has(facts.client, ramp) => Why::Ramp,
            Stage::Brownout { .. } => Why::Brownout,
        };
        if !self.share.has(facts.client, stage.percent()) {
            return Fate::Spare(Why::Spared);
        }
        match &self.fuse {
            None => Fate::Refuse(why, stage),
            Some(fuse) => {
                let step = self.schedule.key(stage);
                if !self.brake.is_blown() && self.brake.admits(facts.client, now, fuse, step) {
                    Fate::Refuse(why, stage)
                } else {
                    Fate::Spare(Why::Fuse)
                }
            }
        }
    }
}

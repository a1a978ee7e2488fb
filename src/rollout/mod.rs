//! The rollout: from observing who fails a policy to refusing them for good, on a schedule.
//!
//! `snapshot` builds it, `greet` asks [`lane()`] for each hello and `http` asks [`Rollout::decide`]
//! for each request in clear; `control` holds what outlives a reload, and what moves with time. The
//! cores (`schedule`, `share`, `exemptions`, `fuse`) know no socket and read no clock; `clock` is
//! the one place where a rollout asks what time it is.

mod brake;
pub mod calendar;
mod clock;
pub mod control;
mod exemptions;
mod explain;
mod fuse;
mod lane;
mod orders;
mod report;
mod schedule;
mod share;
mod watch;

use std::{collections::HashSet, sync::Arc};

use crate::{
    config::{self, Config, Fuse, LegacyServer, PlainAction, Problem, ProxyVersion},
    files::Files,
    metrics::{Metrics, RolloutMetrics},
};

pub use brake::{Blown, Brake, Pause};
pub use clock::{Clock, Simulated};
pub use control::Control;
pub use exemptions::{Entry, Exemptions, Facts};
pub use lane::{Fate, Lane, Moment, Why, lane};
pub use orders::OrderError;
pub use schedule::{Schedule, Stage};
pub use share::Share;
pub use watch::{Held, InEffect};

/// A file of ten thousand exemptions has less.
const LONGEST: u64 = 16 << 20;

/// One rollout, of TLS or of plain HTTP.
#[derive(Debug)]
pub struct Rollout {
    /// Today's terminators; none: no legacy lane.
    pub legacy: Vec<LegacyServer>,
    /// The PROXY header that these get.
    pub header: Option<ProxyVersion>,
    /// When who is refused.
    pub schedule: Schedule,
    /// Who is spared.
    pub exemptions: Exemptions,
    /// This replica's share of the fuse.
    pub fuse: Option<Fuse>,
    /// What stops it while it runs.
    pub brake: Arc<Brake>,
    share: Share,
    /// Of TLS: without a legacy lane there is nothing that would spare anybody.
    needs_legacy: bool,
}

/// Both rollouts of one configuration.
#[derive(Debug)]
pub struct Rollouts {
    /// `[rollout]`
    pub tls: Rollout,
    /// `[plain_http.rollout]`
    pub plain_http: Option<PlainRollout>,
    /// What time it is for both.
    pub clock: Clock,
}

/// `[plain_http.rollout]`
#[derive(Debug)]
pub struct PlainRollout {
    /// What requests get after the cut.
    pub to: PlainAction,
    /// When who is refused.
    pub rollout: Rollout,
}

impl Rollouts {
    /// As configured, with the state that `control` keeps; also gives what is doubtful.
    ///
    /// # Errors
    /// Every problem of the files that it names.
    pub fn build(
        config: &Config,
        control: &Control,
        (files, metrics): (&Files, &Metrics),
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let make = Make { files, metrics: &metrics.rollouts, fleet: &config.fleet };
        let mut problems = Vec::new();
        let tls = make.rollout(&config.rollout, control.tls(), true);
        let tls = tls.map_err(|found| problems.extend(found)).ok();
        let plain = config.plain_http.rollout.as_ref().map(|written| {
            let rollout = make.rollout(&written.rollout, control.plain_http(), false)?;
            Ok(PlainRollout { to: written.to, rollout })
        });
        let plain_http = plain.transpose().map_err(|found: Vec<_>| problems.extend(found)).ok();
        match (tls, plain_http) {
            (Some(tls), Some(plain_http)) => {
                let rollouts = Self { tls, plain_http, clock: control.clock().clone() };
                let warnings = explain::warnings(config, &rollouts, rollouts.clock.wall());
                Ok((rollouts, warnings))
            }
            _ => Err(problems),
        }
    }

    /// What these would let through again that `before` refuses for good, without saying so.
    #[must_use]
    pub fn loosened(&self, config: &Config, before: &Self) -> Vec<Problem> {
        explain::loosened(config, before, self)
    }

    /// Each, by its configuration key.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Rollout)> {
        let plain = self.plain_http.as_ref().map(|plain| (PLAIN_HTTP, &plain.rollout));
        [(TLS, &self.tls)].into_iter().chain(plain)
    }
}

const TLS: &str = "rollout";
const PLAIN_HTTP: &str = "plain_http.rollout";

/// What rollouts are made with.
struct Make<'a> {
    files: &'a Files,
    metrics: &'a RolloutMetrics,
    fleet: &'a config::Fleet,
}

impl Make<'_> {
    fn rollout(
        &self,
        written: &config::Rollout,
        brake: &Arc<Brake>,
        tls: bool,
    ) -> Result<Rollout, Vec<Problem>> {
        let share = Share::load(written.salt.as_ref(), self.files).map_err(|found| vec![found]);
        let exemptions = self.exemptions(written, tls);
        let (share, exemptions) = match (share, exemptions) {
            (Ok(share), Ok(exemptions)) => (share, exemptions),
            (share, exemptions) => {
                let found = [share.err(), exemptions.err()];
                return Err(found.into_iter().flatten().flatten().collect());
            }
        };
        let scope = if tls { "" } else { "plain HTTP: " };
        let fuse = written.fuse.clone();
        let fuse = fuse.map(|fuse| Fuse { refused: self.fleet.share(fuse.refused), ..fuse });
        Ok(Rollout {
            legacy: written.legacy.clone(),
            header: written.lane.and_then(|lane| lane.proxy_protocol),
            schedule: Schedule::new(&written.schedule),
            exemptions: Exemptions::new(exemptions, scope, self.metrics),
            fuse,
            brake: Arc::clone(brake),
            share,
            needs_legacy: tls,
        })
    }

    /// Those of the configuration and those of its file.
    fn exemptions(
        &self,
        written: &config::Rollout,
        tls: bool,
    ) -> Result<Vec<config::Exemption>, Vec<Problem>> {
        let mut all = written.exemptions.clone();
        if let Some(file) = &written.exemptions_file {
            let bytes = crate::named_file::read(self.files, file, LONGEST);
            let text = String::from_utf8(bytes.map_err(|problem| vec![problem])?);
            let text = text.map_err(|error| {
                let text = format!("{}: {error}", file.path.display());
                vec![Problem { place: file.place.clone(), text }]
            })?;
            let read = config::exemptions(&text, &file.path, tls);
            let read = read.map_err(|problems| problems.0)?;
            let known: HashSet<_> = all.iter().map(config::Exemption::identity).collect();
            let again = read.iter().filter(|one| known.contains(&one.identity()));
            let again: Vec<_> = again.map(twice).collect();
            if !again.is_empty() {
                return Err(again);
            }
            all.extend(read);
        }
        Ok(all)
    }
}

fn twice(exemption: &config::Exemption) -> Problem {
    let text = "found owner and conditions again that the configuration has, expected each \
                exemption once";
    Problem { place: exemption.place.clone(), text: text.to_owned() }
}

#[cfg(test)]
mod tests;

//! The rollouts as JSON: what `/rollout` on the admin port shows.
//!
//! All times are in UTC. It shows what is in force and what comes next, and of each exemption
//! whether it is still needed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Brake, Control, Entry, Moment, Rollout, schedule::moment};
use crate::config::Fuse;

/// Changes that are shown.
const AHEAD: usize = 20;

impl Control {
    /// What `/rollout` shows: `tls`, and `plain_http` where it has a rollout.
    #[must_use]
    pub fn report(&self, now: Moment) -> Value {
        let Some(rollouts) = self.in_force() else { return json!({}) };
        let mut shown = json!({ "now": now.wall.to_string(), "tls": rollouts.tls.report(now) });
        if let (Some(plain), Some(shown)) = (&rollouts.plain_http, shown.as_object_mut()) {
            let mut report = plain.rollout.report(now);
            if let Some(report) = report.as_object_mut() {
                report.remove("legacy");
                report.insert("to".into(), json!(plain.to));
            }
            shown.insert("plain_http".into(), report);
        }
        shown
    }
}

impl Rollout {
    fn report(&self, moment: Moment) -> Value {
        let now = moment.wall;
        let in_effect = self.in_effect(now);
        let changes = self.schedule.changes(now).take(AHEAD).map(|(at, stage)| {
            json!({
                "at": at.to_string(),
                "stage": stage.kind().as_str(),
                "percent": stage.percent(),
                "step": self.schedule.key(stage),
            })
        });
        let pause = self.brake.pause(now).map(
            |pause| json!({ "until": pause.until.to_string(), "by": pause.by, "why": pause.why }),
        );
        let exemptions: Vec<_> =
            self.exemptions.iter().map(|entry| exemption(entry, now)).collect();
        json!({
            "stage": in_effect.stage.kind().as_str(),
            "percent": in_effect.stage.percent(),
            "step": self.schedule.key(in_effect.stage),
            "by": in_effect.held.as_str(),
            "scheduled": self.schedule.stage(now).kind().as_str(),
            "legacy": self.legacy,
            "next": changes.collect::<Vec<_>>(),
            "pause": pause,
            "fuse": self.fuse.as_ref().map(|fuse| fuse_report(fuse, &self.brake, moment)),
            "exemptions": exemptions,
        })
    }
}

fn fuse_report(fuse: &Fuse, brake: &Brake, now: Moment) -> Value {
    let blown = brake.blown().map(
        |blown| json!({ "since": blown.since.to_string(), "step": blown.step, "most": blown.most }),
    );
    let most = usize::try_from(fuse.refused).unwrap_or(usize::MAX);
    json!({
        "most": most,
        "within_seconds": fuse.within.as_secs(),
        // The one that was too many has been spared.
        "refused": brake.refused(now.monotonic).min(most),
        "blown": blown,
    })
}

fn exemption(entry: &Entry, now: Timestamp) -> Value {
    let state = match (entry.is_active(now), entry.metrics.uses()) {
        (false, _) => "ended",
        (true, 0) => "unused",
        (true, _) => "used",
    };
    let last = entry.metrics.last().and_then(moment);
    let mut shown = serde_json::to_value(&entry.written).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("exemption".into(), json!(entry.metrics.label));
        shown.insert("state".into(), json!(state));
        shown.insert("uses".into(), json!(entry.metrics.uses()));
        shown.insert("last_used".into(), json!(last.map(|at| at.to_string())));
    }
    shown
}

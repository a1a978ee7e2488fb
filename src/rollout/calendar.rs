//! The next changes of each rollout as text, in UTC: what `tlsfloor check` prints.
//!
//! Pure; the caller says what time it is.

use jiff::Timestamp;

use super::{Rollout, Rollouts, Stage};
use crate::config::ProxyVersion;

/// Changes that are printed.
const SHOWN: usize = 20;

/// Changes that are counted beyond them.
const COUNTED: usize = 100_000;

/// The calendar, one line each; nothing where nothing is scheduled.
#[must_use]
pub fn lines(rollouts: &Rollouts, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if rollouts.tls.legacy.is_empty() {
        lines.push(
            "rollout: no legacy lane; whoever fails the floor is refused at once, by an alert, \
             at any time"
                .to_owned(),
        );
    } else {
        let servers: Vec<_> = rollouts.tls.legacy.iter().map(ToString::to_string).collect();
        lines.push(format!("rollout: whoever is spared goes to {}", servers.join(", ")));
        lines.extend(rollouts.tls.header.map(needs));
        calendar("rollout", &rollouts.tls, now, &mut lines);
    }
    if let Some(plain) = &rollouts.plain_http {
        let to = serde_json::to_value(plain.to).unwrap_or_default();
        let to = to.as_str().unwrap_or_default();
        lines.push(format!("plain_http.rollout: from forward to {to}"));
        calendar("plain_http.rollout", &plain.rollout, now, &mut lines);
    }
    lines
}

/// What has to be configured at the terminator, which would else take the header for a bad hello.
fn needs(version: ProxyVersion) -> String {
    let (version, since) = match version {
        ProxyVersion::V1 => (1, ""),
        // Before, it takes no more than 107 bytes of a header, and ours has a JA4.
        ProxyVersion::V2 => (2, " from 1.23.3 on, before that \"v1\" is needed"),
    };
    format!(
        "rollout: it has to expect a PROXY header, version {version} (nginx{since}: `listen 443 \
         ssl proxy_protocol;`, HAProxy: `bind :443 ssl accept-proxy`), unless \
         rollout.proxy_protocol is \"none\""
    )
}

fn calendar(name: &str, rollout: &Rollout, now: Timestamp, lines: &mut Vec<String>) {
    let schedule = &rollout.schedule;
    let line = |at: Timestamp, stage: Stage| {
        let (kind, percent) = (stage.kind(), stage.percent());
        let line = format!("  {at}  {:<8}  {percent:>3} %  {}", kind.as_str(), schedule.key(stage));
        line.trim_end().to_owned()
    };
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    lines.push(format!(
        "{name}: now, and the next changes (in UTC, with the share that is refused)"
    ));
    lines.push(line(seconds, schedule.stage(now)));
    let mut changes = schedule.changes(now);
    lines.extend(changes.by_ref().take(SHOWN).map(|(at, stage)| line(at, stage)));
    let rest: Vec<_> = changes.take(COUNTED + 1).map(|(at, _)| at).collect();
    match rest.last() {
        None => {}
        Some(_) if rest.len() > COUNTED => {
            lines.push(format!("  and more than {COUNTED} changes after these"));
        }
        Some(last) => lines.push(format!("  and {} more, the last at {last}", rest.len())),
    }
}

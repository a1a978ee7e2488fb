//! What is said of rollouts: events as time goes by, explanations, the calendar.

use std::{sync::Arc, time::Duration};

use super::{LEGACY, Process, at};
use crate::rollout::{
    calendar,
    watch::{Event, Note, Watch},
};

/// The stages that a watch tells of, as `from>to by step`.
fn stages(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match event {
        Event::Stage { from, to, step, at, .. } => {
            Some(format!("{}>{} by {} {step} {at}", from.stage.kind(), to.stage.kind(), to.held))
        }
        Event::Exemption { .. } => None,
    });
    told.collect()
}

#[test]
fn each_move_is_told_once_whatever_moved_it() {
    let process = Process::new(
        r#"
        cut = 2027-03-01T09:00:00Z
        brownouts = [{ from = 2027-01-12T10:00:00Z, lasts = "1h" }]
        "#,
    );
    let mut watch = Watch::default();
    let mut look = |when: &str| stages(&watch.look(&process.rollouts, at(when)));
    let first = ["observe>observe by schedule  2027-01-12T09:59:58Z"];
    assert_eq!(look("2027-01-12T09:59:58Z"), first, "where the process began");
    assert_eq!(look("2027-01-12T09:59:59.5Z").len(), 0);
    let begins = "observe>brownout by schedule rollout.brownouts[0] 2027-01-12T10:00:00Z";
    assert_eq!(look("2027-01-12T10:00:00.7Z"), [begins]);
    assert_eq!(look("2027-01-12T10:00:01.7Z").len(), 0);
    let order = br#"{"by": "ann", "why": "w", "until": "2027-01-12T10:30:00Z"}"#;
    process.control.pause(order, at("2027-01-12T10:10:00Z")).unwrap();
    assert_eq!(look("2027-01-12T10:10:00Z"), ["brownout>observe by paused  2027-01-12T10:10:00Z"]);
    let again = "observe>brownout by schedule rollout.brownouts[0] 2027-01-12T10:30:00Z";
    assert_eq!(look("2027-01-12T10:30:00Z"), [again]);
    // A clock that jumps, and one that jumps back.
    let cut = "brownout>cut by schedule rollout.cut 2027-03-01T09:00:00Z";
    assert_eq!(look("2027-03-05T00:00:00Z"), [cut]);
    let back = "cut>brownout by schedule rollout.brownouts[0] 2027-01-12T10:45:00Z";
    assert_eq!(look("2027-01-12T10:45:00Z"), [back]);
}

#[test]
fn exemptions_are_warned_of_ahead_and_at_the_end_and_their_uses_told_each_minute() {
    let process = Process::new(
        "[[rollout.exemptions]]\nclients = [\"198.51.100.0/24\"]\nowner = \"acme\"\n\
         reason = \"r\"\nexpires = 2027-06-15T00:00:00Z\n",
    );
    let mut watch = Watch::default();
    let mut look = |when: &str| -> Vec<(Note, u64, u64)> {
        let events = watch.look(&process.rollouts, at(when));
        let notes = events.into_iter().filter_map(|event| match event {
            Event::Exemption { note, count, uses, .. } => Some((note, count, uses)),
            Event::Stage { .. } => None,
        });
        notes.collect()
    };
    assert_eq!(look("2027-05-31T23:59:00Z"), [(Note::Unused, 0, 0)]);
    process.why("198.51.100.9", "2027-05-31T23:59:10Z");
    process.why("198.51.100.9", "2027-05-31T23:59:20Z");
    assert_eq!(look("2027-05-31T23:59:59Z"), [], "a minute is not over");
    assert_eq!(look("2027-06-01T00:00:00Z"), [(Note::Used, 2, 2), (Note::EndsSoon, 0, 2)]);
    process.why("198.51.100.9", "2027-06-02T00:00:00Z");
    assert_eq!(look("2027-06-02T00:00:00Z"), [(Note::Used, 1, 3)]);
    assert_eq!(look("2027-06-14T23:59:00Z"), []);
    assert_eq!(look("2027-06-15T00:00:00Z"), [(Note::Ended, 0, 3)]);
    assert_eq!(look("2027-06-16T00:00:00Z"), []);
}

#[test]
fn uses_of_the_last_seconds_are_told_at_the_end() {
    let process = Process::new(
        "[[rollout.exemptions]]\nclients = [\"198.51.100.0/24\"]\nowner = \"acme\"\n\
         reason = \"r\"\nexpires = 2027-06-15T00:00:00Z\n",
    );
    let mut watch = Watch::default();
    watch.look(&process.rollouts, at("2027-05-01T00:00:00Z"));
    process.why("198.51.100.9", "2027-05-01T00:00:10Z");
    let last = watch.last_look(&process.rollouts, at("2027-05-01T00:00:20Z"));
    assert!(matches!(&last[..], [Event::Exemption { note: Note::Used, count: 1, .. }]), "{last:?}");
    assert!(watch.last_look(&process.rollouts, at("2027-05-01T00:00:21Z")).is_empty());
}

/// What stands before `[rollout]`, its keys, and what is said of them.
const SURPRISES: &[(&str, &str, &str)] = &[
    (
        "",
        "cut = 2020-03-01T09:00:00Z",
        "rollout.cut: has passed: in force since 2020-03-01T09:00:00Z",
    ),
    ("", "cut = 2127-03-01T09:00:00Z", "rollout.cut: comes without a brownout or a ramp before it"),
    (
        "",
        "cut = 2127-03-01T09:00:00Z\nbrownouts = [{ from = 2127-02-01T00:00:00Z, lasts = \"1h\" }]",
        "rollout.cut: comes 28 days after the last brownout (2127-02-01T01:00:00Z)",
    ),
    (
        "",
        "cut = 2127-03-01T09:00:00Z\nbrownouts = [{ from = 2127-03-01T09:00:00Z, lasts = \"1h\" }]",
        "rollout.brownouts[0]: has no effect: it begins after the cut",
    ),
    (
        "",
        "cut = 2127-03-01T09:00:00Z\nbrownouts = [{ from = 2127-03-01T08:00:00Z, lasts = \"2h\" }]",
        "rollout.brownouts[0]: goes on after the cut",
    ),
    (
        "",
        "cut = 2127-03-01T09:00:00Z\nallow_loosening = true\nramp = [{ at = 2127-04-01T00:00:00Z, percent = 5 }]",
        "rollout.ramp[0]: takes the cut of 2127-03-01T09:00:00Z back: 5 percent",
    ),
    (
        "",
        "brownouts = [{ from = 2127-01-01T00:00:00Z, until = 2127-02-01T00:00:00Z, every = \"1h\", lasts = \"10m\", percent = 20 },\n\
             { from = 2127-01-12T10:05:00Z, lasts = \"20m\" }]",
        "rollout.brownouts[1]: overlaps rollout.brownouts[0] at 2127-01-12T10:05:00Z; of the two the larger share counts, 100 percent",
    ),
    (
        "",
        "ramp = [{ at = 2127-02-01T00:00:00Z, percent = 5 }]",
        "rollout: has shares and no salt: a restart chooses other clients; set rollout.salt",
    ),
    (
        "[fleet]\nreplicas = 3\n",
        "ramp = [{ at = 2127-02-01T00:00:00Z, percent = 5 }]",
        "and 3 replicas would each refuse another share",
    ),
    (
        "",
        "[[rollout.exemptions]]\nclients = [\"10.0.0.0/8\"]\nowner = \"acme\"\nreason = \"r\"\nexpires = 2020-01-01T00:00:00Z",
        "rollout.exemptions[0]: has no effect: it ended at 2020-01-01T00:00:00Z (owner acme); delete it",
    ),
];

#[test]
fn what_may_surprise_is_explained() {
    for (before, keys, said) in SURPRISES {
        let process = Process::with(&format!("{before}[rollout]\n{LEGACY}{keys}"));
        assert!(process.warned(said), "{said}\nnot in\n{}", process.warnings.join("\n"));
    }
    let process = Process::with("[rollout]\ncut = 2127-03-01T09:00:00Z");
    assert!(process.warned("rollout.cut: has no effect without rollout.legacy"));
    let quiet = Process::new(
        "salt = \"s\"\ncut = 2127-03-01T09:00:00Z\nramp = [{ at = 2127-02-01T00:00:00Z, percent = 5 }]\n\
         brownouts = [{ from = 2127-01-01T00:00:00Z, until = 2127-02-01T00:00:00Z, every = \"1h\", lasts = \"10m\" },\n\
                      { from = 2127-01-01T00:30:00Z, until = 2127-02-01T00:00:00Z, every = \"1h\", lasts = \"10m\" }]",
    );
    assert!(quiet.warnings.is_empty(), "{:?}", quiet.warnings);
}

#[test]
fn the_calendar_has_the_next_changes_in_utc_and_counts_the_rest() {
    let process = Process::new(
        "cut = 2027-03-01T10:00:00+01:00\n\
         brownouts = [{ from = 2027-02-01T01:00:00+01:00, until = 2027-03-01T00:00:00Z, every = \"1h\", lasts = \"10m\" }]",
    );
    let lines = calendar::lines(&process.rollouts, at("2027-01-01T00:00:00Z"));
    let expected = [
        "rollout: whoever is spared goes to 10.0.0.9:443",
        "rollout: it has to expect a PROXY header, version 2 (nginx from 1.23.3 on, before that \"v1\" is needed: \
         `listen 443 ssl proxy_protocol;`, HAProxy: `bind :443 ssl accept-proxy`), unless \
         rollout.proxy_protocol is \"none\"",
        "rollout: now, and the next changes (in UTC, with the share that is refused)",
        "  2027-01-01T00:00:00Z  observe     0 %",
        "  2027-02-01T00:00:00Z  brownout  100 %  rollout.brownouts[0]",
        "  2027-02-01T00:10:00Z  observe     0 %",
    ];
    assert_eq!(lines[..6], expected);
    assert_eq!(lines.len(), 4 + 20 + 1);
    let rest = 28 * 24 * 2 + 1 - 20;
    assert_eq!(lines[24], format!("  and {rest} more, the last at 2027-03-01T09:00:00Z"));
    let bare = calendar::lines(&Process::with("").rollouts, at("2027-01-01T00:00:00Z"));
    assert!(bare[0].contains("refused at once"), "{bare:?}");
}

#[tokio::test(start_paused = true)]
async fn the_control_thread_keeps_the_gauges() {
    let process = Process::new("cut = 2020-03-01T09:00:00Z");
    let run = Arc::clone(&process.control).run();
    let ended = tokio::time::timeout(Duration::from_secs(200), run).await;
    assert!(ended.is_err(), "it goes on until it is dropped");
    let text = process.metrics.encode();
    assert!(text.contains("tlsfloor_rollout_stage{stage=\"cut\"} 1"), "{text}");
    assert!(text.contains("tlsfloor_rollout_percent 100"), "{text}");
}

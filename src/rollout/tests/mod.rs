//! Whole rollouts, as a configuration writes them: who gets which lane at which time, and what
//! operators can do about it.

mod telling;

use std::{net::IpAddr, path::Path, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{Control, Facts, Fate, Held, Lane, Moment, OrderError, Rollouts, Stage, Why, lane};
use crate::{
    config,
    files::Files,
    hello::Alert,
    metrics::Metrics,
    policy::{Failure, Reason, Verdict},
};

/// A process with one configuration in force.
struct Process {
    control: Arc<Control>,
    rollouts: Arc<Rollouts>,
    warnings: Vec<String>,
    metrics: Arc<Metrics>,
    start: Instant,
}

const LEGACY: &str = "legacy = \"10.0.0.9:443\"\n";

fn config(sections: &str) -> config::Config {
    let text = format!(
        "[tls]\ncertificates = [{{ chain = \"c\", key = \"k\" }}]\n\
         [[upstreams]]\nname = \"a\"\nservers = [\"http://127.0.0.1:1\"]\n{sections}\n"
    );
    let config = config::parse(&text, Path::new("t.toml"));
    config.unwrap_or_else(|problems| panic!("{problems}"))
}

impl Process {
    fn new(rollout: &str) -> Self {
        Self::with(&format!("[rollout]\n{LEGACY}{rollout}"))
    }

    fn with(sections: &str) -> Self {
        let metrics = Metrics::new(1);
        let control = Arc::new(Control::new(&metrics));
        let (rollouts, warnings) = build(sections, &control, &metrics);
        control.enter(&rollouts);
        Self { control, rollouts, warnings, metrics, start: Instant::now() }
    }

    fn reload(&mut self, rollout: &str) {
        let sections = format!("[rollout]\n{LEGACY}{rollout}");
        (self.rollouts, self.warnings) = build(&sections, &self.control, &self.metrics);
        self.control.enter(&self.rollouts);
    }

    fn report(&self, when: &str) -> Value {
        self.control.report(Moment { wall: at(when), monotonic: self.start })
    }

    fn fate(&self, client: &str, at: Timestamp) -> Fate {
        let now = Moment { wall: at, monotonic: self.start };
        self.rollouts.tls.decide(&Facts::new(client.parse().unwrap(), None), now)
    }

    fn why(&self, client: &str, when: &str) -> &'static str {
        match self.fate(client, at(when)) {
            Fate::Spare(why) | Fate::Refuse(why, _) => why.as_str(),
        }
    }

    fn warned(&self, of: &str) -> bool {
        self.warnings.iter().any(|warning| warning.contains(of))
    }
}

fn build(
    sections: &str,
    control: &Control,
    metrics: &Arc<Metrics>,
) -> (Arc<Rollouts>, Vec<String>) {
    let built = Rollouts::build(&config(sections), control, (&Files::default(), metrics));
    let (rollouts, warnings) = built.unwrap_or_else(|problems| panic!("{problems:?}"));
    (Arc::new(rollouts), warnings.iter().map(ToString::to_string).collect())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const CLIENT: &str = "203.0.113.7";
const JANUARY: &str = "2027-01-12T10:00:00Z";

#[test]
fn each_stage_has_its_lane_and_its_reason() {
    let process = Process::new(
        r#"
        cut = 2027-03-01T09:00:00Z
        salt = "tls12-2027"
        ramp = [{ at = 2027-02-01T00:00:00Z, percent = 50 }]
        brownouts = [{ from = 2027-01-12T10:00:00Z, lasts = "1h" },
                     { from = 2027-02-12T10:00:00Z, lasts = "1h" }]
        [[rollout.exemptions]]
        clients = ["198.51.100.0/24"]
        owner = "acme"
        reason = "contract 4711"
        expires = 2027-06-01T00:00:00Z
        "#,
    );
    // By the salt, one has its place in the first half and the other has not.
    let client = |why: &str| {
        let mut clients = (0..255).map(|n| format!("203.0.{n}.7"));
        clients.find(|one| process.why(one, "2027-02-01T00:00:00Z") == why).unwrap()
    };
    let (early, late) = (client("ramp"), client("spared"));
    for (when, in_ramp, after) in [
        ("2027-01-12T09:59:59Z", "observe", "observe"),
        (JANUARY, "brownout", "brownout"),
        ("2027-01-12T11:00:00Z", "observe", "observe"),
        ("2027-02-01T00:00:00Z", "ramp", "spared"),
        ("2027-02-12T10:00:00Z", "ramp", "brownout"),
        ("2027-03-01T08:59:59Z", "ramp", "spared"),
        ("2027-03-01T09:00:00Z", "cut", "cut"),
    ] {
        assert_eq!(process.why(&early, when), in_ramp, "{when}");
        assert_eq!(process.why(&late, when), after, "{when}");
        assert_eq!(process.why("198.51.100.9", when), "exempt", "{when}");
    }
    assert_eq!(process.why("198.51.100.9", "2027-06-01T00:00:00Z"), "cut", "it has ended");
}

#[test]
fn a_client_that_holds_the_floor_is_served_and_no_clock_is_read() {
    let process = Process::new("cut = 2020-01-01T00:00:00Z");
    let facts = Facts::new(CLIENT.parse().unwrap(), None);
    let never = || panic!("a clock was read");
    assert_eq!(lane(&process.rollouts.tls, never, &facts, Verdict::Pass), Lane::Serve);
    let failure = Failure { reason: Reason::Version, alert: Alert::ProtocolVersion };
    let failed = |process: &Process| {
        lane(&process.rollouts.tls, || process.rollouts.clock.now(), &facts, Verdict::Fail(failure))
    };
    assert_eq!(failed(&process), Lane::Refuse(failure, Why::Cut));
    assert_eq!(failed(&Process::new("")), Lane::Legacy(failure, Why::Observe));
    assert_eq!(failed(&Process::with("")), Lane::Refuse(failure, Why::NoLegacy));
}

/// Two brownouts and the cut, with a fuse.
fn fused(rearm: &str) -> String {
    format!(
        "cut = 2027-03-01T09:00:00Z\n\
         brownouts = [{{ from = 2027-01-12T10:00:00Z, lasts = \"1h\" }},\n\
                      {{ from = 2027-01-19T10:00:00Z, lasts = \"1h\" }}]\n\
         fuse = {{ refused = 3, within = \"1m\"{rearm} }}\n"
    )
}

const LATER: &str = "2027-01-19T10:00:00Z";

#[test]
fn a_fuse_that_blows_stops_brownouts_and_ramp_and_never_the_cut() {
    let process = Process::new(&fused(""));
    for n in 1..=3 {
        assert_eq!(process.why(&format!("10.0.0.{n}"), JANUARY), "brownout");
    }
    assert_eq!(process.why("10.0.0.1", JANUARY), "brownout", "the same client again");
    assert_eq!(process.why("10.0.0.4", JANUARY), "fuse");
    assert_eq!(process.why("10.0.0.1", JANUARY), "fuse", "nobody is refused any more");
    let effect = process.rollouts.tls.in_effect(at(JANUARY));
    assert_eq!((effect.stage, effect.held), (Stage::Observe, Held::Fuse));
    assert_eq!(process.why("10.0.0.1", LATER), "fuse", "the next step is stopped too");
    assert_eq!(process.why("10.0.0.1", "2027-03-01T09:00:00Z"), "cut");
    let report = process.report(LATER);
    assert_eq!(report["tls"]["fuse"]["blown"]["step"], "rollout.brownouts[0]", "{report}");
}

#[test]
fn a_fuse_that_has_blown_is_rearmed_by_order_and_by_a_reload_that_says_so() {
    let mut process = Process::new(&fused(""));
    let blow = |process: &Process| {
        let each: Vec<_> = (1..=4).map(|n| process.why(&format!("10.0.0.{n}"), LATER)).collect();
        assert_eq!(each, ["brownout", "brownout", "brownout", "fuse"]);
    };
    blow(&process);
    process.reload(&fused(""));
    assert_eq!(process.why("10.0.0.1", LATER), "fuse", "a reload that does not say so");
    process.reload(&fused(", rearm = \"2027-01-18\""));
    assert_eq!(process.why("10.0.0.1", LATER), "brownout");
    blow(&process);
    process.control.rearm(br#"{"by": "ann", "why": "they were ours"}"#).unwrap();
    assert_eq!(process.why("10.0.0.1", LATER), "brownout");
    let again = process.control.rearm(br#"{"by": "ann", "why": "once more"}"#);
    assert!(matches!(again, Err(OrderError::Nothing(_))), "{again:?}");
}

#[test]
fn without_a_legacy_lane_all_that_fail_are_refused_and_that_is_shown() {
    let process = Process::with("");
    assert_eq!(process.why(CLIENT, JANUARY), "no_legacy");
    let text = process.metrics.encode();
    assert!(text.contains("tlsfloor_rollout_percent 100"), "{text}");
    let report = process.report(JANUARY);
    assert_eq!(report["tls"]["by"], "no_legacy", "{report}");
    let order = br#"{"by": "ann", "why": "w", "for": "1h"}"#;
    let paused = process.control.pause(order, at(JANUARY));
    assert!(matches!(paused, Err(OrderError::NoRollout)), "{paused:?}");
}

#[test]
fn a_fuse_is_shared_out_among_the_replicas() {
    let sections = format!(
        "[rollout]\n{LEGACY}fuse = {{ refused = 10, within = \"1m\" }}\n[fleet]\nreplicas = 3\n"
    );
    let process = Process::with(&sections);
    assert_eq!(process.rollouts.tls.fuse.as_ref().unwrap().refused, 4);
}

#[test]
fn a_pause_holds_to_its_end_the_cut_included() {
    let process = Process::new("cut = 2027-03-01T09:00:00Z");
    let now = at("2027-03-02T00:00:00Z");
    let order = br#"{"by": "ann", "why": "payments are down", "for": "2h"}"#;
    let answer = process.control.pause(order, now).unwrap();
    assert_eq!(answer["paused_until"], "2027-03-02T02:00:00Z");
    assert_eq!(process.why(CLIENT, "2027-03-02T01:59:59Z"), "paused");
    assert_eq!(process.why(CLIENT, "2027-03-02T02:00:00Z"), "cut");
    let report = process.report("2027-03-02T01:00:00Z");
    assert_eq!(report["tls"]["pause"]["by"], "ann", "{report}");
    assert_eq!(
        (&report["tls"]["stage"], &report["tls"]["by"]),
        (&"observe".into(), &"paused".into())
    );
    assert_eq!(report["tls"]["scheduled"], "cut");
    let resume = br#"{"by": "bob", "why": "they are back", "rollout": "tls"}"#;
    process.control.resume(resume, at("2027-03-02T01:00:00Z")).unwrap();
    assert_eq!(process.why(CLIENT, "2027-03-02T01:00:00Z"), "cut");
    assert!(matches!(process.control.resume(resume, now), Err(OrderError::Nothing(_))));
}

#[test]
fn what_is_no_order_changes_nothing() {
    let process = Process::new("cut = 2027-03-01T09:00:00Z");
    let now = at("2027-03-02T00:00:00Z");
    for (order, said) in [
        ("", "not as expected"),
        ("{}", "\"by\" is missing"),
        (r#"{"by": "a"}"#, "\"why\" is missing"),
        (r#"{"by": " ", "why": "b", "for": "1h"}"#, "\"by\" is missing"),
        (r#"{"by": "a\nb", "why": "b", "for": "1h"}"#, "\"by\" is missing"),
        (r#"{"by": "a", "why": "b"}"#, "either \"until\""),
        (r#"{"by": "a", "why": "b", "for": "1h", "until": "2027-03-02T01:00:00Z"}"#, "either"),
        (r#"{"by": "a", "why": "b", "for": "soon"}"#, "either \"until\""),
        (r#"{"by": "a", "why": "b", "until": "2027-03-02"}"#, "either \"until\""),
        (r#"{"by": "a", "why": "b", "until": "2027-03-02T00:00:00Z"}"#, "31 days ahead"),
        (r#"{"by": "a", "why": "b", "for": "32d"}"#, "31 days ahead"),
        (r#"{"by": "a", "why": "b", "for": "1h", "rollout": "plain_http"}"#, "no such rollout"),
        (r#"{"by": "a", "why": "b", "for": "1h", "rollout": "quic"}"#, "not as expected"),
        (r#"{"by": "a", "why": "b", "for": "1h", "force": true}"#, "not as expected"),
    ] {
        let error = process.control.pause(order.as_bytes(), now).unwrap_err().to_string();
        assert!(error.contains(said), "{order}: {error}");
    }
    assert_eq!(process.why(CLIENT, "2027-03-02T00:00:00Z"), "cut");
}

#[test]
fn uses_of_exemptions_outlive_reloads_and_unused_ones_are_listed() {
    let keys = |reason: &str| {
        format!(
            "[[rollout.exemptions]]\nclients = [\"198.51.100.0/24\"]\nowner = \"acme\"\n\
             reason = \"{reason}\"\nexpires = 2027-06-01T00:00:00Z\n\
             [[rollout.exemptions]]\nclients = [\"192.0.2.0/24\"]\nowner = \"idle\"\n\
             reason = \"r\"\nexpires = 2027-06-01T00:00:00Z\n"
        )
    };
    let mut process = Process::new(&keys("contract 4711"));
    process.why("198.51.100.9", JANUARY);
    process.reload(&keys("contract 4712"));
    process.why("198.51.100.10", "2027-01-12T11:00:00Z");
    let report = process.report(JANUARY);
    let listed = |n: usize, key: &str| report["tls"]["exemptions"][n][key].clone();
    assert_eq!((listed(0, "uses"), listed(0, "state")), (Value::from(2), Value::from("used")));
    assert_eq!(listed(0, "last_used"), "2027-01-12T11:00:00Z");
    assert_eq!(listed(0, "reason"), "contract 4712");
    assert_eq!((listed(1, "uses"), listed(1, "state")), (Value::from(0), Value::from("unused")));
    let text = process.metrics.encode();
    let series = "tlsfloor_exemption_uses_total{exemption=\"acme 198.51.100.0/24\"} 2";
    assert!(text.contains(series), "{text}");
    let series =
        "tlsfloor_exemption_expiry_timestamp_seconds{exemption=\"idle 192.0.2.0/24\"} 1811808000";
    assert!(text.contains(series), "{text}");
}

#[test]
fn plain_http_has_the_same_machine_and_brakes_of_its_own() {
    let process = Process::with(
        "[plain_http.rollout]\nto = \"refuse\"\ncut = 2027-03-01T09:00:00Z\n\
         brownouts = [{ from = 2027-01-12T10:00:00Z, lasts = \"1h\" }]\n\
         [[plain_http.rollout.exemptions]]\nclients = [\"198.51.100.0/24\"]\nowner = \"acme\"\n\
         reason = \"r\"\nexpires = 2027-06-01T00:00:00Z\n",
    );
    let plain = process.rollouts.plain_http.as_ref().unwrap();
    let fate = |client: &str, when: &str| {
        let client: IpAddr = client.parse().unwrap();
        let now = Moment { wall: at(when), monotonic: process.start };
        plain.rollout.decide(&Facts::new(client, None), now)
    };
    assert_eq!(fate(CLIENT, "2027-01-12T09:59:59Z"), Fate::Spare(Why::Observe));
    assert!(matches!(fate(CLIENT, JANUARY), Fate::Refuse(Why::Brownout, _)));
    assert_eq!(fate("198.51.100.9", JANUARY), Fate::Spare(Why::Exempt));
    assert!(matches!(fate(CLIENT, "2027-03-01T09:00:00Z"), Fate::Refuse(Why::Cut, Stage::Cut)));
    let order = br#"{"by": "ann", "why": "w", "for": "1h", "rollout": "plain_http"}"#;
    process.control.pause(order, at(JANUARY)).unwrap();
    assert_eq!(fate(CLIENT, JANUARY), Fate::Spare(Why::Paused));
    let report = process.report(JANUARY);
    assert_eq!(report["plain_http"]["to"], "refuse");
    let end = plain.rollout.schedule.brownout_end(at(JANUARY));
    assert_eq!(end, Some(at("2027-01-12T11:00:00Z")));
    let text = process.metrics.encode();
    assert!(text.contains("tlsfloor_plain_http_rollout_percent "), "{text}");
}

#[test]
fn a_file_of_exemptions_adds_to_those_of_the_configuration_with_its_own_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exemptions.toml");
    let text = format!(
        "[tls]\ncertificates = [{{ chain = \"c\", key = \"k\" }}]\n[[upstreams]]\nname = \"a\"\n\
         servers = [\"http://127.0.0.1:1\"]\n[rollout]\n{LEGACY}exemptions_file = \"exemptions.toml\"\n"
    );
    let config = config::parse(&text, &folder.path().join("t.toml")).unwrap();
    let metrics = Metrics::new(1);
    let control = Control::new(&metrics);
    // As each load does it, by files of its own.
    let built = |files: &Files| Rollouts::build(&config, &control, (files, &metrics));
    let said = built(&Files::default()).unwrap_err();
    assert!(said[0].to_string().contains("rollout.exemptions_file"), "{said:?}");
    std::fs::write(&file, "[[exemptions]]\nclients = [\"10.0.0.0/8\"]\nowner = \"a\"\n").unwrap();
    let files = Files::default();
    let said: Vec<String> = built(&files).unwrap_err().iter().map(ToString::to_string).collect();
    let path = file.display();
    let expected = format!(
        "{path}:1:1 exemptions[0].expires: found nothing, expected when it ends; an exemption for ever is none"
    );
    assert!(said.contains(&expected), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(files.are_unchanged(), "a reload knows what it has seen");
    std::fs::write(
        &file,
        "[[exemptions]]\nclients = [\"10.0.0.0/8\"]\nowner = \"a\"\nreason = \"r\"\nexpires = 2127-01-01T00:00:00Z\n",
    )
    .unwrap();
    assert!(!files.are_unchanged());
    let (rollouts, _) = built(&Files::default()).unwrap();
    assert_eq!(rollouts.tls.exemptions.iter().count(), 1);
}

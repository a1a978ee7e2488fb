//! Every boundary of a schedule, a second before and at it.

use jiff::Timestamp;

use super::{Schedule, Stage};
use crate::config;

/// A schedule as it is written in `[rollout]`.
pub(in crate::rollout) fn schedule(keys: &str) -> Schedule {
    let text = format!(
        "[tls]\ncertificates = [{{ chain = \"c\", key = \"k\" }}]\n\
         [[upstreams]]\nname = \"a\"\nservers = [\"http://127.0.0.1:1\"]\n\
         [rollout]\nlegacy = \"10.0.0.9:443\"\n{keys}\n"
    );
    let config = config::parse(&text, std::path::Path::new("t.toml"));
    Schedule::new(&config.unwrap_or_else(|problems| panic!("{problems}")).rollout.schedule)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn before(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second() - 1).unwrap()
}

fn brownout(index: usize, percent: u8) -> Stage {
    Stage::Brownout { index, percent, ramp: 0 }
}

/// The changes, by asking for each second in turn.
fn by_walking(schedule: &Schedule, from: &str, seconds: i64) -> Vec<(Timestamp, Stage)> {
    let from = at(from).as_second();
    let moment = |second| Timestamp::from_second(second).unwrap();
    let mut found = Vec::new();
    for second in from + 1..=from + seconds {
        let stage = schedule.stage(moment(second));
        if stage != schedule.stage(moment(second - 1)) {
            found.push((moment(second), stage));
        }
    }
    found
}

#[test]
fn nothing_written_is_observed_for_ever() {
    let schedule = schedule("");
    assert_eq!(schedule.stage(at("2027-01-01T00:00:00Z")), Stage::Observe);
    assert_eq!(schedule.next_change(at("2027-01-01T00:00:00Z")), None);
}

#[test]
fn the_schedule_of_the_announcement() {
    let schedule = schedule(
        r#"
        cut = 2027-03-01T09:00:00Z
        ramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }]
        brownouts = [
          { from = 2027-01-12T10:00:00Z, lasts = "1h" },
          { from = 2027-02-01T00:00:00Z, until = 2027-03-01T00:00:00Z, every = "1h", lasts = "10m" },
        ]
        "#,
    );
    let first: Vec<_> = schedule.changes(at("2027-01-01T00:00:00Z")).take(5).collect();
    let hourly = Stage::Brownout { index: 1, percent: 100, ramp: 5 };
    let ramp = Stage::Ramp { index: 0, percent: 5 };
    let expected = [
        ("2027-01-12T10:00:00Z", brownout(0, 100)),
        ("2027-01-12T11:00:00Z", Stage::Observe),
        ("2027-02-01T00:00:00Z", hourly),
        ("2027-02-01T00:10:00Z", ramp),
        ("2027-02-01T01:00:00Z", hourly),
    ];
    assert_eq!(first, expected.map(|(text, stage)| (at(text), stage)));
    // 28 days of 24 brownouts with two changes each, the first of January, and the cut.
    let all: Vec<_> = schedule.changes(at("2027-01-01T00:00:00Z")).collect();
    assert_eq!(all.len(), 2 + 28 * 24 * 2 + 1);
    assert_eq!(all.last(), Some(&(at("2027-03-01T09:00:00Z"), Stage::Cut)));
    assert_eq!(schedule.key(Stage::Cut), "rollout.cut");
    assert_eq!(schedule.key(hourly), "rollout.brownouts[1]");
}

#[test]
fn a_beginning_is_inside_and_an_end_is_outside() {
    let schedule = schedule(
        r#"
        cut = 2027-03-01T09:00:00Z
        ramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }, { at = 2027-02-08T00:00:00Z, percent = 20 }]
        brownouts = [{ from = 2027-01-12T10:00:00Z, until = 2027-01-12T11:23:00Z, percent = 30 }]
        "#,
    );
    for (moment, earlier, from) in [
        ("2027-01-12T10:00:00Z", Stage::Observe, brownout(0, 30)),
        ("2027-01-12T11:23:00Z", brownout(0, 30), Stage::Observe),
        ("2027-02-01T00:00:00Z", Stage::Observe, Stage::Ramp { index: 0, percent: 5 }),
        (
            "2027-02-08T00:00:00Z",
            Stage::Ramp { index: 0, percent: 5 },
            Stage::Ramp { index: 1, percent: 20 },
        ),
        ("2027-03-01T09:00:00Z", Stage::Ramp { index: 1, percent: 20 }, Stage::Cut),
    ] {
        let moment = at(moment);
        assert_eq!(schedule.stage(before(moment)), earlier, "before {moment}");
        assert_eq!(schedule.stage(moment), from, "at {moment}");
        assert_eq!(schedule.next_change(before(moment)), Some(moment));
        let almost = moment.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap();
        assert_eq!(schedule.stage(almost), earlier, "a nanosecond before {moment}");
    }
    assert_eq!(schedule.next_change(at("2027-03-01T09:00:00Z")), None);
    assert_eq!(schedule.stage(Timestamp::MAX), Stage::Cut);
    assert_eq!(schedule.stage(Timestamp::MIN), Stage::Observe);
}

#[test]
fn every_second_of_overlapping_brownouts_agrees_with_the_calendar() {
    for keys in [
        r#"brownouts = [
            { from = 2027-01-01T00:00:00Z, until = 2027-01-01T01:00:00Z, every = "7m", lasts = "2m", percent = 50 },
            { from = 2027-01-01T00:01:00Z, until = 2027-01-01T00:50:00Z, every = "11m", lasts = "3m", percent = 80 },
            { from = 2027-01-01T00:20:00Z, lasts = "10m", percent = 60 },
            { from = 2027-01-01T00:25:00Z, lasts = "15m", percent = 60 },
            { from = 2027-01-01T00:19:00Z, lasts = "3m", percent = 60 },
        ]"#,
        r#"cut = 2027-01-01T00:55:00Z
        ramp = [{ at = 2027-01-01T00:10:00Z, percent = 55 }, { at = 2027-01-01T00:40:00Z, percent = 90 }]
        brownouts = [
            { from = 2027-01-01T00:00:00Z, every = "7m", lasts = "2m", percent = 50 },
            { from = 2027-01-01T00:05:00Z, until = 2027-01-01T00:58:00Z, percent = 70 },
        ]"#,
        r#"cut = 2027-01-01T00:10:00Z
        allow_loosening = true
        ramp = [{ at = 2027-01-01T00:05:00Z, percent = 55 }, { at = 2027-01-01T00:20:00Z, percent = 0 },
                { at = 2027-01-01T00:40:00Z, percent = 90 }]
        brownouts = [{ from = 2027-01-01T00:00:00Z, until = 2027-01-01T01:00:00Z, every = "13m", lasts = "5m" }]"#,
    ] {
        let schedule = schedule(keys);
        let from = "2026-12-31T23:59:00Z";
        let walked = by_walking(&schedule, from, 3900);
        assert!(walked.len() > 5, "{walked:?}");
        let asked: Vec<_> = schedule.changes(at(from)).collect();
        assert_eq!(asked, walked, "{keys}");
    }
}

#[test]
fn the_last_of_many_ends_where_all_end() {
    let schedule = schedule(
        r#"brownouts = [{ from = 2027-01-01T00:00:00Z, until = 2027-01-01T02:05:00Z, every = "1h", lasts = "10m" }]"#,
    );
    let last = schedule.changes(at("2027-01-01T01:30:00Z")).map(|(at, _)| at);
    let expected = ["2027-01-01T02:00:00Z", "2027-01-01T02:05:00Z"].map(at);
    assert_eq!(last.collect::<Vec<_>>(), expected);
    assert_eq!(schedule.windows()[0].over(), at("2027-01-01T02:05:00Z").as_second());
    assert_eq!(schedule.windows()[0].at_or_after(at("2027-01-01T02:05:00Z").as_second()), None);
}

#[test]
fn offsets_are_the_moments_that_they_mean() {
    // Berlin changes to summer time on 2027-03-28, and the hour before is 60 minutes long in UTC.
    let schedule = schedule(
        r#"
        brownouts = [{ from = 2027-03-28T01:30:00+01:00, until = 2027-03-28T03:30:00+02:00 }]
        cut = 2027-03-29T11:00:00+02:00
        "#,
    );
    let changes: Vec<String> =
        schedule.changes(at("2027-03-01T00:00:00Z")).map(|(at, _)| at.to_string()).collect();
    let utc = ["2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T09:00:00Z"];
    assert_eq!(changes, utc);
}

#[test]
fn a_leap_day_is_a_day() {
    let schedule = schedule(
        r#"brownouts = [{ from = 2028-02-28T09:00:00Z, until = 2028-03-02T00:00:00Z, every = "1d", lasts = "1h" }]"#,
    );
    let begins: Vec<String> = schedule
        .changes(at("2028-02-01T00:00:00Z"))
        .filter(|(_, stage)| *stage != Stage::Observe)
        .map(|(at, _)| at.to_string())
        .collect();
    assert_eq!(begins, ["2028-02-28T09:00:00Z", "2028-02-29T09:00:00Z", "2028-03-01T09:00:00Z"]);
}

#[test]
fn ten_years_of_minutes_are_asked_by_division() {
    let schedule = schedule(
        r#"brownouts = [{ from = 2027-01-01T00:00:00Z, until = 2037-01-01T00:00:00Z, every = "60s", lasts = "10s", percent = 10 },
                        { from = 2027-01-01T00:00:00Z, until = 2036-12-31T00:00:00Z, percent = 20 }]"#,
    );
    // The stronger one covers millions of changes of the weaker.
    let next = schedule.next_change(at("2027-01-01T00:00:00Z"));
    assert_eq!(next, Some(at("2036-12-31T00:00:00Z")));
    assert_eq!(schedule.stage(next.unwrap()), brownout(0, 10));
}

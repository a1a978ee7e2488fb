//! Where the rollout stood, and when its brownouts were.
//!
//! Every replica says each move, some a moment later than others and in no order of files; a
//! brownout is from the first that began it to the first that ended it.

use serde::Serialize;

use super::{
    moment::Moment,
    row::{Stage, text},
};

const BROWNOUT: &str = "brownout";

/// Plain HTTP has stages of its own, which no hello feels.
const TLS: &str = "rollout";

/// Moves that are kept; a replica makes two for each brownout.
const MOST: usize = 1 << 20;

/// A move that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    at: Moment,
    begins: bool,
    percent: Option<u8>,
}

/// The moves of the rollout.
#[derive(Default)]
pub(super) struct Stages {
    moves: Vec<Move>,
    latest: Option<(Moment, String)>,
}

/// A time in which failing clients were refused to let them feel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Brownout {
    pub(super) from: Moment,
    /// Nothing while it lasts.
    pub(super) to: Option<Moment>,
    pub(super) percent: Option<u8>,
}

impl Stages {
    pub(super) fn add(&mut self, row: &Stage<'_>) {
        if text(&row.rollout).is_some_and(|rollout| rollout != TLS) {
            return;
        }
        let (from, to) = (row.from.as_str(), row.to.as_str());
        if self.latest.as_ref().is_none_or(|(at, _)| *at <= row.at) {
            self.latest = Some((row.at, to.to_owned()));
        }
        let begins = to == BROWNOUT && from != BROWNOUT;
        let ends = from == BROWNOUT && to != BROWNOUT;
        if (begins || ends) && self.moves.len() < MOST {
            self.moves.push(Move { at: row.at, begins, percent: row.percent });
        }
    }

    /// The stage now, and since when.
    pub(super) fn latest(&self) -> Option<(Moment, &str)> {
        self.latest.as_ref().map(|(at, stage)| (*at, stage.as_str()))
    }

    /// All brownouts, in order of time.
    pub(super) fn brownouts(&self) -> Vec<Brownout> {
        let mut moves = self.moves.clone();
        moves.sort_unstable();
        let mut found: Vec<Brownout> = Vec::new();
        for step in moves {
            match found.last_mut().filter(|last| last.to.is_none()) {
                None if step.begins => {
                    found.push(Brownout { from: step.at, to: None, percent: step.percent });
                }
                Some(running) if !step.begins => running.to = Some(step.at),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Stages;
    use crate::report::row::{Row, read};

    fn stages(moves: &[(&str, &str, &str)]) -> Stages {
        let mut stages = Stages::default();
        for (at, from, to) in moves {
            let line = format!(
                r#"{{"event":"stage","from":"{from}","to":"{to}","at":"2027-01-12T{at}Z","percent":100}}"#
            );
            let Ok(Row::Stage(row)) = read(line.as_bytes()) else { panic!("{line}") };
            stages.add(&row);
        }
        stages
    }

    #[test]
    fn replicas_that_say_the_same_make_one_brownout() {
        let stages = stages(&[
            ("14:00:00", "observe", "brownout"),
            ("10:00:00", "observe", "brownout"),
            ("11:00:00", "brownout", "observe"),
            ("10:00:01", "observe", "brownout"),
            ("11:00:01", "brownout", "observe"),
        ]);
        let text: Vec<_> = stages
            .brownouts()
            .iter()
            .map(|b| (b.from.short(), b.to.map(|to| to.to_string())))
            .collect();
        assert_eq!(
            text,
            [
                ("2027-01-12 10:00".into(), Some("2027-01-12T11:00:00Z".into())),
                ("2027-01-12 14:00".into(), None)
            ]
        );
        assert_eq!(stages.latest().unwrap().1, "brownout");
    }

    #[test]
    fn a_brownout_of_plain_http_is_none_of_tls() {
        let mut stages = stages(&[("10:00:00", "observe", "ramp")]);
        let line = r#"{"event":"stage","rollout":"plain_http.rollout","from":"observe","to":"brownout","at":"2027-01-12T11:00:00Z"}"#;
        let Ok(Row::Stage(row)) = read(line.as_bytes()) else { panic!("{line}") };
        stages.add(&row);
        assert!(stages.brownouts().is_empty());
        assert_eq!(stages.latest().unwrap().1, "ramp");
    }

    #[test]
    fn none_is_none() {
        assert!(stages(&[("10:00:00", "observe", "ramp")]).brownouts().is_empty());
    }
}

//! What a rehearsal's proxy has logged, told from the lines of all others in the process: by its
//! clients' networks and by its year.

use serde_json::Value;

use super::programme::Programme;
use crate::support::log::Log;

/// Fields with a moment in them.
const DATED: &[&str] = &["at", "expires", "until", "since", "from", "to"];

pub(super) struct Lines {
    programme: Programme,
    log: Log,
    kept: Vec<Value>,
}

impl Lines {
    pub(super) fn new(programme: Programme, log: Log) -> Self {
        Self { programme, log, kept: Vec::new() }
    }

    /// Keeps what is new and gives it back.
    pub(super) fn keep(&mut self) -> Vec<Value> {
        let year = format!("{}-", self.programme.year);
        let mut new = self.log.take();
        new.retain(|line| {
            let word = |key: &str| line[key].as_str().unwrap_or_default();
            let is_dated = DATED.iter().any(|key| word(key).starts_with(&year));
            self.programme.has(word("client")) || is_dated
        });
        self.kept.extend(new.iter().cloned());
        new
    }

    /// All lines of one event.
    pub(super) fn events(&mut self, event: &str) -> Vec<Value> {
        self.keep();
        self.kept.iter().filter(|line| line["event"] == event).cloned().collect()
    }

    /// All of them as a log file.
    pub(super) fn text(&mut self) -> String {
        self.keep();
        self.kept.iter().map(|line| format!("{line}\n")).collect()
    }
}

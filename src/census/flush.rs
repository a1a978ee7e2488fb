//! The census as events: `census` rows and `totals` rows, which `tlsfloor report` adds up.
//!
//! Each row tells what has been noted since the row before, so rows of any number of minutes and
//! replicas simply add up. Lines go out in parts: a burst of all would overflow the log's queue.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use jiff::Timestamp;

use super::{
    book::{Book, Told},
    row::Row,
};
use crate::{
    hello::Ja4,
    metrics::{Agreed, Metrics},
};

/// Rows in one part; the book is locked for so long.
pub(super) const PART: usize = 256;

/// The client of all that no row tells; `report` knows the word.
const OTHER: &str = "other";

/// What a flush is about, in whole seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// How far a flush has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Rows(usize),
    Others,
    Done,
}

impl Step {
    /// What there is to tell in this step, and the next one.
    pub(super) fn take(self, book: &mut Book) -> (Vec<Told>, Self) {
        match self {
            Self::Rows(from) if from < book.size().0 => {
                (book.tell(from, PART), Self::Rows(from + PART))
            }
            Self::Rows(_) => (Vec::new(), Self::Others),
            // Last, because rows that were driven out meanwhile are in it.
            Self::Others => (book.tell_others(), Self::Done),
            Self::Done => (Vec::new(), Self::Done),
        }
    }
}

impl Told {
    /// Writes it.
    pub(super) fn log(&self, Window { from, to }: Window) {
        let Self { row, group, count } = self;
        let row = row.as_ref();
        let client = row.map_or_else(|| OTHER.to_owned(), |row| row.client.to_string());
        let moment = |second: u32| Timestamp::from_second(second.into()).ok();
        let shown = |second: Option<u32>| second.and_then(moment).map(tracing::field::display);
        let ports = row.map(ports).filter(|ports| !ports.is_empty());
        tracing::info!(
            event = "census",
            %from,
            %to,
            client,
            sni = row.and_then(|row| row.sni.as_deref()),
            offered_max = group.offered.as_str(),
            ja4 = row.and_then(|row| row.ja4.as_ref()).map(Ja4::as_str),
            policy = &*group.policy,
            reason = group.reason.as_str(),
            lane = group.lane.as_str(),
            count,
            stack = row.map(|row| row.stack.as_str()),
            first = shown(row.map(|row| row.first)),
            last = shown(row.map(|row| row.last)),
            ports,
        );
    }
}

fn ports(row: &Row) -> String {
    row.ports().fold(String::new(), |mut text, port| {
        let space = if text.is_empty() { "" } else { " " };
        // Writing into a String cannot fail.
        let _done = write!(text, "{space}{port}");
        text
    })
}

/// All connections by what was agreed on, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Totals(HashMap<Agreed, u64>);

impl Totals {
    /// What has been counted since the last time.
    pub(super) fn take(&mut self, metrics: &Arc<Metrics>) -> Vec<(Agreed, u64)> {
        let mut news = Vec::new();
        for (agreed, count) in metrics.agreed() {
            let told = self.0.insert(agreed, count).unwrap_or(0);
            if count > told {
                news.push((agreed, count - told));
            }
        }
        news
    }
}

/// Writes one of them.
pub(super) fn log_total((agreed, count): (Agreed, u64), Window { from, to }: Window) {
    tracing::info!(
        event = "totals",
        %from,
        %to,
        offered = agreed.offered.as_str(),
        version = agreed.version.map(|version| version.as_str()),
        cipher = agreed.cipher.map(|cipher| cipher.as_str()),
        lane = agreed.lane.as_str(),
        verdict = agreed.verdict.as_str(),
        count,
    );
}

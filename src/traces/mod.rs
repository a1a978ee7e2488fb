//! Spans of requests: which are begun, how they wait, and who sends them.
//!
//! Workers hold a [`Tracer`] where `[traces]` is configured; `export` sends what they finish from
//! a thread of its own. A request that is not sampled costs a branch or two, and no request ever
//! waits: a span that finds the queue full is counted and gone.

mod export;
mod otlp;

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

pub(crate) use self::export::export;
use crate::{chance::Chance, config::Traces, metrics::LostSpans, request_id::RequestIds};

/// Spans that may wait to be sent.
const QUEUE: usize = 2048;

/// Begins spans and takes those that have ended.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    percent: u8,
    finished: mpsc::Sender<Span>,
    lost: LostSpans,
}

/// What a request says of its trace (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// The trace.
    pub trace: u128,
    /// The span that it came from.
    pub span: u64,
    /// Whether that one is recorded.
    pub sampled: bool,
}

/// A span under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// The trace.
    pub trace: u128,
    /// Its own id, by which an upstream knows it as the parent.
    pub span: u64,
    parent: Option<u64>,
    at: SystemTime,
}

/// A span that has ended.
#[derive(Debug)]
pub(crate) struct Span {
    /// How it began.
    pub begun: Begun,
    /// How long it took.
    pub took: Duration,
    /// Of few values: what spans are grouped by.
    pub name: String,
    /// By the semantic conventions of OpenTelemetry; what is not known is left out.
    pub attributes: Vec<(&'static str, Option<Value>)>,
    /// Whether that was an error of the server's side.
    pub failed: bool,
}

/// An attribute's value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Whatever came.
    Text(String),
    /// One of a few.
    Word(&'static str),
    /// A number.
    Number(u64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Tracer {
    /// A tracer for all workers, and where its spans come out.
    pub(crate) fn new(traces: &Traces, lost: LostSpans) -> (Self, mpsc::Receiver<Span>) {
        let (finished, spans) = mpsc::channel(QUEUE);
        (Self { percent: traces.percent, finished, lost }, spans)
    }

    /// Begins a request's span if it is sampled: as its parent is, or else by chance.
    pub(crate) fn begin(
        &self,
        parent: Option<Parent>,
        ids: &RequestIds,
        chance: &Chance,
    ) -> Option<Begun> {
        let sampled = parent.map_or_else(|| chance.percent(self.percent), |parent| parent.sampled);
        sampled.then(|| Begun {
            trace: parent.map_or_else(|| ids.id(), |parent| parent.trace),
            span: ids.span(),
            parent: parent.map(|parent| parent.span),
            at: SystemTime::now(),
        })
    }

    /// Takes a span that has ended.
    pub(crate) fn end(&self, span: Span) {
        if self.finished.try_send(span).is_err() {
            self.lost.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Begun, Parent, QUEUE, Span, Tracer};
    use crate::{
        chance::Chance,
        config::{Scheme, Server, Traces},
        host::Host,
        metrics::LostSpans,
        request_id::RequestIds,
    };

    pub(super) fn to(port: u16, percent: u8) -> Traces {
        let host = Host::parse("127.0.0.1").unwrap();
        let endpoint = Server { scheme: Scheme::Http, host, port, weight: 1 };
        Traces { endpoint, percent, service_name: "edge".to_owned() }
    }

    pub(super) fn span() -> Span {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001);
        let begun = Begun { trace: 0xab, span: 0xcd, parent: None, at };
        let took = Duration::from_millis(2);
        Span { begun, took, name: "GET */".to_owned(), attributes: Vec::new(), failed: false }
    }

    #[test]
    fn a_parent_decides_and_chance_only_without_one() {
        let (ids, chance) = (RequestIds::default(), Chance::default());
        let (never, _never) = Tracer::new(&to(1, 0), LostSpans::default());
        let (always, _always) = Tracer::new(&to(1, 100), LostSpans::default());
        let parent = |sampled| Some(Parent { trace: 7, span: 9, sampled });
        let begun = never.begin(parent(true), &ids, &chance).unwrap();
        assert_eq!((begun.trace, begun.parent), (7, Some(9)));
        assert_ne!(begun.span, 9);
        assert!(never.begin(None, &ids, &chance).is_none());
        assert!(always.begin(parent(false), &ids, &chance).is_none());
        let (one, other) =
            (always.begin(None, &ids, &chance).unwrap(), always.begin(None, &ids, &chance));
        assert_ne!(one.trace, other.unwrap().trace);
        assert_eq!(one.parent, None);
    }

    #[test]
    fn a_full_queue_loses_spans_and_counts_them() {
        let lost = LostSpans::default();
        let (tracer, spans) = Tracer::new(&to(1, 100), lost.clone());
        for _ in 0..QUEUE + 3 {
            tracer.end(span());
        }
        assert_eq!(lost.value(), 3);
        drop(spans);
        tracer.end(span());
        assert_eq!(lost.value(), 4);
    }
}

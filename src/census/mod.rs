//! The census: who fails the floor or a policy, by client, name, fingerprint, policy and reason.
//!
//! One a process, made by `app`. `greet` notes each hello that fails something; the control thread
//! flushes it as events each minute, and `app` does at the end. Its lock is taken once for a failing
//! hello, never for a good one and never for a request.

mod book;
mod doubt;
mod flush;
mod heap;
mod row;
mod settings;
mod table;
mod view;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::{
    config,
    io::ClientAddr,
    metrics::{LaneKind, Metrics},
    policy::Reason,
    rollout::Clock,
};

use book::Book;
use flush::{Step, Totals, Window};

pub(crate) use book::Sighting;
pub use settings::Settings;
pub use view::BadFilter;

/// How often it is flushed.
const FLUSH: Duration = Duration::from_secs(60);

/// Between two parts of a flush.
const PAUSE: Duration = Duration::from_millis(3);

/// The census of this process.
#[derive(Debug)]
pub struct Census {
    book: Mutex<Book>,
    totals: Mutex<Totals>,
    /// Up to when it has been flushed.
    since: Mutex<Timestamp>,
    began: Timestamp,
    clock: Clock,
    metrics: Arc<Metrics>,
    floor: Arc<str>,
    plain_http: Arc<str>,
    has_doubted: AtomicBool,
}

impl Census {
    /// An empty one.
    #[must_use]
    pub fn new(settings: &Arc<Settings>, metrics: &Arc<Metrics>) -> Self {
        let clock = Clock::System;
        let now = second(clock.wall());
        Self {
            book: Mutex::new(Book::new(Arc::clone(settings))),
            totals: Mutex::default(),
            since: Mutex::new(now),
            began: now,
            clock,
            metrics: Arc::clone(metrics),
            floor: config::FLOOR.into(),
            plain_http: config::PLAIN_HTTP.into(),
            has_doubted: AtomicBool::new(false),
        }
    }

    /// The same by another clock, from its moment on.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        let now = second(clock.wall());
        Self { since: Mutex::new(now), began: now, clock, ..self }
    }

    /// A snapshot with these settings is in force from now on. Where rows of before and after
    /// cannot stand in one table, the old one is told, and a new one begins.
    pub async fn adopt(&self, settings: &Arc<Settings>) {
        let Some(old) = self.replace(settings) else { return };
        let old = Mutex::new(old);
        tell(&old, self.window()).await;
    }

    /// The book that ends by these settings, if one does.
    fn replace(&self, settings: &Arc<Settings>) -> Option<Book> {
        let mut book = locked(&self.book);
        if book.settings.fits(settings) {
            book.settings = Arc::clone(settings);
            return None;
        }
        Some(std::mem::replace(&mut *book, Book::new(Arc::clone(settings))))
    }

    /// Notes that a client fails the floor, policies, or both.
    pub(crate) fn note<'p>(
        &'p self,
        sighting: &Sighting<'_>,
        floor: Option<Reason>,
        policies: impl Iterator<Item = (&'p Arc<str>, Reason)>,
    ) {
        let at = u32::try_from(self.clock.wall().as_second().max(0)).unwrap_or(u32::MAX);
        let floor = floor.map(|reason| (&self.floor, reason));
        let mut book = locked(&self.book);
        let before = book.evicted;
        book.note(sighting, at, floor.into_iter().chain(policies));
        self.metrics.census.show(book.size().0, book.evicted - before);
    }

    /// Notes that a client speaks plain HTTP.
    pub(crate) fn note_plain_http(&self, client: ClientAddr, lane: LaneKind) {
        let sighting = Sighting { client, hello: None, lane };
        self.note(&sighting, None, [(&self.plain_http, Reason::Plaintext)].into_iter());
    }

    /// Flushes it each minute, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval_at(Instant::now() + FLUSH, FLUSH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    /// Tells everything that has been noted since the last time.
    pub async fn flush(&self) {
        self.doubt();
        let window = self.window();
        tell(&self.book, window).await;
        self.log_totals(window);
    }

    fn log_totals(&self, window: Window) {
        let news = locked(&self.totals).take(&self.metrics);
        news.into_iter().for_each(|one| flush::log_total(one, window));
    }

    /// From the last flush to now; a clock that was set back makes an empty one.
    fn window(&self) -> Window {
        let to = second(self.clock.wall());
        let mut since = locked(&self.since);
        let from = std::mem::replace(&mut *since, to).min(to);
        Window { from, to }
    }

    /// Says once that the addresses seem to be a load balancer's.
    fn doubt(&self) {
        let found = doubt::find(&mut locked(&self.book));
        if let Some(doubt) = found
            && !self.has_doubted.swap(true, Ordering::Relaxed)
        {
            // Not as a row: `report` would take it for a damaged one.
            tracing::warn!(event = "config", "{doubt}");
        }
    }
}

/// Tells a book in parts, with a pause after each, so that the log's writer keeps up.
async fn tell(book: &Mutex<Book>, window: Window) {
    let mut step = Step::Rows(0);
    while step != Step::Done {
        let (told, next) = step.take(&mut locked(book));
        told.iter().for_each(|row| row.log(window));
        step = next;
        sleep(PAUSE).await;
    }
}

/// Whoever panicked while holding it left it usable: at worst one count is missing.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

//! Session tickets by what became of them: whether replicas agree on their secret shows here.
//!
//! Counted by `tls` from all workers, once a ticket that a client brings; off the request path.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::label::{Label, labels};

labels! {
    /// What became of a ticket that a client brought.
    pub enum TicketResult {
        /// It could be opened.
        Accepted = "accepted",
        /// Its life is over.
        Expired = "expired",
        /// Nobody here has its key: made by a replica with another secret, or long over.
        UnknownKey = "unknown_key",
        /// It bears the name of a key of ours and was not made with it.
        Malformed = "malformed",
    }
}

/// How many there were of each.
#[derive(Debug, Default)]
pub struct TicketCounters([AtomicU64; 4]);

impl TicketCounters {
    /// One more.
    pub fn count(&self, result: TicketResult) {
        if let Some(cell) = self.0.get(result.index()) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each result and how often it came.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let cells = TicketResult::ALL.iter().zip(&self.0);
        cells.map(|(result, cell)| (result.as_str(), cell.load(Ordering::Relaxed)))
    }
}

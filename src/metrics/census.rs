//! What policies that only count, and the census, have to show; and all connections by what was
//! agreed on.
//!
//! Workers count failures in cells of their own; the census writes its gauges under its lock.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Judged, LaneKind, Metrics, cells::Table};
use crate::{
    label::Label,
    policy::Reason,
    session::Cipher,
    version::{Offered, TlsVersion},
};

/// One policy's counters, for as long as there is one of its name.
#[derive(Debug)]
pub struct WhatIfMetrics {
    /// The label: its name.
    pub label: String,
    shards: Box<[Table<1>]>,
}

impl WhatIfMetrics {
    fn new(label: &str, workers: usize) -> Self {
        let shards = (0..workers).map(|_| Table::new([Reason::ALL.len()])).collect();
        Self { label: label.to_owned(), shards }
    }

    /// A hello fails it; only that worker's thread may say so.
    pub fn failed(&self, worker: usize, reason: Reason) {
        if let Some(shard) = self.shards.get(worker) {
            shard.add([reason.index()]);
        }
    }

    pub(super) fn count(&self, reason: Reason) -> u64 {
        let cells = self.shards.iter().filter_map(|shard| shard.cell([reason.index()]));
        cells.map(|cell| cell.value()).sum()
    }
}

/// The census's size.
#[derive(Debug, Default)]
pub struct CensusGauge {
    rows: AtomicU64,
    evictions: AtomicU64,
}

impl CensusGauge {
    /// So many rows, and so many that had to go since the table began.
    pub fn show(&self, rows: usize, evicted_more: u64) {
        self.rows.store(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.evictions.fetch_add(evicted_more, Ordering::Relaxed);
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

/// A connection by what was offered and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreed {
    /// The highest version offered.
    pub offered: Offered,
    /// The version agreed on; none where there was no handshake of ours, or it failed.
    pub version: Option<TlsVersion>,
    /// The suite agreed on; likewise.
    pub cipher: Option<Cipher>,
    /// What happened to it.
    pub lane: LaneKind,
    /// Whether it holds the floor.
    pub verdict: Judged,
}

impl Agreed {
    /// Cells for all of them.
    pub(super) fn table() -> Table<5> {
        Table::new([
            Offered::ALL.len(),
            // One more of these two, for none.
            TlsVersion::ALL.len() + 1,
            Cipher::ALL.len() + 1,
            LaneKind::ALL.len(),
            Judged::ALL.len(),
        ])
    }

    pub(super) fn index(self) -> [usize; 5] {
        [
            self.offered.index(),
            self.version.map_or(TlsVersion::ALL.len(), Label::index),
            self.cipher.map_or(Cipher::ALL.len(), Label::index),
            self.lane.index(),
            self.verdict.index(),
        ]
    }

    fn every() -> impl Iterator<Item = Self> {
        fn or_none<L: Label>() -> impl Iterator<Item = Option<L>> {
            L::ALL.iter().copied().map(Some).chain([None])
        }
        let fates = LaneKind::ALL
            .iter()
            .flat_map(|lane| Judged::ALL.iter().map(move |verdict| (*lane, *verdict)));
        let agreed = or_none::<TlsVersion>()
            .flat_map(|version| or_none::<Cipher>().map(move |cipher| (version, cipher)));
        let agreed: Vec<_> = agreed.collect();
        let rest: Vec<_> = fates
            .flat_map(|fate| agreed.iter().map(move |agreed| (*agreed, fate)).collect::<Vec<_>>())
            .collect();
        Offered::ALL.iter().flat_map(move |offered| {
            let one = |((version, cipher), (lane, verdict))| Self {
                offered: *offered,
                version,
                cipher,
                lane,
                verdict,
            };
            rest.clone().into_iter().map(one)
        })
    }
}

impl Metrics {
    /// The counters of a policy, the same ones for the same name.
    pub fn what_if(&self, name: &str) -> Arc<WhatIfMetrics> {
        let new = || Arc::new(WhatIfMetrics::new(name, self.workers()));
        Arc::clone(self.families().what_ifs.entry(name.to_owned()).or_insert_with(new))
    }

    /// All connections that sent a hello or something malformed, as far as they are decided.
    #[must_use]
    pub fn agreed(&self) -> Vec<(Agreed, u64)> {
        let counted = Agreed::every().map(|agreed| {
            let cells = self.workers.iter().filter_map(|one| one.agreed.cell(agreed.index()));
            (agreed, cells.map(|cell| cell.value()).sum::<u64>())
        });
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

//! One refused client: counted, logged, and told why in bytes that it can read.
//!
//! Made by `connection`. The log line says enough to find the client's owner; how many lines one
//! client can cause is bounded by `refusals`.

use tokio::time::Instant;

use crate::{
    hello::Hello,
    io::ClientAddr,
    metrics::{LaneKind, ListenerKind},
    policy::Reason,
    shard::{Shard, View},
    version::Offered,
};

/// Why a client is refused, and what it is told.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    /// Who.
    pub client: ClientAddr,
    /// What it offered, where that could be read.
    pub hello: Option<&'a Hello>,
    /// What it fails by; none where it holds the floor and is refused for something else.
    pub reason: Option<Reason>,
    /// In words, where the reason alone says too little.
    pub detail: Option<&'a str>,
}

impl Refusal<'_> {
    /// Counts it and writes its line, unless this client had its lines of this minute.
    pub(crate) fn record(&self, shard: &Shard, view: &View) {
        let offered = self.hello.map_or(Offered::None, Hello::offered);
        shard.counters.hello(offered, self.reason, LaneKind::Refuse);
        let Some(suppressed) = shard.shared.refusals.admit(self.client.ip, Instant::now()) else {
            return;
        };
        let ja4 = self.hello.map(Hello::ja4);
        tracing::info!(
            event = "refused",
            client = %self.client.ip,
            port = self.client.port,
            listener = ListenerKind::Https.as_str(),
            sni = self.hello.and_then(|hello| hello.sni.as_ref()).map(|sni| sni.as_str()),
            offered = offered.as_str(),
            reason = self.reason.map_or("none", Reason::as_str),
            detail = self.detail,
            ja4 = ja4.as_ref().map(|ja4| ja4.as_str()),
            policy = if self.reason.is_some() { "floor" } else { "none" },
            lane = LaneKind::Refuse.as_str(),
            generation = view.snapshot.generation,
            suppressed = (suppressed > 0).then_some(suppressed),
        );
    }
}

//! The metrics as OpenMetrics text: every name and label that dashboards and alerts rely on.
//!
//! Called by the admin port. Reading does not stop a worker; a sample may be a moment old.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, NoLabelSet, text,
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    Metrics,
    bounds::{Abuse, Limit},
    cells::{Summed, Table},
    counters::Counters,
    encode_census, encode_fleet, encode_process, encode_rollout,
    families::{CODES, UpstreamMetrics, UpstreamShard},
    labels::{
        Credentials, Judged, LaneKind, LegacyOutcome, Plain, Protocol, RetryReason, ServedVersion,
        UpstreamOutcome,
    },
};
use crate::{
    label::Label,
    policy::Reason,
    proxy_protocol::ProxyHeaderResult,
    session::{Alpn, Cipher, Group, HandshakeFailure},
    version::{Offered, TlsVersion},
};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// All of it as OpenMetrics text.
    #[must_use]
    pub fn encode(self: &Arc<Self>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut text = String::new();
        match text::encode(&mut text, &registry) {
            Ok(()) => text,
            // Writing into a String cannot fail; a family that could not be written ends there.
            Err(fmt::Error) => text,
        }
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        self.hellos(to)?;
        encode_rollout::rollouts(to, &self.rollouts)?;
        let what_ifs: Vec<_> = self.families().what_ifs.values().map(Arc::clone).collect();
        encode_census::census(to, &what_ifs, &self.census)?;
        self.handshakes(to)?;
        self.requests(to)?;
        self.upstreams(to)?;
        self.connections(to)?;
        self.bounds(to)?;
        encode_process::configuration(to, self)?;
        encode_process::process(to, self)
    }
}

/// Words of a closed set, for building label sets by index.
fn words<L: Label>() -> Vec<&'static str> {
    L::ALL.iter().map(|label| label.as_str()).collect()
}

/// One counter family from the tables of all workers; combinations that never came are left out.
fn table<const N: usize>(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    labels: [(&'static str, Vec<&'static str>); N],
    tables: &[&Table<N>],
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    let sizes = labels.each_ref().map(|(_, words)| words.len());
    for place in 0..sizes.iter().product() {
        let mut rest = place;
        let mut index = [0; N];
        for (at, size) in index.iter_mut().zip(sizes).rev() {
            *at = rest % size;
            rest /= size;
        }
        let count: u64 =
            tables.iter().filter_map(|table| table.cell(index)).map(|c| c.value()).sum();
        if count > 0 {
            let word = |((name, words), at): (&(&'static str, Vec<&'static str>), usize)| {
                (*name, words.get(at).copied().unwrap_or_default())
            };
            let set: Vec<_> = labels.iter().zip(index).map(word).collect();
            family
                .encode_family(&set.as_slice())?
                .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}

pub(super) fn gauge(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    let encoder = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}

pub(super) fn counter(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: impl EncodeCounterValue,
) -> fmt::Result {
    let encoder = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(encoder)
}

impl Metrics {
    fn tables<'a, const N: usize>(
        &'a self,
        of: impl Fn(&'a Counters) -> &'a Table<N>,
    ) -> Vec<&'a Table<N>> {
        self.workers.iter().map(|worker| of(worker)).collect()
    }

    fn hellos(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut reasons = words::<Reason>();
        reasons.push("none");
        table(
            to,
            (
                "tlsfloor_client_hellos",
                "ClientHellos by highest offered version and what became of them",
            ),
            [
                ("offered", words::<Offered>()),
                ("verdict", words::<Judged>()),
                ("reason", reasons),
                ("lane", words::<LaneKind>()),
            ],
            &self.tables(|worker| &worker.hellos),
        )?;
        table(
            to,
            ("tlsfloor_legacy_connections", "Connections in the legacy lane by how they ended"),
            [("outcome", words::<LegacyOutcome>())],
            &self.tables(|worker| &worker.legacy),
        )
    }

    fn handshakes(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        table(
            to,
            ("tlsfloor_handshakes", "Completed TLS handshakes"),
            [
                ("version", words::<TlsVersion>()),
                ("cipher", words::<Cipher>()),
                ("group", words::<Group>()),
                ("alpn", words::<Alpn>()),
                ("resumed", vec!["false", "true"]),
            ],
            &self.tables(|worker| &worker.handshakes),
        )?;
        table(
            to,
            ("tlsfloor_handshake_failures", "TLS handshakes that did not complete"),
            [("reason", words::<HandshakeFailure>())],
            &self.tables(|worker| &worker.handshake_failures),
        )?;
        let durations = ["false", "true"].into_iter().enumerate().map(|(resumed, word)| {
            let cells = self.workers.iter().filter_map(|one| one.handshake_durations.get(resumed));
            (word, sum(cells))
        });
        let what = (
            "tlsfloor_handshake_duration_seconds",
            "Seconds from accept to the end of a handshake",
        );
        histograms(to, what, "resumed", durations)?;
        let help = "Session tickets that clients brought, by what became of them";
        let mut family =
            to.encode_descriptor("tlsfloor_tickets", help, None, MetricType::Counter)?;
        for (result, count) in self.tickets.counts() {
            family
                .encode_family(&[("result", result)])?
                .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn requests(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let routes: Vec<_> = self.families().routes.values().map(Arc::clone).collect();
        let codes: Vec<String> = CODES.iter().map(u16::to_string).collect();
        let name = "tlsfloor_requests";
        let help = "Requests by route, protocol, TLS version and status code";
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for route in &routes {
            for (protocol, version) in combinations() {
                let shards: Vec<_> =
                    route.shards().filter_map(|shard| shard.codes(protocol, version)).collect();
                for place in 0..=CODES.len() {
                    let cells = shards.iter().filter_map(|cells| cells.get(place));
                    let count: u64 = cells.map(|cell| cell.value()).sum();
                    if count == 0 {
                        continue;
                    }
                    let set = [
                        ("route", route.label.as_str()),
                        ("protocol", protocol.as_str()),
                        ("tls_version", version.as_str()),
                        ("code", codes.get(place).map_or("other", String::as_str)),
                    ];
                    family
                        .encode_family(&set)?
                        .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
                }
            }
        }
        let durations = routes
            .iter()
            .map(|route| (route.label.as_str(), sum(route.shards().map(|shard| &shard.duration))));
        let what = (
            "tlsfloor_request_duration_seconds",
            "Seconds from a request's head to the end of its response",
        );
        histograms(to, what, "route", durations)
    }

    fn upstreams(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let upstreams: Vec<_> = self.families().upstreams.values().map(Arc::clone).collect();
        let what = ("tlsfloor_upstream_requests", "Requests to upstreams by how they came out");
        by_upstream::<UpstreamOutcome>(to, what, "outcome", &upstreams, |shard| &shard.outcomes)?;
        let what = ("tlsfloor_upstream_retries", "Requests to upstreams that were sent once more");
        by_upstream::<RetryReason>(to, what, "reason", &upstreams, |shard| &shard.retries)?;
        let durations = upstreams.iter().map(|upstream| {
            (upstream.label.as_str(), sum(upstream.shards().map(|shard| &shard.duration)))
        });
        let what = (
            "tlsfloor_upstream_duration_seconds",
            "Seconds from a request to an upstream to the end of its response",
        );
        histograms(to, what, "upstream", durations)?;
        encode_fleet::upstreams(to, &upstreams)
    }

    fn connections(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        table(
            to,
            ("tlsfloor_plain_http_requests", "Requests on plain ports by what they got"),
            [("action", words::<Plain>()), ("credentials", words::<Credentials>())],
            &self.tables(|worker| &worker.plain_http),
        )?;
        table(
            to,
            ("tlsfloor_proxy_headers", "PROXY protocol headers by what became of them"),
            [("result", words::<ProxyHeaderResult>())],
            &self.tables(|worker| &worker.proxy_headers),
        )?;
        let help = "Open client connections";
        let mut family =
            to.encode_descriptor("tlsfloor_connections_open", help, None, MetricType::Gauge)?;
        let (listeners, parked) = self.open_connections();
        for (listener, open) in listeners {
            family.encode_family(&[("listener", listener)])?.encode_gauge(&open)?;
        }
        let help = "Open client connections that are idle and hold no buffers";
        gauge(to, ("tlsfloor_connections_parked", help), parked)?;
        let failures: u64 = self.workers.iter().map(|worker| worker.accept_failures.value()).sum();
        counter(
            to,
            ("tlsfloor_accept_failures", "Times there was nothing to accept a connection with"),
            failures,
        )
    }

    fn bounds(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        table(
            to,
            ("tlsfloor_limits", "Clients that ran into a limit"),
            [("limit", words::<Limit>())],
            &self.tables(|worker| &worker.bounds.limits),
        )?;
        table(
            to,
            (
                "tlsfloor_http2_abuse",
                "HTTP/2 connections and streams ended for their client's doing",
            ),
            [("kind", words::<Abuse>())],
            &self.tables(|worker| &worker.bounds.abuse),
        )?;
        let malformed: u64 =
            self.workers.iter().map(|worker| worker.bounds.malformed.value()).sum();
        let help = "Requests that could not be read as such";
        counter(to, ("tlsfloor_requests_malformed", help), malformed)
    }
}

/// A counter of each upstream by the words of a closed set.
fn by_upstream<L: Label>(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    upstreams: &[Arc<UpstreamMetrics>],
    of: impl Fn(&UpstreamShard) -> &Table<1>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for upstream in upstreams {
        for word in L::ALL {
            let cells = upstream.shards().filter_map(|shard| of(shard).cell([word.index()]));
            let count: u64 = cells.map(|cell| cell.value()).sum();
            if count > 0 {
                let set = [("upstream", upstream.label.as_str()), (label, word.as_str())];
                family.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
            }
        }
    }
    Ok(())
}

fn combinations() -> impl Iterator<Item = (Protocol, ServedVersion)> {
    let versions = |protocol| ServedVersion::ALL.iter().map(move |version| (protocol, *version));
    Protocol::ALL.iter().flat_map(move |protocol| versions(*protocol))
}

fn sum<'a>(histograms: impl Iterator<Item = &'a super::cells::Histogram>) -> Summed {
    histograms.fold(Summed::default(), |mut sum, histogram| {
        sum.add(histogram);
        sum
    })
}

fn histograms<'a>(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    of: impl Iterator<Item = (&'a str, Summed)>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (value, sum) in of.filter(|(_, sum)| sum.count() > 0) {
        let buckets = sum.bounded();
        family.encode_family(&[(label, value)])?.encode_histogram::<NoLabelSet>(
            sum.seconds(),
            sum.count(),
            &buckets,
            None,
        )?;
    }
    Ok(())
}

//! The part of the metrics that is about the health of upstreams' servers.
//!
//! Called by `encode`; names and labels here are a contract as there.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{families::UpstreamMetrics, fleet::CheckOutcome};
use crate::label::Label;

pub(super) fn upstreams(
    to: &mut DescriptorEncoder<'_>,
    upstreams: &[Arc<UpstreamMetrics>],
) -> fmt::Result {
    healthy(to, upstreams)?;
    let help = "Times a server was taken out because requests to it kept failing";
    let what = ("tlsfloor_upstream_ejections", help);
    counters(to, what, upstreams, |upstream| upstream.fleet.ejections.value())?;
    let help = "Times a server's name could not be looked up";
    let what = ("tlsfloor_upstream_resolve_failures", help);
    counters(to, what, upstreams, |upstream| upstream.fleet.unresolved.value())?;
    checks(to, upstreams)
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    upstreams: &[Arc<UpstreamMetrics>],
    of: impl Fn(&UpstreamMetrics) -> u64,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for upstream in upstreams {
        let set = [("upstream", upstream.label.as_str())];
        let count = of(upstream);
        family.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
    }
    Ok(())
}

fn healthy(to: &mut DescriptorEncoder<'_>, upstreams: &[Arc<UpstreamMetrics>]) -> fmt::Result {
    let help =
        "Whether a server takes requests: neither its checks nor requests to it keep failing";
    let name = "tlsfloor_upstream_healthy";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for upstream in upstreams {
        for server in upstream.fleet.servers() {
            let set = [("upstream", upstream.label.as_str()), ("server", server.label.as_str())];
            family.encode_family(&set)?.encode_gauge(&u64::from(server.healthy()))?;
        }
    }
    Ok(())
}

fn checks(to: &mut DescriptorEncoder<'_>, upstreams: &[Arc<UpstreamMetrics>]) -> fmt::Result {
    let help = "Health checks by how they came out";
    let name = "tlsfloor_upstream_health_checks";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for upstream in upstreams {
        for outcome in CheckOutcome::ALL {
            let cell = upstream.fleet.checks.cell([outcome.index()]);
            let count = cell.map_or(0, |cell| cell.value());
            if count > 0 {
                let set = [("upstream", upstream.label.as_str()), ("outcome", outcome.as_str())];
                family.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
            }
        }
    }
    Ok(())
}

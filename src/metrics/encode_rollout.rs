//! The part of the metrics that is about rollouts.
//!
//! Called by `encode`; names and labels here are a contract as there.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    encode::gauge,
    labels::StageKind,
    rollout::{RolloutGauge, RolloutMetrics},
};
use crate::label::Label;

pub(super) fn rollouts(to: &mut DescriptorEncoder<'_>, metrics: &RolloutMetrics) -> fmt::Result {
    rollout(to, "tlsfloor_rollout", &metrics.tls)?;
    rollout(to, "tlsfloor_plain_http_rollout", &metrics.plain_http)?;
    let exemptions = metrics.exemptions();
    let (name, help) = ("tlsfloor_exemption_uses", "Clients that an exemption spared");
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (label, uses, _) in &exemptions {
        let set = [("exemption", label.as_str())];
        family.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(uses, None)?;
    }
    let name = "tlsfloor_exemption_expiry_timestamp_seconds";
    let help = "When an exemption ends";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (label, _, expires) in &exemptions {
        family.encode_family(&[("exemption", label.as_str())])?.encode_gauge(expires)?;
    }
    Ok(())
}

fn rollout(to: &mut DescriptorEncoder<'_>, name: &str, of: &RolloutGauge) -> fmt::Result {
    if !of.is_shown() {
        return Ok(());
    }
    let help = "How many of a hundred failing clients are refused";
    gauge(to, (&format!("{name}_percent"), help), of.percent())?;
    let help = "1 while brownouts and ramp are stopped by the fuse";
    gauge(to, (&format!("{name}_fuse_blown"), help), u64::from(of.is_blown()))?;
    let help = "1 for the stage in force";
    let name = format!("{name}_stage");
    let mut family = to.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    for stage in StageKind::ALL {
        let set = [("stage", stage.as_str())];
        family.encode_family(&set)?.encode_gauge(&u64::from(of.is_in(*stage)))?;
    }
    Ok(())
}

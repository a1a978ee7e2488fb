//! The part of the metrics that is about policies that only count, and the census.
//!
//! Called by `encode`; names and labels here are a contract as there.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    census::{CensusGauge, WhatIfMetrics},
    encode::{counter, gauge},
};
use crate::{label::Label, policy::Reason};

pub(super) fn census(
    to: &mut DescriptorEncoder<'_>,
    what_ifs: &[Arc<WhatIfMetrics>],
    census: &CensusGauge,
) -> fmt::Result {
    let (name, help) = ("tlsfloor_whatif_failures", "Hellos that fail a policy that only counts");
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for what_if in what_ifs {
        for reason in Reason::ALL {
            let count = what_if.count(*reason);
            if count > 0 {
                let set = [("policy", what_if.label.as_str()), ("reason", reason.as_str())];
                family.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
            }
        }
    }
    let help = "Rows of the census: failing clients that are told apart";
    gauge(to, ("tlsfloor_census_rows", help), census.rows())?;
    let help = "Rows of the census that had to go for others";
    counter(to, ("tlsfloor_census_evictions", help), census.evictions())
}

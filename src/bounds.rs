//! What one route takes of a request, ready to be compared with.
//!
//! Made by `shard` from the configuration and what the route overrides, asked by `http` once a request.

use crate::{
    config::{Config, Route},
    pace::Rate,
    timer::Ticks,
};

/// The bounds of one route's requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of a body.
    pub body_size: u64,
    /// How fast a body has to come.
    pub body_rate: Option<Rate>,
    /// From the head to the end of the response.
    pub request: Option<Ticks>,
    /// Whether responses are compressed.
    pub compress: bool,
}

impl Bounds {
    /// Those of `route` in `config`.
    #[must_use]
    pub(crate) fn new(config: &Config, route: &Route) -> Self {
        let limits = &config.limits.client;
        let size = route.bounds.body_size.unwrap_or(limits.body_size);
        let request = route.bounds.request_timeout.unwrap_or(limits.request_timeout);
        let no_limit = size == 0;
        Self {
            body_size: if no_limit { u64::MAX } else { u64::try_from(size).unwrap_or(u64::MAX) },
            body_rate: Rate::new(limits.body_rate, limits.body_rate_window),
            request: (!request.is_zero()).then(|| Ticks::from(request)),
            compress: route.bounds.compress.unwrap_or(config.compression.enabled),
        }
    }
}

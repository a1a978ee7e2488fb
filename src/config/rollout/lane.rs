//! The legacy lane as an upstream: the same names, checks, rests and choice of a server.
//!
//! Read by `snapshot`, which looks after it as after the others. It is no upstream of a route: it
//! takes bytes as they are, and its name cannot be given to another.

use std::{sync::Arc, time::Duration};

use super::{LegacyLane, Rollout};
use crate::config::{
    Balance, Ejection, Health, Retry, Scheme, Server, Upstream, UpstreamTls, upstream::LEGACY,
};

/// A connect takes no longer where a server is well.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// One that refuses connections is left alone so long the first time, and at the most.
const EJECTION: Ejection =
    Ejection { failures: 3, time: Duration::from_secs(5), longest: Duration::from_secs(60) };

impl Rollout {
    /// The servers of `legacy`; none where there is none.
    #[must_use]
    pub fn upstream(&self) -> Option<Upstream> {
        let LegacyLane { proxy_protocol, check, .. } = self.lane?;
        let server = |one: &super::LegacyServer| Server {
            scheme: Scheme::Tcp,
            host: one.host.clone(),
            port: one.port,
            weight: 1,
        };
        (!self.legacy.is_empty()).then(|| Upstream {
            name: Arc::from(LEGACY),
            servers: self.legacy.iter().map(server).collect(),
            balance: Balance::LeastRequests,
            slow_start: Duration::ZERO,
            health: (!check.is_zero()).then(|| health(check)),
            ejection: EJECTION,
            // A connection that could not be made is made elsewhere; nothing else can be repeated.
            retry: Retry {
                tries: 0,
                connect: true,
                refused: false,
                timeout: false,
                codes: Vec::new(),
                budget: 0,
                floor: 0,
            },
            tls: UpstreamTls::default(),
            max_requests: 0,
            queue: 0,
            queue_timeout: Duration::ZERO,
            proxy_protocol,
        })
    }
}

/// A connect, and nothing more.
fn health(interval: Duration) -> Health {
    Health {
        path: String::new(),
        host: None,
        interval,
        timeout: CHECK_LIMIT,
        codes: Vec::new(),
        healthy: 2,
        unhealthy: 3,
        grpc: None,
    }
}

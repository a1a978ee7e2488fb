//! Everything that a reload may replace, built whole from one configuration and never changed.
//!
//! `app` builds it (and so does `check`, which therefore cannot disagree with `run`); workers
//! read it through `shard`. It must not hold anything that belongs to one thread.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::header::HeaderValue;

use crate::{
    config::{Config, Hsts, Problem, Problems, Route, Scheme, Upstream},
    host::HostPattern,
    metrics::{Metrics, RouteMetrics},
    route::Router,
    tls::{self, ClientTls, Sites},
    upstream::Fleet,
};

/// Which configuration: counted from 1 in the life of the process.
pub type Generation = u64;

/// One configuration in force.
#[derive(Debug)]
pub struct Snapshot {
    /// Counted from 1.
    pub generation: Generation,
    /// What it was built from.
    pub config: Config,
    /// Certificates, floors and TLS settings by name.
    pub sites: Sites,
    /// The route table.
    pub router: Router,
    /// Counters and labels of the routes, as numbered by the router.
    pub routes: Vec<Arc<RouteMetrics>>,
    /// Counters of requests that no route took.
    pub no_route: Arc<RouteMetrics>,
    /// The upstreams, with what all workers share of each.
    pub upstreams: Vec<Arc<Fleet>>,
    /// `Strict-Transport-Security`, where one is sent.
    pub hsts: Option<HeaderValue>,
}

impl Snapshot {
    /// Builds everything that `config` needs; also gives what is doubtful but no fault.
    ///
    /// # Errors
    /// Every problem of its certificates at once.
    pub fn build(
        config: Config,
        generation: Generation,
        metrics: &Metrics,
    ) -> Result<(Self, Vec<Problem>), Problems> {
        let (sites, mut warnings) = tls::build(&config.tls, now()).map_err(Problems)?;
        warnings.extend(uncovered(&config.routes, &sites));
        metrics.certificates(sites.expiries());
        let upstreams = fleets(&config.upstreams, metrics, &mut warnings)?;
        let label = |route: &Route| format!("{}{}", route.host, route.path);
        let snapshot = Self {
            generation,
            router: Router::new(&config.routes),
            routes: config.routes.iter().map(|route| metrics.route(&label(route))).collect(),
            no_route: metrics.route("none"),
            upstreams,
            hsts: hsts(&config.hsts),
            sites,
            config,
        };
        Ok((snapshot, warnings))
    }
}

/// The upstreams; what TLS towards them needs is read here.
fn fleets(
    upstreams: &[Upstream],
    metrics: &Metrics,
    warnings: &mut Vec<Problem>,
) -> Result<Vec<Arc<Fleet>>, Problems> {
    let (mut fleets, mut problems) = (Vec::new(), Vec::new());
    for upstream in upstreams {
        let needs_tls = upstream.servers.iter().any(|server| server.scheme == Scheme::Https);
        let tls = match needs_tls.then(|| ClientTls::build(&upstream.tls, now())).transpose() {
            Ok(built) => built.map(|(tls, doubtful)| {
                warnings.extend(doubtful);
                tls
            }),
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let metrics = metrics.upstream(&upstream.name);
        fleets.push(Arc::new(Fleet::new(upstream.clone(), tls, metrics)));
    }
    if problems.is_empty() { Ok(fleets) } else { Err(Problems(problems)) }
}

/// Routes whose host no certificate has: their clients would refuse ours.
fn uncovered(routes: &[Route], sites: &Sites) -> Vec<Problem> {
    let bare = routes.iter().filter(|route| route.host != HostPattern::Any);
    bare.filter(|route| !sites.covers(&route.host))
        .map(|route| Problem {
            place: route.place.clone(),
            text: format!(
                "no certificate has the name {}; clients that ask for it over TLS will refuse \
                 the one they get",
                route.host
            ),
        })
        .collect()
}

/// RFC 6797 6.1.
fn hsts(hsts: &Hsts) -> Option<HeaderValue> {
    let seconds = hsts.max_age.as_secs();
    let sub_domains = if hsts.include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload { "; preload" } else { "" };
    let value = format!("max-age={seconds}{sub_domains}{preload}");
    (seconds > 0).then(|| HeaderValue::try_from(value).ok()).flatten()
}

/// Seconds since 1970, for comparing with a certificate's dates.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

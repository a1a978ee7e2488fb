//! What is done for upstreams off the request path: rests, slow starts, checks, names.
//!
//! Run by `app` on a thread of its own, so that a server that hangs delays nobody. It is the only
//! one that moves an endpoint's state; workers count, call it, and read what it says.

use std::{rc::Rc, sync::Arc};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Fleet,
    ejection::may_rest,
    health::Checks,
    names::{self, First},
    resolve::Resolver,
    standing::Standing,
};
use crate::config::Dns;

/// Looks after `fleets` until `stop`; `first` is dropped once every name has been looked up.
pub async fn keep(fleets: Vec<Arc<Fleet>>, dns: Dns, first: First, stop: impl Future<Output = ()>) {
    let mut watches = JoinSet::new();
    let has_name =
        |fleet: &Arc<Fleet>| fleet.config.servers.iter().any(|one| one.host.ip().is_none());
    let resolver = fleets.iter().any(has_name).then(|| Resolver::new(&dns)).transpose();
    let resolver = resolver.map(|resolver| resolver.map(Rc::new)).unwrap_or_else(|error| {
        tracing::error!(%error, "servers with a name are left out");
        None
    });
    let follow =
        |fleet| resolver.as_ref().map(|resolver| names::follow(fleet, resolver, &dns, &first));
    let followed: Vec<_> = fleets.iter().filter_map(follow).collect();
    drop(first);
    for fleet in fleets {
        fleet.show();
        watches.spawn_local(watch(fleet));
    }
    stop.await;
    drop(followed);
}

/// Reviews one upstream whenever something happened to it or its time has come.
async fn watch(fleet: Arc<Fleet>) {
    let mut checks = Checks::default();
    loop {
        checks.follow(&fleet);
        let next = review(&fleet, Instant::now());
        let time = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = fleet.called() => {}
        }
    }
}

/// Ends rests, begins those that are due, moves slow starts on; says when to look again.
fn review(fleet: &Fleet, now: Instant) -> Option<Instant> {
    let (addresses, config) = (fleet.addresses(), &fleet.config);
    let endpoints = &addresses.endpoints;
    let rests = |endpoint: &Arc<super::Endpoint>| {
        let record = endpoint.settle(now, config, |record| {
            record.rests.end(now);
        });
        record.rests.until().is_some()
    };
    let mut resting = endpoints.iter().filter(|endpoint| rests(endpoint)).count();
    let review = |endpoint: &Arc<super::Endpoint>| {
        let failing = endpoint.take_failures(config.ejection.failures);
        let record = endpoint.settle(now, config, |record| {
            let serves = matches!(record.now, Standing::Up | Standing::SlowStart);
            if failing && serves && may_rest(resting, endpoints.len()) {
                record.rests.begin(now, &config.ejection);
                resting += 1;
                fleet.metrics.fleet.ejected();
            }
        });
        record.next(now, config)
    };
    endpoints.iter().filter_map(review).min()
}

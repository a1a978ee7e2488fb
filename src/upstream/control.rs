//! What is done for upstreams off the request path: rests, slow starts, checks, names.
//!
//! Run by `app` on a thread of its own, so that a server that hangs delays nobody. It is the only
//! one that moves an endpoint's state; workers count, call it, and read what it says.

use std::{rc::Rc, sync::Arc};

use tokio::{
    sync::mpsc::UnboundedReceiver,
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

/// Which upstreams are looked after.
#[derive(Debug)]
pub enum Care {
    /// These as well, from now on.
    For {
        /// Those that are looked after already stay as they are.
        fleets: Vec<Arc<Fleet>>,
        /// How the names of the others are looked up.
        dns: Dns,
        /// Dropped once each of these names has been looked up.
        first: First,
    },
    /// No others than these any more.
    Only(Vec<Arc<Fleet>>),
}

/// Looks after upstreams until `stop`, or until nobody is left to say which.
pub async fn keep(mut orders: UnboundedReceiver<Care>, stop: impl Future<Output = ()>) {
    let mut kept: Vec<(Arc<Fleet>, JoinSet<()>)> = Vec::new();
    let keeping = async {
        while let Some(order) = orders.recv().await {
            match order {
                Care::For { mut fleets, dns, first } => {
                    fleets.retain(|fleet| !kept.iter().any(|(other, _)| Arc::ptr_eq(other, fleet)));
                    kept.extend(look_after(fleets, &dns, &first));
                }
                Care::Only(fleets) => {
                    kept.retain(|(fleet, _)| fleets.iter().any(|other| Arc::ptr_eq(other, fleet)));
                    // One that went may have put its own servers in place of its successor's.
                    kept.iter().for_each(|(fleet, _)| fleet.show());
                }
            }
        }
    };
    tokio::select! {
        () = keeping => {}
        () = stop => {}
    }
}

/// Each upstream with all that is done for it, which ends when that is dropped.
fn look_after(fleets: Vec<Arc<Fleet>>, dns: &Dns, first: &First) -> Vec<(Arc<Fleet>, JoinSet<()>)> {
    let has_name =
        |fleet: &Arc<Fleet>| fleet.config.servers.iter().any(|one| one.host.ip().is_none());
    let resolver = fleets.iter().any(has_name).then(|| Resolver::new(dns)).transpose();
    let resolver = resolver.map(|resolver| resolver.map(Rc::new)).unwrap_or_else(|error| {
        tracing::error!(%error, "servers with a name are left out");
        None
    });
    let one = |fleet: Arc<Fleet>| {
        fleet.show();
        let names = resolver.as_ref().map(|resolver| names::follow(&fleet, resolver, dns, first));
        let mut tasks = names.unwrap_or_default();
        tasks.spawn_local(watch(Arc::clone(&fleet)));
        (fleet, tasks)
    };
    fleets.into_iter().map(one).collect()
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

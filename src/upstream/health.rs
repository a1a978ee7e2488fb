//! Active checks: each server is asked again and again, for as long as it is there.
//!
//! Run by `control`; what a check asks and expects stands in `probe`. Checks of one server wait
//! for nothing but that server.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use super::{Endpoint, Fleet, probe};
use crate::{
    chance::Chance,
    {config::Health, metrics::CheckOutcome},
};

/// The checks of one upstream, a task each server.
#[derive(Debug, Default)]
pub(super) struct Checks {
    tasks: JoinSet<()>,
    running: Vec<(Arc<Endpoint>, AbortHandle)>,
}

impl Checks {
    /// Begins checks of servers that have come, and ends those of servers that have gone.
    pub(super) fn follow(&mut self, fleet: &Arc<Fleet>) {
        let Some(health) = &fleet.config.health else {
            return;
        };
        let addresses = fleet.addresses();
        self.running.retain(|(endpoint, task)| {
            let stays = addresses.endpoints.iter().any(|one| Arc::ptr_eq(one, endpoint));
            if !stays {
                task.abort();
            }
            stays
        });
        while self.tasks.try_join_next().is_some() {}
        for endpoint in &addresses.endpoints {
            if !self.running.iter().any(|(one, _)| Arc::ptr_eq(one, endpoint)) {
                let checks = checks(Arc::clone(fleet), Arc::clone(endpoint), health.clone());
                self.running.push((Arc::clone(endpoint), self.tasks.spawn_local(checks)));
            }
        }
    }
}

async fn checks(fleet: Arc<Fleet>, endpoint: Arc<Endpoint>, health: Health) {
    let chance = Chance::default();
    loop {
        let started = Instant::now();
        let asked = timeout(health.timeout, probe::ask(&fleet, &endpoint, &health));
        let outcome = match asked.await {
            Ok(Ok(())) => CheckOutcome::Success,
            Ok(Err(outcome)) => outcome,
            Err(_elapsed) => CheckOutcome::Timeout,
        };
        fleet.metrics.fleet.checked(outcome);
        let now = Instant::now();
        let record = endpoint.settle(now, &fleet.config, |record| record.check(outcome, &health));
        if record.next(now, &fleet.config).is_some() {
            fleet.call();
        }
        sleep_until(started + jittered(health.interval, &chance)).await;
    }
}

/// A tenth more or less, so that replicas do not ask all at once.
fn jittered(interval: Duration, chance: &Chance) -> Duration {
    interval.mul_f64(0.9 + 0.2 * f64::from(chance.below(1000)) / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::jittered;
    use crate::chance::Chance;

    #[test]
    fn intervals_differ_by_a_tenth_at_the_most() {
        let chance = Chance::default();
        let all: Vec<_> = (0..1000).map(|_| jittered(Duration::from_secs(10), &chance)).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(9) && *most <= Duration::from_secs(11));
        assert!(*most - *least > Duration::from_secs(1), "{least:?} to {most:?}");
    }
}

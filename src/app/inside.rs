//! What the admin port shows of the process, and what it may have it do.
//!
//! Made by `app`, asked by `admin`. Secrets are no part of a configuration as it is shown here.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    admin::{self, Changing, Order, Refused},
    census::{BadFilter, Census},
    drain::Readiness,
    loads::Loads,
    metrics::Metrics,
    published::Published,
    reload::{Reloaded, Reloads, Trigger},
    rollout::Control,
    telemetry::Telemetry,
};

/// The process as the admin port sees it.
#[derive(Debug)]
pub(super) struct Inside {
    pub metrics: Arc<Metrics>,
    pub published: Arc<Published>,
    pub readiness: watch::Receiver<Readiness>,
    pub reloads: Reloads,
    pub rollouts: Arc<Control>,
    pub census: Arc<Census>,
    pub loads: Loads,
    pub log: Option<Arc<Telemetry>>,
}

impl admin::Source for Inside {
    fn readiness(&self) -> Readiness {
        *self.readiness.borrow()
    }

    fn metrics(&self) -> String {
        self.metrics.encode()
    }

    fn upstreams(&self) -> Value {
        let snapshot = self.published.snapshot();
        let reports: Vec<_> = snapshot.upstreams.iter().map(|fleet| fleet.report()).collect();
        json!({ "upstreams": reports })
    }

    fn connections(&self) -> Value {
        let workers: Vec<_> = (0..self.loads.workers()).map(|index| self.loads.of(index)).collect();
        let capacity = self.published.snapshot().capacity;
        let (listeners, parked) = self.metrics.open_connections();
        json!({
            "open": self.loads.total(),
            "most": capacity.connections,
            "memory": capacity.memory,
            "listeners": listeners,
            "parked": parked,
            "workers": workers,
        })
    }

    fn config(&self) -> Value {
        let snapshot = self.published.snapshot();
        let (generation, hash) = (snapshot.generation, snapshot.hash.to_string());
        json!({ "generation": generation, "hash": hash, "config": snapshot.config })
    }

    fn may_change(&self, authorization: &[u8]) -> bool {
        let snapshot = self.published.snapshot();
        snapshot.admin_token.as_ref().is_none_or(|token| token.is_shown_by(authorization))
    }

    fn has_token(&self) -> bool {
        self.published.snapshot().admin_token.is_some()
    }

    fn reload(&self) -> Changing {
        let reloads = self.reloads.clone();
        Box::pin(async move {
            match reloads.now(Trigger::Admin).await {
                Ok(Reloaded { generation, hash, warnings }) => {
                    let hash = hash.to_string();
                    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
                    Ok(json!({ "generation": generation, "hash": hash, "warnings": warnings }))
                }
                Err(error) => Err(Refused {
                    detail: "the configuration in force stays".to_owned(),
                    problems: error.problems(),
                }),
            }
        })
    }

    fn rollout(&self) -> Value {
        self.rollouts.report(self.rollouts.clock().now())
    }

    fn census(&self, query: &[(String, String)]) -> Result<Value, Refused> {
        let refused =
            |error: BadFilter| Refused { detail: error.to_string(), problems: Vec::new() };
        self.census.view(query).map_err(refused)
    }

    fn order(&self, order: Order, body: &[u8]) -> Result<Value, Refused> {
        let now = self.rollouts.clock().wall();
        let done = match order {
            Order::Pause => self.rollouts.pause(body, now),
            Order::Resume => self.rollouts.resume(body, now),
            Order::Rearm => self.rollouts.rearm(body),
        };
        done.map_err(|error| Refused { detail: error.to_string(), problems: Vec::new() })
    }

    fn set_log(&self, level: &str) -> Result<Value, Refused> {
        let refused = |detail: String| Refused { detail, problems: Vec::new() };
        let Some(log) = &self.log else {
            return Err(refused("this process does not write the log".to_owned()));
        };
        log.set_level(level).map_err(|error| refused(error.to_string()))?;
        tracing::info!(
            event = "config",
            filter = level,
            "the log's level was set by the admin port"
        );
        Ok(json!({ "level": level }))
    }
}

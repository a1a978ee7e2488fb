//! What all workers have in common.
//!
//! Made by `app`, handed to each worker. Nothing in it is locked on the request path: it is asked
//! once a connection, once a refusal, or is a load of a cell.

use std::sync::Arc;

use crate::{
    capacity::Pressure, census::Census, clients::Clients, loads::Loads, published::Published,
    refusals::RefusalLog, traces::Tracer,
};

/// One of it a process.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// What to serve by.
    pub published: Arc<Published>,
    /// Which refusals are logged.
    pub refusals: Arc<RefusalLog>,
    /// Which credentials in clear are logged.
    pub leaks: Arc<RefusalLog>,
    /// Who fails what.
    pub census: Arc<Census>,
    /// Who has how many connections.
    pub clients: Clients,
    /// How many connections each worker has.
    pub loads: Loads,
    /// How tight memory is.
    pub pressure: Pressure,
    /// Spans of requests, where `[traces]` is configured.
    pub tracer: Option<Tracer>,
}

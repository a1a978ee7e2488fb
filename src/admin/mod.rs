//! The admin port: probes, metrics, what is in force, and the few things that may be changed.
//!
//! Run by `app` on a thread of its own, so that it answers even when no worker does. It sees the
//! process through [`Source`] only; `access` says who may change something.

mod access;
mod pages;

use std::{convert::Infallible, future::Future, net, pin::Pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::sleep,
};

use crate::drain::Readiness;

/// Connections at one time; more wait in the kernel.
const CONNECTIONS: usize = 64;

/// How long a request's head may take, and how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait when there is nothing to accept with.
const PAUSE: Duration = Duration::from_millis(200);

/// Why something was not changed.
#[derive(Debug)]
pub struct Refused {
    /// In words.
    pub detail: String,
    /// Each thing that is wrong, where there is more to say.
    pub problems: Vec<String>,
}

/// What a rollout can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Refuse nobody for a while.
    Pause,
    /// Go on.
    Resume,
    /// Put a fuse that has blown in again.
    Rearm,
}

/// What comes of a change that takes a while.
pub type Changing = Pin<Box<dyn Future<Output = Result<Value, Refused>>>>;

/// What the admin port shows, and what it may have done.
pub trait Source: Send + Sync + 'static {
    /// Whether traffic may come.
    fn readiness(&self) -> Readiness;

    /// All metrics as OpenMetrics text.
    fn metrics(&self) -> String;

    /// The upstreams' servers and where they stand.
    fn upstreams(&self) -> Value;

    /// How many connections there are, and where.
    fn connections(&self) -> Value;

    /// The configuration in force and its generation, without secrets.
    fn config(&self) -> Value;

    /// The rollouts: their stage, what comes next, fuses, pauses and exemptions.
    fn rollout(&self) -> Value;

    /// Who fails what, as far as pairs of a filter and a value ask for it.
    ///
    /// # Errors
    /// Where there is no such filter, or its value is none.
    fn census(&self, query: &[(String, String)]) -> Result<Value, Refused>;

    /// Tells a rollout something.
    ///
    /// # Errors
    /// Where the body does not say what it has to, or there is nothing to do.
    fn order(&self, order: Order, body: &[u8]) -> Result<Value, Refused>;

    /// Whether whoever sends this `Authorization` may change something; empty where there is none.
    fn may_change(&self, authorization: &[u8]) -> bool;

    /// Whether there is a token that has to be shown for it.
    fn has_token(&self) -> bool;

    /// Reads every file again.
    fn reload(&self) -> Changing;

    /// Sets what is logged, until the configuration says something else.
    ///
    /// # Errors
    /// Where it is no level.
    fn set_log(&self, level: &str) -> Result<Value, Refused>;
}

/// Serves until `stop`, at the last socket that came.
pub async fn serve(
    mut sockets: mpsc::UnboundedReceiver<net::TcpListener>,
    source: Arc<dyn Source>,
    stop: impl Future<Output = ()>,
) {
    let serving = async {
        let mut next = sockets.recv().await;
        while let Some(socket) = next {
            let accepting = async {
                match TcpListener::from_std(socket) {
                    Ok(listener) => accept(listener, &source).await,
                    Err(error) => tracing::error!(%error, "the admin port is gone"),
                }
                std::future::pending::<()>().await;
            };
            next = tokio::select! {
                next = sockets.recv() => next,
                () = accepting => None,
            };
        }
        // Nobody is left who could move it.
    };
    tokio::select! {
        () = serving => {}
        () = stop => {}
    }
}

async fn accept(listener: TcpListener, source: &Arc<dyn Source>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _peer)) => {
                tokio::task::spawn_local(connection(stream, Arc::clone(source), permit.ok()));
            }
            Err(error) => {
                tracing::warn!(%error, listener = "admin", "cannot accept; trying again");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    source: Arc<dyn Source>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let service = service_fn(|request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(pages::answer(request, &*source).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
    drop(permit);
}

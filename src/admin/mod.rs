//! The admin port: probes, metrics, and the configuration in force.
//!
//! Run by `app` on a thread of its own, so that it answers even when no worker does. It sees the
//! process through [`Source`] only and changes nothing.

mod pages;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::drain::Readiness;

/// Connections at one time; more wait in the kernel.
const CONNECTIONS: usize = 64;

/// How long a request's head may take, and how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait when there is nothing to accept with.
const PAUSE: Duration = Duration::from_millis(200);

/// What the admin port shows.
pub trait Source: Send + Sync + 'static {
    /// Whether traffic may come.
    fn readiness(&self) -> Readiness;

    /// All metrics as OpenMetrics text.
    fn metrics(&self) -> String;

    /// The upstreams' servers and where they stand.
    fn upstreams(&self) -> serde_json::Value;

    /// The configuration in force and its generation, without secrets.
    fn config(&self) -> serde_json::Value;
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, source: Arc<dyn Source>, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        loop {
            // The semaphore is never closed, so there is always a permit in the end.
            let permit = Arc::clone(&room).acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    tokio::task::spawn_local(connection(stream, Arc::clone(&source), permit.ok()));
                }
                Err(error) => {
                    tracing::warn!(%error, listener = "admin", "cannot accept; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
}

async fn connection(
    stream: TcpStream,
    source: Arc<dyn Source>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let service = service_fn(|request| {
        let answer = pages::answer(&request, &*source);
        async move { Ok::<_, Infallible>(answer) }
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

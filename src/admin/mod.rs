//! The admin port: probes, metrics, what is in force, and the few things that may be changed.
//!
//! Run by `app` on a thread of its own, so that it answers even when no worker does. It sees the
//! process through [`Source`] only; `access` says who may change something.

mod access;
mod pages;

use std::{
    convert::Infallible,
    future::Future,
    net,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use crate::drain::Readiness;

/// Connections at one time; more wait in the kernel.
const CONNECTIONS: usize = 64;

/// How long a request's head may take, and how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may last before it has to end; [`PATIENCE`] later it is cut. Else who takes
/// nothing of an answer, or sends a body byte by byte, would keep its place for ever.
const LONGEST: Duration = Duration::from_secs(20);

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
                // Once nobody is left who could move it, it stays where it is.
                Some(moved) = sockets.recv() => Some(moved),
                () = accepting => None,
            };
        }
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
    // Of the connection and not of the port: one that came before the port moved is still here.
    let is_local = stream.local_addr().is_ok_and(|own| own.ip().to_canonical().is_loopback());
    let service = service_fn(|request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(pages::answer(request, &*source, is_local).await) }
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = match timeout(LONGEST, served.as_mut()).await {
        Ok(ended) => Ok(ended),
        Err(_elapsed) => {
            served.as_mut().graceful_shutdown();
            timeout(PATIENCE, served).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
        Err(_elapsed) => tracing::debug!("admin connection cut: it lasted too long"),
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::Value;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::Instant,
    };

    use super::{Changing, LONGEST, Order, PATIENCE, Readiness, Refused, Source, connection};

    /// A process whose metrics fill every buffer on the way.
    struct Large;

    impl Source for Large {
        fn census(&self, _: &[(String, String)]) -> Result<Value, Refused> {
            Ok(Value::Null)
        }

        fn rollout(&self) -> Value {
            Value::Null
        }

        fn order(&self, _: Order, _: &[u8]) -> Result<Value, Refused> {
            Ok(Value::Null)
        }

        fn readiness(&self) -> Readiness {
            Readiness::Ready
        }

        fn metrics(&self) -> String {
            "x".repeat(64 << 20)
        }

        fn upstreams(&self) -> Value {
            Value::Null
        }

        fn connections(&self) -> Value {
            Value::Null
        }

        fn config(&self) -> Value {
            Value::Null
        }

        fn may_change(&self, _: &[u8]) -> bool {
            true
        }

        fn has_token(&self) -> bool {
            false
        }

        fn reload(&self) -> Changing {
            Box::pin(async { Ok(Value::Null) })
        }

        fn set_log(&self, _: &str) -> Result<Value, Refused> {
            Ok(Value::Null)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_keeps_a_place_by_taking_or_sending_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for half in [
            &b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
            b"PUT /log HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nin",
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(half).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let began = Instant::now();
            connection(stream, Arc::new(Large), None).await;
            let took = began.elapsed();
            assert!(took <= LONGEST + PATIENCE + Duration::from_millis(10), "{took:?}");
            drop(client.read_to_end(&mut Vec::new()).await);
        }
    }
}

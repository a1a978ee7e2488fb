//! Sends spans to the collector: OTLP over HTTP, in batches, from a thread of their own.
//!
//! Run by `app`. A collector that is slow, away or wrong costs spans, which are counted, and never
//! more memory than the queue and one batch; it cannot hold up a request, nor the process's end by
//! more than [`LAST`].

use std::{cell::Cell, convert::Infallible, io, pin::pin, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Span, otlp};
use crate::{
    config::{Problem, Scheme, Server, Traces, UpstreamTls},
    files::Files,
    metrics::LostSpans,
    tls::{ClientTls, HandshakeError, Offer},
    wire::Wire,
};

/// Spans that are sent together, and how long the first waits for the others.
const BATCH: usize = 512;
const DELAY: Duration = Duration::from_secs(5);

/// How long a collector may take; and the last time, when the process ends.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST: Duration = Duration::from_secs(3);

/// How long to wait before a batch is sent once more.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Sends what comes until nobody is left to send it, and what is left then.
pub(crate) async fn export(
    traces: Traces,
    mut spans: mpsc::Receiver<Span>,
    lost: LostSpans,
    stop: impl Future<Output = ()>,
) {
    let collector = match Collector::new(&traces.endpoint) {
        Ok(collector) => collector,
        Err(problems) => {
            for problem in problems {
                tracing::error!(event = "traces", %problem, "no traces");
            }
            // The queue ends here, and every span from now on is counted as lost.
            return;
        }
    };
    let mut stop = pin!(stop);
    // When the last one has to be gone, once the process ends.
    let mut end = None;
    while let Some(batch) = next(&mut spans).await {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let mut sending = pin!(collector.deliver(otlp::request(&traces.service_name, &batch)));
        drop(batch);
        let mut sent = None;
        if end.is_none() {
            tokio::select! {
                taken = &mut sending => sent = Some(taken),
                () = stop.as_mut() => end = Some(Instant::now() + LAST),
            }
        }
        let taken = match sent {
            Some(taken) => taken,
            None => timeout_at(end.unwrap_or_else(Instant::now), sending).await.unwrap_or(false),
        };
        if !taken {
            lost.add(count);
            if end.is_some() {
                break;
            }
        }
    }
}

/// The next batch; none once every worker has ended.
async fn next(spans: &mut mpsc::Receiver<Span>) -> Option<Vec<Span>> {
    let mut batch = Vec::new();
    if spans.recv_many(&mut batch, BATCH).await == 0 {
        return None;
    }
    let more = async {
        while batch.len() < BATCH {
            let room = BATCH.saturating_sub(batch.len());
            if spans.recv_many(&mut batch, room).await == 0 {
                break;
            }
        }
    };
    // What has come by then goes.
    if timeout(DELAY, more).await.is_err() {
        tracing::trace!("spans have waited long enough");
    }
    Some(batch)
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("cannot connect to the collector")]
    Connect(#[source] io::Error),
    #[error("no TLS with the collector")]
    Tls(#[source] HandshakeError),
    #[error("the collector broke off")]
    Http(#[from] hyper::Error),
    #[error("the collector cannot be asked")]
    Request(#[from] hyper::http::Error),
    #[error("the collector did not answer in time")]
    Timeout,
    #[error("the collector answered {0}")]
    Status(StatusCode),
}

impl ExportError {
    /// Whether it may be taken later (OTLP, "Retryable Response Codes").
    fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Tls(_) | Self::Request(_) => false,
            Self::Connect(_) | Self::Http(_) | Self::Timeout => true,
        }
    }
}

/// Where spans go.
#[derive(Debug)]
struct Collector {
    endpoint: Server,
    tls: Option<ClientTls>,
    /// Whether the last batch was not taken.
    fails: Cell<bool>,
}

impl Collector {
    fn new(endpoint: &Server) -> Result<Self, Vec<Problem>> {
        let tls = if endpoint.scheme == Scheme::Https {
            // By the system's authorities; the time is asked for certificates of ours only.
            Some(ClientTls::build(&UpstreamTls::default(), &Files::default(), 0)?.0)
        } else {
            None
        };
        Ok(Self { endpoint: endpoint.clone(), tls, fails: Cell::new(false) })
    }

    /// Whether the collector took it, in the end.
    async fn deliver(&self, body: Vec<u8>) -> bool {
        let body = Bytes::from(body);
        let mut pauses = PAUSES.into_iter();
        loop {
            let sent = timeout(PATIENCE, self.send(body.clone())).await;
            let Err(error) = sent.unwrap_or(Err(ExportError::Timeout)) else {
                if self.fails.replace(false) {
                    tracing::info!(event = "traces", collector = %self.endpoint, "spans go out again");
                }
                return true;
            };
            self.complain(&error);
            match pauses.next().filter(|_| error.may_pass()) {
                Some(pause) => sleep(pause).await,
                None => return false,
            }
        }
    }

    /// Once until spans go out again: a collector that is away fills no log.
    fn complain(&self, error: &ExportError) {
        let collector = &self.endpoint;
        let cause = std::error::Error::source(error).map(tracing::field::display);
        if self.fails.replace(true) {
            tracing::debug!(event = "traces", %collector, cause, %error);
        } else {
            tracing::warn!(event = "traces", %collector, cause, %error);
        }
    }

    /// Over a connection of its own: batches are seconds apart, and nothing has to be kept right.
    async fn send(&self, body: Bytes) -> Result<(), ExportError> {
        let endpoint = &self.endpoint;
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let wire = Wire(stream.map_err(ExportError::Connect)?);
        match &self.tls {
            Some(tls) => {
                let agreed = tls.connect(wire, &endpoint.host, Offer::Http1).await;
                self.post(agreed.map_err(ExportError::Tls)?.stream, body).await
            }
            None => self.post(wire, body).await,
        }
    }

    async fn post(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        body: Bytes,
    ) -> Result<(), ExportError> {
        let url = self.endpoint.to_string();
        let request = Request::post("/v1/traces")
            .header(HOST, url.split_once("://").map_or("", |(_, authority)| authority))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("tlsfloor/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driven = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the collector broke off");
            }
            std::future::pending::<Infallible>().await
        };
        // The body, a count of what was rejected at the most, is not read.
        let status = tokio::select! {
            response = sender.send_request(request) => response?.status(),
            never = driven => match never {},
        };
        if status.is_success() { Ok(()) } else { Err(ExportError::Status(status)) }
    }
}

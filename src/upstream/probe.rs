//! One health check: over a connection of its own, as the server is spoken to by requests.
//!
//! Called by `health`, which bounds its time. Nothing of what a server says in it is kept but
//! whether it was good, and no more than a few kilobytes are read.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, Version,
    body::Incoming,
    client::conn::{http1, http2},
    header::{CONNECTION, CONTENT_TYPE, HOST, TE, USER_AGENT},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{Endpoint, Fleet, connect, grpc_health, link::Duplex};
use crate::{
    config::{Health, ProxyVersion, Scheme, Server},
    metrics::CheckOutcome,
    proxy_protocol,
    tls::Offer,
};

/// Bytes of a gRPC answer that are read; a good one has seven.
const LONGEST_ANSWER: usize = 4096;

const AGENT: &str = concat!("tlsfloor/", env!("CARGO_PKG_VERSION"), " health check");

/// Asks once; the error is what is wrong.
pub(super) async fn ask(
    fleet: &Fleet,
    endpoint: &Endpoint,
    health: &Health,
) -> Result<(), CheckOutcome> {
    let server = &endpoint.server;
    let because = |outcome, error: &dyn std::error::Error| {
        tracing::debug!(server = endpoint.metrics.label, %error, "health check failed");
        outcome
    };
    let wire = connect::dial(endpoint.address).await;
    let mut wire = wire.map_err(|error| because(CheckOutcome::ConnectFailed, &error))?;
    let preface = match fleet.config.proxy_protocol {
        None => &[],
        Some(ProxyVersion::V1) => proxy_protocol::V1_LOCAL,
        Some(ProxyVersion::V2) => proxy_protocol::V2_LOCAL,
    };
    let written = wire.write_all(preface).await;
    written.map_err(|error| because(CheckOutcome::ConnectFailed, &error))?;
    let response = match (server.scheme, &fleet.tls) {
        (Scheme::Http, _) => over_http1(wire, server, health).await,
        (Scheme::H2c, _) => over_http2(wire, server, health).await,
        (Scheme::Https, Some(tls)) => {
            let agreed = tls.connect(wire, &server.host, Offer::Any).await;
            let agreed = agreed.map_err(|error| because(CheckOutcome::TlsFailed, &error))?;
            if agreed.http2 {
                over_http2(agreed.stream, server, health).await
            } else {
                over_http1(agreed.stream, server, health).await
            }
        }
        // That it takes connections is all that can be known.
        (Scheme::Tcp, _) => return Ok(()),
        // A fleet with such a server is never built without.
        (Scheme::Https, None) => return Err(CheckOutcome::TlsFailed),
    };
    response.map_err(|error| because(CheckOutcome::BadResponse, &error))?
}

/// What came back, or that nothing did.
type Asked = Result<Result<(), CheckOutcome>, ProbeError>;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the check cannot be asked")]
    Request(#[from] hyper::http::Error),
    #[error("the server did not agree to HTTP/2, which gRPC needs")]
    NoHttp2,
}

async fn over_http1(stream: impl Duplex, server: &Server, health: &Health) -> Asked {
    if health.grpc.is_some() {
        return Err(ProbeError::NoHttp2);
    }
    let request = Request::get(&health.path)
        .header(HOST, authority(server, health))
        .header(CONNECTION, "close")
        .header(USER_AGENT, AGENT)
        .body(Full::<Bytes>::default())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    while_driven(connection, async { judge(sender.send_request(request).await?, health).await })
        .await
}

async fn over_http2(stream: impl Duplex, server: &Server, health: &Health) -> Asked {
    let scheme = if server.scheme == Scheme::Https { "https" } else { "http" };
    let (method, path, body) = match &health.grpc {
        None => (Method::GET, health.path.as_str(), Bytes::new()),
        Some(service) => (Method::POST, grpc_health::PATH, grpc_health::request(service)),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{scheme}://{}{path}", authority(server, health)))
        .version(Version::HTTP_2)
        .header(USER_AGENT, AGENT);
    if health.grpc.is_some() {
        request = request.header(CONTENT_TYPE, "application/grpc").header(TE, "trailers");
    }
    let request = request.body(Full::new(body))?;
    let tasks = Ended(Tasks::default());
    let (mut sender, connection) = http2::handshake(tasks.0.clone(), TokioIo::new(stream)).await?;
    while_driven(connection, async { judge(sender.send_request(request).await?, health).await })
        .await
}

/// The connection may end before its last response has been looked at.
async fn while_driven(
    connection: impl Future<Output = hyper::Result<()>>,
    asked: impl Future<Output = Asked>,
) -> Asked {
    let driven = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection of a health check broke off");
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        asked = asked => asked,
        never = driven => match never {},
    }
}

async fn judge(response: Response<Incoming>, health: &Health) -> Asked {
    let code = response.status().as_u16();
    let good = |(from, to): &(u16, u16)| (*from..=*to).contains(&code);
    if health.grpc.is_none() {
        return Ok(if health.codes.iter().any(good) {
            Ok(())
        } else {
            Err(CheckOutcome::BadStatus)
        });
    }
    if code != 200 {
        return Ok(Err(CheckOutcome::BadStatus));
    }
    Ok(serving(response).await)
}

/// Reads an answer of `grpc.health.v1`.
async fn serving(response: Response<Incoming>) -> Result<(), CheckOutcome> {
    const STATUS: &str = "grpc-status";
    // An answer without a message has its status in the head.
    let head = response.headers().get(STATUS).cloned();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| {
        tracing::debug!(%error, "the answer to a health check broke off");
        CheckOutcome::BadResponse
    })?;
    let status = body.trailers().and_then(|trailers| trailers.get(STATUS)).cloned().or(head);
    match status {
        None => Err(CheckOutcome::BadResponse),
        Some(status) if status != "0" => Err(CheckOutcome::NotServing),
        Some(_) => match grpc_health::is_serving(&body.to_bytes()) {
            Some(true) => Ok(()),
            Some(false) => Err(CheckOutcome::NotServing),
            None => Err(CheckOutcome::BadResponse),
        },
    }
}

/// `Host`: as configured, or as a request to this server would have it.
fn authority(server: &Server, health: &Health) -> String {
    if let Some(host) = &health.host {
        return host.clone();
    }
    let url = server.to_string();
    let authority = url.split_once("://").map_or("", |(_, authority)| authority);
    let default = if server.scheme == Scheme::Https { ":443" } else { ":80" };
    authority.strip_suffix(default).unwrap_or(authority).to_owned()
}

/// What an HTTP/2 connection runs beside itself.
#[derive(Clone, Debug, Default)]
struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.borrow_mut().spawn_local(task);
    }
}

/// Ends them with the check, whatever the server does. They hold each other, so nothing else would.
struct Ended(Tasks);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.0.borrow_mut().abort_all();
    }
}

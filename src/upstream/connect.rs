//! A fresh connection to an upstream server.
//!
//! Called by `server` when no kept connection serves; the caller bounds the time. It must never
//! hold a connection that was not asked for.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc};

use hyper::{
    client::conn::{http1, http2},
    http::uri,
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    Endpoint, RequestBody, UpstreamError,
    link::{self, Http1, Shared, Stream},
};
use crate::{
    config::{ProxyVersion, Scheme},
    proxy_protocol,
    tls::{Agreed, ClientTls, Offer},
    wire::Wire,
};

/// What a response may take of our memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffers {
    pub head: usize,
    pub body: usize,
}

/// Whom a request is for, where servers want to know by a PROXY header: put with the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnBehalfOf {
    /// The client's address.
    pub client: SocketAddr,
    /// The address that it came to.
    pub local: SocketAddr,
}

impl OnBehalfOf {
    pub(super) fn header(self, version: ProxyVersion) -> Vec<u8> {
        match version {
            ProxyVersion::V1 => proxy_protocol::write_v1(self.client, self.local),
            ProxyVersion::V2 => proxy_protocol::write_v2(self.client, self.local),
        }
    }
}

/// A connection that was made, by what it speaks.
#[derive(Debug)]
pub(super) enum Made {
    Http1(Box<Http1>),
    Http2(Rc<Shared>),
}

/// Bytes that a server may send ahead on one stream, and on all together. The second is the
/// larger, so that one slow client does not hold up the others that share the connection.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Streams that are opened before the server has said how many it allows.
const STREAMS_AT_FIRST: usize = 100;

pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&ClientTls>,
    offer: Offer,
    buffers: Buffers,
    preface: &[u8],
) -> Result<Made, UpstreamError> {
    let mut wire = dial(endpoint.address).await.map_err(UpstreamError::Connect)?;
    if !preface.is_empty() {
        wire.write_all(preface).await.map_err(UpstreamError::Connect)?;
    }
    match (endpoint.server.scheme, tls) {
        (Scheme::Http, _) => http1(Box::new(wire), buffers).await,
        (Scheme::H2c, _) => http2(Box::new(wire), uri::Scheme::HTTP, buffers).await,
        (Scheme::Https, Some(tls)) => {
            let agreed = tls.connect(wire, &endpoint.server.host, offer).await;
            let Agreed { stream, http2: speaks_http2 } = agreed.map_err(UpstreamError::Tls)?;
            if speaks_http2 {
                http2(Box::new(stream), uri::Scheme::HTTPS, buffers).await
            } else {
                http1(Box::new(stream), buffers).await
            }
        }
        // A fleet with such a server is never built without, and no route has the other.
        (Scheme::Https, None) | (Scheme::Tcp, _) => {
            Err(UpstreamError::Connect(io::ErrorKind::Unsupported.into()))
        }
    }
}

pub(super) async fn dial(address: SocketAddr) -> io::Result<Wire> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Wire(stream))
}

async fn http1(stream: Stream, buffers: Buffers) -> Result<Made, UpstreamError> {
    let (sender, connection) = http1::Builder::new()
        .max_header_size(buffers.head)
        .max_buf_size(buffers.body.max(buffers.head))
        .handshake::<_, RequestBody>(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Closed)?;
    Ok(Made::Http1(Box::new(Http1::new(sender, connection))))
}

/// Runs what belongs to a connection on the worker's own thread.
#[derive(Clone, Copy, Debug)]
struct OnWorker;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnWorker {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

async fn http2(
    stream: Stream,
    scheme: uri::Scheme,
    buffers: Buffers,
) -> Result<Made, UpstreamError> {
    let (sender, connection) = http2::Builder::new(OnWorker)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .max_header_list_size(u32::try_from(buffers.head).unwrap_or(u32::MAX))
        .max_send_buf_size(buffers.body)
        .handshake::<_, RequestBody>(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Closed)?;
    let most = Rc::new(Cell::new(STREAMS_AT_FIRST));
    let allowed = |connection: &http2::Connection<_, _, _>| connection.current_max_send_streams();
    tokio::task::spawn_local(link::drive(connection, allowed, Rc::clone(&most)));
    Ok(Made::Http2(Shared::new(sender, scheme, most)))
}

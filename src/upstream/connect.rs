//! A fresh connection to an upstream server.
//!
//! Called by `pool` when no kept connection serves. Names are resolved at each connect, so an
//! address that moved is found by the next one. It must never hold a connection that was not
//! asked for.

use std::{io, net::SocketAddr};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{RequestBody, UpstreamError, pool::Link};
use crate::{config::Server, wire::Wire};

/// What a response may take of our memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffers {
    pub head: usize,
    pub body: usize,
}

pub(super) async fn connect(server: &Server, buffers: Buffers) -> Result<Box<Link>, UpstreamError> {
    let stream = open(server).await?;
    let (sender, connection) = http1::Builder::new()
        .max_header_size(buffers.head)
        .max_buf_size(buffers.body.max(buffers.head))
        .handshake::<_, RequestBody>(TokioIo::new(Wire(stream)))
        .await
        .map_err(UpstreamError::Closed)?;
    Ok(Box::new(Link::new(sender, connection)))
}

async fn open(server: &Server) -> Result<TcpStream, UpstreamError> {
    if let Some(ip) = server.host.ip() {
        let address = SocketAddr::new(ip, server.port);
        return dial(address).await.map_err(UpstreamError::Connect);
    }
    let mut failure = UpstreamError::Resolve(io::ErrorKind::NotFound.into());
    let addresses = tokio::net::lookup_host((server.host.as_str(), server.port));
    for address in addresses.await.map_err(UpstreamError::Resolve)? {
        match dial(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = UpstreamError::Connect(error),
        }
    }
    Err(failure)
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

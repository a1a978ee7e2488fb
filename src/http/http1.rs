//! HTTP/1.1 on one connection, from the first byte to the moment it has nothing to do.
//!
//! Called by `connection`, which parks the stream while it is idle and calls again on the next
//! byte: an idle connection then holds no buffers and no protocol state. No byte may get lost in
//! between.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::{
    Client, Tunnel, respond,
    service::Requests,
    watch::{Order, Watch},
};
use crate::{
    io::{Metered, Socket},
    metrics::Limit,
};

/// How serving ended.
#[derive(Debug)]
pub(crate) enum End<S> {
    /// Nothing is under way; the bytes were read ahead of the next request.
    Idle(S, Bytes),
    /// The connection is over and may be closed politely.
    Over(S),
    /// A response broke off: the client must see that it did.
    Broken(S),
    /// Both sides have left HTTP; the bytes came behind the request.
    Tunnel(S, Bytes, Box<Tunnel>),
}

/// Serves requests until the connection is idle or over. `ahead` was read already.
pub(crate) async fn serve<S: Socket>(stream: S, ahead: Bytes, client: &Rc<Client>) -> End<S> {
    let mut connection = connection(stream, ahead, client);
    let mut watch = Watch::new(client);
    let end = std::future::poll_fn(|cx| poll(&mut connection, &mut watch, cx)).await;
    let parts = connection.into_parts();
    let (stream, unread) = parts.io.into_inner().into_parts();
    if let Some(tunnel) = client.tunnel.take() {
        return End::Tunnel(stream, join(parts.read_buf, unread), tunnel);
    }
    count(&end, parts.read_buf.len(), client);
    match end {
        Stop::Rest => End::Idle(stream, join(parts.read_buf, unread)),
        Stop::Cut => End::Broken(stream),
        Stop::Over(_) if client.activity.is_aborted() => End::Broken(stream),
        Stop::Over(_) => match client.activity.held_back().map(unreadable) {
            Some((status, detail)) => last_word(stream, client, status, detail).await,
            None => End::Over(stream),
        },
        Stop::Late => {
            let detail = "the request's head did not come in time";
            last_word(stream, client, StatusCode::REQUEST_TIMEOUT, detail).await
        }
    }
}

/// What hyper would have answered without a word to a head that it cannot read.
fn unreadable(status: u16) -> (StatusCode, &'static str) {
    match status {
        414 => (StatusCode::URI_TOO_LONG, "the request's target is too long"),
        431 => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request's head is too large or has too many fields",
        ),
        _ => (StatusCode::BAD_REQUEST, "the request's head is not one of HTTP/1"),
    }
}

/// An answer to what never became a request; the connection is over with it.
async fn last_word<S: Socket>(
    mut stream: S,
    client: &Client,
    status: StatusCode,
    detail: &str,
) -> End<S> {
    let view = client.shard.view();
    let id = client.shard.request_ids.next();
    let (ip, code) = (client.address.ip, status.as_u16());
    tracing::debug!(client = %ip, status = code, detail, "answered by the proxy");
    let answer = respond::raw(status, detail, &view.snapshot.error_pages, &id);
    let sent = client.activity.timer.limit(view.timeouts.write, stream.write_all(&answer)).await;
    if matches!(sent, Ok(Ok(()))) { End::Over(stream) } else { End::Broken(stream) }
}

enum Stop {
    Rest,
    /// With what hyper said about it.
    Over(Option<hyper::Error>),
    Late,
    Cut,
}

/// Counts what a client did wrong, where hyper answers by itself or nobody does; `unread` is as
/// much as hyper had read of the head that it did not take.
fn count(end: &Stop, unread: usize, client: &Client) {
    let counters = &client.shard.counters;
    match end {
        Stop::Late => counters.limit(Limit::HeaderTimeout),
        Stop::Cut => counters.limit(Limit::WriteTimeout),
        Stop::Over(Some(error)) if error.is_parse_too_large() => {
            let size = client.shard.view().snapshot.config.limits.header_size;
            let many = unread < size;
            counters.limit(if many { Limit::HeaderCount } else { Limit::HeaderSize });
        }
        Stop::Over(Some(error)) if error.is_parse() => counters.malformed(),
        Stop::Rest | Stop::Over(_) => {}
    }
}

/// As many fields hyper reads into a place on the stack; more would be allocated for each head.
const FIELDS: usize = 100;

type Connection<S> = http1::Connection<TokioIo<Metered<S>>, Requests>;

fn connection<S: Socket>(stream: S, ahead: Bytes, client: &Rc<Client>) -> Connection<S> {
    let view = client.shard.view();
    let limits = &view.snapshot.config.limits;
    let io = TokioIo::new(Metered::new(stream, ahead, Rc::clone(&client.activity)));
    let mut builder = http1::Builder::new();
    if limits.client.header_count > FIELDS {
        builder.max_headers(limits.client.header_count);
    }
    builder
        .header_read_timeout(None)
        .half_close(view.snapshot.config.listen.half_close)
        .max_header_size(limits.header_size)
        .max_buf_size(limits.buffer.max(limits.header_size))
        .serve_connection(io, Requests(Rc::clone(client)))
}

fn poll<S: Socket>(
    connection: &mut Connection<S>,
    watch: &mut Watch<'_>,
    cx: &mut Context<'_>,
) -> Poll<Stop> {
    loop {
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            if let Err(error) = &result {
                tracing::debug!(%error, "connection ended");
            }
            return Poll::Ready(Stop::Over(result.err()));
        }
        match std::task::ready!(watch.poll(cx)) {
            Order::Late => return Poll::Ready(Stop::Late),
            Order::Cut => return Poll::Ready(Stop::Cut),
            Order::Finish | Order::Enough => Pin::new(&mut *connection).graceful_shutdown(),
            Order::Rest => {
                // hyper lets an idle connection go at once; a busy one it ends after its answer.
                Pin::new(&mut *connection).graceful_shutdown();
                if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
                    return Poll::Ready(result.err().map_or(Stop::Rest, |e| Stop::Over(Some(e))));
                }
            }
        }
    }
}

/// What hyper had read and what it had not, in this order.
fn join(read: Bytes, unread: Bytes) -> Bytes {
    match (read.is_empty(), unread.is_empty()) {
        (_, true) => read,
        (true, false) => unread,
        (false, false) => [read, unread].concat().into(),
    }
}

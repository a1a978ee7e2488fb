//! HTTP/2 on one connection, from its preface to its end.
//!
//! Called by `connection` where ALPN chose `h2`. Each stream is a task of the worker; windows and
//! buffers are small enough that one client cannot hold much memory (RFC 9113 10.5), and `abuse`
//! counts what it sends for nothing. What ends a connection says so in a GOAWAY.

use std::{cell::RefCell, pin::Pin, rc::Rc, task::Poll};

use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::{
    Client,
    abuse::{self, Meter},
    gauge::Gauged,
    service::Requests,
    stall::Streams,
    watch::{Order, Watch},
};
use crate::{closing, config::Limits, io::Socket, metrics::Limit};

/// Bytes that a client may send ahead on one stream, and on all together.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The largest frame, as every client expects it (RFC 9113 6.5.2).
const FRAME: u32 = 16 * 1024;
/// What a client may have us remember of its fields; the protocol's default.
const HEADER_TABLE: u32 = 4096;
/// Streams that a client may reset before we have looked at them, waiting at one time.
const UNSEEN_RESETS: usize = 20;
/// Streams that a client may make us reset, in the life of a connection (CVE-2025-8671).
const OUR_RESETS: usize = 100;

/// Serves streams until the connection is over.
pub(crate) async fn serve<S: Socket>(mut stream: S, client: &Rc<Client>) {
    let (io, meter) = Gauged::new(&mut stream, client);
    let end = run(io, client).await;
    let found = meter.borrow().found();
    let found_by_h2 = || abuse::found_by_h2(end.as_ref().err()?, meter.borrow().last_word());
    if let Some(abuse) = found.or_else(found_by_h2) {
        tracing::debug!(client = %client.address.ip, kind = abuse.as_str(), "HTTP/2 abuse");
        client.shard.counters.abuse(abuse);
    }
    let timer = &client.activity.timer;
    match end {
        Ok(End::Cut) => closing::broken(stream),
        // In the middle of a frame there is no place for another.
        _ if found.is_some() && client.activity.write_waits() => closing::broken(stream),
        _ if found.is_some() => {
            let word = calm(&meter);
            let limit = client.shard.view().timeouts.write;
            let said = timer.limit(limit, async {
                stream.write_all(&word).await?;
                stream.flush().await
            });
            match said.await {
                Ok(Ok(())) => closing::politely(stream, timer).await,
                _ => closing::broken(stream),
            }
        }
        _ => closing::politely(stream, timer).await,
    }
}

/// How hyper's part ended.
enum End {
    Over,
    /// The client takes nothing.
    Cut,
}

fn builder(client: &Rc<Client>, limits: &Limits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams(Rc::clone(client)));
    builder
        .adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_connect_protocol()
        .max_frame_size(FRAME)
        .header_table_size(HEADER_TABLE)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(OUR_RESETS)
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX))
        .max_send_buf_size(limits.buffer);
    builder
}

async fn run<S: Socket>(io: Gauged<&mut S>, client: &Rc<Client>) -> hyper::Result<End> {
    let view = client.shard.view();
    let limits = &view.snapshot.config.limits;
    let mut connection =
        builder(client, limits).serve_connection(TokioIo::new(io), Requests(Rc::clone(client)));
    let mut watch = Watch::with_share(client, limits.client.requests_per_connection);
    drop(view);
    let mut told = false;
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                if let Err(error) = &result {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(result.map(|()| End::Over));
            }
            let order = std::task::ready!(watch.poll(cx));
            count(order, told, client);
            match order {
                Order::Rest | Order::Finish | Order::Enough
                    if !std::mem::replace(&mut told, true) =>
                {
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Order::Finish | Order::Enough => {}
                // A second rest: the client never acknowledged that it was told to go.
                Order::Rest | Order::Late => return Poll::Ready(Ok(End::Over)),
                Order::Cut => return Poll::Ready(Ok(End::Cut)),
            }
        }
    })
    .await
}

/// Counts what a client is ended for; a drain is nobody's limit.
fn count(order: Order, told: bool, client: &Client) {
    let counters = &client.shard.counters;
    match order {
        Order::Cut => counters.limit(Limit::WriteTimeout),
        Order::Enough => counters.limit(Limit::RequestsPerConnection),
        Order::Rest if !told && !client.is_let_go() => {
            counters.limit(Limit::IdleTimeout);
        }
        Order::Rest | Order::Finish | Order::Late => {}
    }
}

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 6.8): hyper has no way to be asked for one.
fn calm(meter: &RefCell<Meter>) -> [u8; 17] {
    let [a, b, c, d] = meter.borrow().highest().to_be_bytes();
    [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, 11]
}

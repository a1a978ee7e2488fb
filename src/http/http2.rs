//! HTTP/2 on one connection, from its preface to its end.
//!
//! Called by `connection` where ALPN chose `h2`. Each stream is a task of the worker; windows and
//! buffers are small enough that one client cannot hold much memory (RFC 9113 10.5).

use std::{future::Future, pin::Pin, rc::Rc, task::Poll};

use hyper::{rt::Executor, server::conn::http2};
use hyper_util::rt::TokioIo;

use super::{
    Client,
    service::Requests,
    watch::{Order, Watch},
};
use crate::{
    io::{Metered, Socket},
    metrics::Limit,
};

/// Bytes that a client may send ahead on one stream, and on all together.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Runs streams on the worker's own thread.
#[derive(Clone, Copy, Debug)]
struct OnWorker;

impl<F: Future<Output = ()> + 'static> Executor<F> for OnWorker {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}

/// Serves streams until the connection is over.
pub(crate) async fn serve<S: Socket>(stream: S, client: &Rc<Client>) {
    let view = client.shard.view();
    let limits = &view.snapshot.config.limits;
    let io = TokioIo::new(Metered::new(stream, bytes::Bytes::new(), Rc::clone(&client.activity)));
    let mut connection = http2::Builder::new(OnWorker)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_connect_protocol()
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX))
        .max_send_buf_size(limits.buffer)
        .serve_connection(io, Requests(Rc::clone(client)));
    let mut watch = Watch::with_share(client, limits.client.requests_per_connection);
    drop(view);
    let mut told = false;
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(());
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
                Order::Rest | Order::Late | Order::Cut => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Counts what a client is ended for; a drain is nobody's limit.
fn count(order: Order, told: bool, client: &Client) {
    let counters = &client.shard.counters;
    match order {
        Order::Cut => counters.limit(Limit::WriteTimeout),
        Order::Enough => counters.limit(Limit::RequestsPerConnection),
        Order::Rest if !told && !client.shard.is_draining() => {
            counters.limit(Limit::IdleTimeout);
        }
        Order::Rest | Order::Finish | Order::Late => {}
    }
}

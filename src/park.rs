//! An idle connection: a socket, a timer, and nothing else.
//!
//! Called by `connection` between two requests. hyper's buffers and state are gone by then; the
//! next byte brings them back. Nothing may be read here.

use std::task::Poll;

use tokio::net::TcpStream;

use crate::{http::Client, shard::Shard, timer::Ticks};

/// What ended the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There is something to read, if only the client's close.
    Readable,
    /// It was idle for too long, or it is to end.
    Enough,
}

/// Rests until there is something to read, for at most `limit`.
pub(crate) async fn park(stream: &TcpStream, limit: Ticks, client: &Client) -> Woken {
    let timer = &client.activity.timer;
    timer.set(limit);
    let _counted = Parked::count(&client.shard);
    std::future::poll_fn(|cx| {
        if stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(Woken::Readable);
        }
        let expired = timer.poll(cx).is_ready();
        if expired || client.is_let_go() { Poll::Ready(Woken::Enough) } else { Poll::Pending }
    })
    .await
}

/// Counted for as long as it lives, however the rest ends.
struct Parked<'a>(&'a Shard);

impl<'a> Parked<'a> {
    fn count(shard: &'a Shard) -> Self {
        shard.counters.parked();
        Self(shard)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.counters.unparked();
    }
}

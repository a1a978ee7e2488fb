//! HTTP/2 streams as tasks of the worker, and the end of one whose client takes nothing of it.
//!
//! hyper hands each stream to [`Streams`]. A client that opens streams and gives them no window
//! would pin their buffers and upstream connections for as long as it likes: the socket is not
//! full, so nothing else notices. A stream that its client lets stand is reset after
//! `limits.write_timeout`; its siblings go on.

use std::{
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};

use hyper::rt::Executor;

use super::Client;
use crate::{
    io::Turn,
    metrics::{Abuse, Limit},
    timer::Timer,
};

/// Runs the streams of one connection on the worker's own thread.
#[derive(Clone, Debug)]
pub(super) struct Streams(pub(super) Rc<Client>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let client = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            let mut stream = pin!(stream);
            let mut stall = Stall::default();
            std::future::poll_fn(|cx| {
                client.activity.turn.set(Turn::Unknown);
                match stream.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => stall.poll(&client, cx),
                }
            })
            .await;
        });
    }
}

/// Whether it is the client that a stream waits for, and since when.
#[derive(Debug, Default)]
struct Stall {
    waits: bool,
    /// Made for the first wait only: most streams never have one.
    timer: Option<Timer>,
}

impl Stall {
    /// Ready when the client has let the stream stand for too long.
    fn poll(&mut self, client: &Client, cx: &Context<'_>) -> Poll<()> {
        match client.activity.turn.get() {
            Turn::Unknown => {}
            Turn::Proxy => self.waits = false,
            Turn::Client => {
                self.waits = true;
                let timer = self.timer.get_or_insert_with(|| client.shard.timers.timer());
                timer.set(client.shard.view().timeouts.write);
            }
        }
        match &self.timer {
            Some(timer) if self.waits => timer.poll(cx).map(|()| {
                tracing::debug!(client = %client.address.ip, "stream reset: nothing was taken");
                client.shard.counters.limit(Limit::WriteTimeout);
                client.shard.counters.abuse(Abuse::StalledStream);
            }),
            _ => Poll::Pending,
        }
    }
}

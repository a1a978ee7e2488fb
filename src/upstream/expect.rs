//! `Expect: 100-continue`: the client's body is not asked for until the server wants it.
//!
//! Made by `http` for a request that expects it, asked by the request's body before each look at
//! the client. hyper tells the client to go on when the body is first looked at. A server that
//! says nothing is not waited for for ever (RFC 9110 10.1.1).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, StatusCode};

use crate::timer::{Ticks, Timer};

/// How long a server that does not answer is waited for; curl waits as long.
const LONGEST: Duration = Duration::from_secs(1);

/// Closed until the server says 100, or has said nothing for too long.
#[derive(Debug)]
pub(super) struct Gate {
    /// Shared with hyper, which wants to be able to send it between threads.
    open: Arc<AtomicBool>,
    armed: bool,
}

impl Gate {
    /// A gate in front of `request`'s body.
    pub(super) fn before<B>(request: &mut Request<B>) -> Self {
        let gate = Self { open: Arc::default(), armed: false };
        let open = Arc::clone(&gate.open);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                open.store(true, Ordering::Relaxed);
            }
        });
        gate
    }

    /// Ready once the body may be asked for; the server's 100 is read by the task that asks.
    pub(super) fn poll(&mut self, timer: &Timer, cx: &Context<'_>) -> Poll<()> {
        if self.open.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.armed, true) {
            timer.set(Ticks::from(LONGEST));
        }
        std::task::ready!(timer.poll(cx));
        self.open.store(true, Ordering::Relaxed);
        Poll::Ready(())
    }
}

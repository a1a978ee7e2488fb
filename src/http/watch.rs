//! What to do with a connection when its timer fires or the worker drains or its port is closed.
//!
//! Polled by `http1` and `http2` beside hyper. It reads no clock: it arms the connection's one
//! timer and looks at what moved when that fires, so a busy connection pays nothing for it.

use std::task::{Context, Poll};

use super::Client;
use crate::io::Phase;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing is under way and nothing waits: it may rest, or go.
    Rest,
    /// End after what is under way.
    Finish,
    /// End after what is under way: the connection has served its share (HTTP/2 only; over
    /// HTTP/1.1 the last response says so itself).
    Enough,
    /// The head of a request did not come in time.
    Late,
    /// The client takes nothing of what waits for it.
    Cut,
}

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    client: &'a Client,
    seen: Option<u64>,
    finishing: bool,
    requests: u32,
    /// Whether a connection that has not asked for anything yet may do so although it is to end.
    waits_for_first: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        client.activity.timer.set(client.rest);
        Self { client, seen: None, finishing: false, requests: u32::MAX, waits_for_first: true }
    }

    /// As `new`, for HTTP/2 and with an order to end after so many requests; 0: never.
    pub(super) fn with_share(client: &'a Client, requests: u32) -> Self {
        let requests = if requests == 0 { u32::MAX } else { requests };
        // GOAWAY loses no request (RFC 9113 6.8), so there is nothing to wait for.
        Self { requests, waits_for_first: false, ..Self::new(client) }
    }

    /// Ready with an order; call it again after carrying it out.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Order> {
        loop {
            if let Some(order) = self.drain() {
                return Poll::Ready(order);
            }
            if self.client.activity.requests() >= self.requests {
                self.requests = u32::MAX;
                return Poll::Ready(Order::Enough);
            }
            std::task::ready!(self.client.activity.timer.poll(cx));
            if let Some(order) = self.time_is_up() {
                return Poll::Ready(order);
            }
        }
    }

    /// Head: the request will be answered first, and is then told that the connection ends.
    fn drain(&mut self) -> Option<Order> {
        if self.finishing || !self.client.is_let_go() {
            return None;
        }
        match self.client.activity.phase() {
            Phase::Head => None,
            // It comes in a moment, or the timer fires.
            Phase::Idle if self.waits_for_first && self.client.activity.requests() == 0 => None,
            Phase::Idle => {
                self.finishing = true;
                Some(Order::Rest)
            }
            Phase::Busy => {
                self.finishing = true;
                Some(Order::Finish)
            }
        }
    }

    fn time_is_up(&mut self) -> Option<Order> {
        let activity = &self.client.activity;
        match activity.phase() {
            Phase::Head => return Some(Order::Late),
            Phase::Idle if !activity.write_waits() => {
                // Whoever is told to rest and cannot is looked at again later.
                activity.timer.set(self.client.shard.view().timeouts.write);
                return Some(Order::Rest);
            }
            Phase::Idle | Phase::Busy => {}
        }
        let moved = activity.moved();
        if activity.write_waits() && self.seen == Some(moved) {
            return Some(Order::Cut);
        }
        self.seen = Some(moved);
        activity.timer.set(self.client.shard.view().timeouts.write);
        None
    }
}

//! The whole story of one connection, straight down the page.
//!
//! Spawned by `listener` on its worker, one task a connection. Whatever a client does ends here:
//! nothing that it causes goes further up, and nothing is served below the floor.

use std::rc::Rc;

use bytes::Bytes;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    closing,
    greet::{Greeted, greet},
    hello::{self, Alert},
    http::{self, Client, TlsFacts, http1::End},
    io::{Activity, ClientAddr, PeerAddr, Socket},
    metrics::{Limit, ListenerKind},
    park::{Woken, park},
    session::Alpn,
    shard::Shard,
    timer::Ticks,
    wire::Wire,
};

/// A socket as it was accepted.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The socket.
    pub stream: TcpStream,
    /// Its other end.
    pub peer: PeerAddr,
    /// The kind of port that it came to.
    pub listener: ListenerKind,
    /// When.
    pub at: Instant,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(arrival: Arrival, shard: Rc<Shard>) {
    let client = ClientAddr::from(arrival.peer);
    let Some(_held) = shard.hold(client.ip) else {
        tracing::debug!(client = %client.ip, "closed: limits.connections_per_client");
        return;
    };
    match arrival.listener {
        ListenerKind::Https => {
            // Boxed: what a handshake needs is given back before the first request.
            let greeted = Box::pin(greet(arrival.stream, arrival.at, client, &shard)).await;
            match greeted {
                None => {}
                Some(Greeted { stream, facts }) if facts.session.alpn == Alpn::H2 => {
                    let client = multiplexed(shard, client, facts);
                    Box::pin(http::http2::serve(stream, &client)).await;
                }
                Some(Greeted { stream, facts }) => {
                    let client = one_at_a_time(shard, client, Some(facts));
                    http1(stream, Bytes::new(), &client).await;
                }
            }
        }
        ListenerKind::Http => Box::pin(in_clear(arrival.stream, client, shard)).await,
    }
}

/// A plain port: the first byte tells a request from a client that speaks TLS to the wrong port.
async fn in_clear(mut stream: TcpStream, address: ClientAddr, shard: Rc<Shard>) {
    let client = one_at_a_time(shard, address, None);
    let timer = &client.activity.timer;
    let limit = client.shard.view().timeouts.header;
    match timer.limit(limit, hello::first_bytes(&mut stream)).await {
        Ok(Ok(first)) if hello::begins_like_tls(&first) => {
            tracing::debug!(client = %address.ip, "TLS on a plain port");
            closing::with_word(stream, &Alert::UnexpectedMessage.record(TLS_1_0), timer).await;
        }
        Ok(Ok(first)) if !first.is_empty() => http1(Wire(stream), first, &client).await,
        Err(_elapsed) => {
            client.shard.counters.limit(Limit::HeaderTimeout);
            closing::politely(stream, timer).await;
        }
        Ok(Ok(_) | Err(_)) => closing::politely(stream, timer).await,
    }
}

/// The record version in which every TLS client reads an alert (RFC 8446 appendix D.2).
const TLS_1_0: u16 = 0x0301;

/// Serves, rests, serves, until one side has enough.
async fn http1<S: Socket>(mut stream: S, mut ahead: Bytes, client: &Rc<Client>) {
    let timer = &client.activity.timer;
    loop {
        // All boxed: while the connection rests, this future is most of what it costs.
        match Box::pin(http::http1::serve(stream, ahead, client)).await {
            End::Idle(idle, bytes) => (stream, ahead) = (idle, bytes),
            End::Over(stream) => return Box::pin(closing::politely(stream, timer)).await,
            End::Broken(stream) => return closing::broken(stream),
        }
        let timeouts = client.shard.view().timeouts;
        let limit = if ahead.is_empty() { timeouts.idle } else { timeouts.header };
        if park(stream.tcp(), timer, limit, &client.shard).await == Woken::Enough {
            if !client.shard.is_draining() {
                let late = !ahead.is_empty();
                let limit = if late { Limit::HeaderTimeout } else { Limit::IdleTimeout };
                client.shard.counters.limit(limit);
            }
            return Box::pin(closing::politely(stream, timer)).await;
        }
    }
}

/// HTTP/1.1: parked soon after a response.
fn one_at_a_time(shard: Rc<Shard>, client: ClientAddr, tls: Option<TlsFacts>) -> Rc<Client> {
    let header = shard.view().timeouts.header;
    let activity = Activity::new(shard.timers.timer(), Some(header));
    Rc::new(Client::new(shard, client, tls, activity, Ticks::from(http::PARK_AFTER)))
}

/// HTTP/2: told to go when it has been idle for too long.
fn multiplexed(shard: Rc<Shard>, client: ClientAddr, tls: TlsFacts) -> Rc<Client> {
    let idle = shard.view().timeouts.idle;
    let activity = Activity::new(shard.timers.timer(), None);
    Rc::new(Client::new(shard, client, Some(tls), activity, idle))
}

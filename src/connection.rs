//! The whole story of one connection, straight down the page.
//!
//! Spawned by `listener` on its worker, one task a connection. Whatever a client does ends here:
//! nothing that it causes goes further up, and nothing is served below the floor.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    closing,
    greet::{Greeted, Greeting, greet},
    hello::{self, Alert},
    http::{self, Client, TlsFacts, http1::End},
    io::{Activity, ClientAddr, PeerAddr, Socket},
    metrics::{Limit, ListenerKind},
    origin::{Door, Origin},
    park::{Woken, park},
    port::Port,
    proxy_protocol::{Beginning, ProxyHeaderResult},
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
    /// Where it came in.
    pub port: Arc<Port>,
    /// When.
    pub at: Instant,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(arrival: Arrival, shard: Rc<Shard>) {
    let Arrival { stream, peer, port, at } = arrival;
    let door = Door { peer, port: &port, shard: &shard };
    let Some(origin) = door.origin(stream, at).await else {
        return;
    };
    let client = origin.client;
    let Some(_held) = shard.hold(client.ip) else {
        tracing::debug!(client = %client.ip, "closed: limits.connections_per_client");
        return;
    };
    let local = local_address(&origin.stream, &shard);
    match port.kind {
        ListenerKind::Https => {
            // Boxed: what a handshake needs is given back before the first request.
            let greeted = Box::pin(greet(origin, at, &shard)).await;
            match greeted {
                None => {}
                Some(Greeting::Legacy(passage)) => Box::pin(passage.run(&shard)).await,
                Some(Greeting::Served(Greeted { stream, facts }))
                    if facts.session.alpn == Alpn::H2 =>
                {
                    let client = multiplexed(shard, port, client, facts, local);
                    Box::pin(http::http2::serve(stream, &client)).await;
                }
                Some(Greeting::Served(Greeted { stream, facts })) => {
                    let client = one_at_a_time(shard, port, client, Some(facts), local);
                    http1(stream, Bytes::new(), &client).await;
                }
            }
        }
        ListenerKind::Http => Box::pin(in_clear(origin, door, local)).await,
    }
}

/// A plain port: the first byte tells a request from a client that speaks TLS to the wrong port.
async fn in_clear(origin: Origin, door: Door<'_>, local: Option<SocketAddr>) {
    let Origin { mut stream, client: address, ahead } = origin;
    let client = one_at_a_time(Rc::clone(door.shard), Arc::clone(door.port), address, None, local);
    let timer = &client.activity.timer;
    let limit = client.shard.view().timeouts.header;
    match timer.limit(limit, hello::first_bytes(&mut stream, ahead)).await {
        Ok(Ok((Beginning::Header, _))) => {
            door.refused(ProxyHeaderResult::Untrusted, None);
            door.close(stream).await;
        }
        Ok(Ok((_, first))) if hello::begins_like_tls(&first) => {
            tracing::debug!(client = %address.ip, "TLS on a plain port");
            closing::with_word(stream, &Alert::UnexpectedMessage.record(TLS_1_0), timer).await;
        }
        Ok(Ok((_, first))) if !first.is_empty() => http1(Wire(stream), first, &client).await,
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
            End::Tunnel(mut stream, ahead, tunnel) => {
                if Box::pin(tunnel.run(&mut stream, ahead, client)).await.is_err() {
                    closing::broken(stream);
                }
                return;
            }
        }
        let timeouts = client.shard.view().timeouts;
        let limit = if ahead.is_empty() { timeouts.idle } else { timeouts.header };
        if park(stream.tcp(), limit, client).await == Woken::Enough {
            if !client.is_let_go() {
                let late = !ahead.is_empty();
                let limit = if late { Limit::HeaderTimeout } else { Limit::IdleTimeout };
                client.shard.counters.limit(limit);
            }
            return Box::pin(closing::politely(stream, timer)).await;
        }
    }
}

/// HTTP/1.1: parked soon after a response.
fn one_at_a_time(
    shard: Rc<Shard>,
    port: Arc<Port>,
    client: ClientAddr,
    tls: Option<TlsFacts>,
    local: Option<SocketAddr>,
) -> Rc<Client> {
    let header = shard.view().timeouts.header;
    let activity = Activity::new(shard.timers.timer(), Some(header));
    Rc::new(Client::new(shard, port, client, tls, activity, Ticks::from(http::PARK_AFTER), local))
}

/// HTTP/2: told to go when it has been idle for too long.
fn multiplexed(
    shard: Rc<Shard>,
    port: Arc<Port>,
    client: ClientAddr,
    tls: TlsFacts,
    local: Option<SocketAddr>,
) -> Rc<Client> {
    let idle = shard.view().timeouts.idle;
    let activity = Activity::new(shard.timers.timer(), None);
    Rc::new(Client::new(shard, port, client, Some(tls), activity, idle, local))
}

/// Where the client came to, if a server is told by a PROXY header; else nobody asks the system.
fn local_address(stream: &TcpStream, shard: &Shard) -> Option<SocketAddr> {
    let view = shard.view();
    let mut upstreams = view.snapshot.config.upstreams.iter();
    let asked = upstreams.any(|upstream| upstream.proxy_protocol.is_some());
    asked.then(|| stream.local_addr().ok()).flatten()
}

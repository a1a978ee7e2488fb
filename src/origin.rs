//! Who a connection comes from: its peer, or whom a trusted peer's PROXY header names.
//!
//! Called by `connection` before anything else is read. A peer that is configured to send a header
//! has to: whoever reached the port past the load balancer would else be taken for it. From no
//! other peer is one believed.

use std::{rc::Rc, sync::Arc};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    closing,
    io::{ClientAddr, PeerAddr},
    metrics::ListenerKind,
    network,
    port::Port,
    proxy_protocol::{self, ProxyHeaderResult, ReadError, Source},
    shard::Shard,
};

/// A socket whose peer was looked at.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The socket.
    pub stream: TcpStream,
    /// Who is at the far end of it.
    pub client: ClientAddr,
    /// What was read behind a header; to be read first.
    pub ahead: Vec<u8>,
}

/// The door that a peer came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'a> {
    /// Its other end.
    pub peer: PeerAddr,
    /// It.
    pub port: &'a Arc<Port>,
    /// The worker that serves it.
    pub shard: &'a Rc<Shard>,
}

impl Door<'_> {
    /// Who comes; none where the connection ended here. `accepted` begins the one deadline that
    /// all before the first request has.
    pub(crate) async fn origin(self, stream: TcpStream, accepted: Instant) -> Option<Origin> {
        let client = ClientAddr::from(self.peer);
        let view = self.shard.view();
        let config = &view.snapshot.config;
        // Most have no load balancer in front that sends headers; they pay this one look.
        if !network::any_has(&config.listen.proxy_protocol_from, self.peer.ip) {
            return Some(Origin { stream, client, ahead: Vec::new() });
        }
        let limit = match self.port.kind {
            ListenerKind::Https => config.limits.handshake_timeout,
            ListenerKind::Http => config.limits.header_timeout,
        };
        drop(view);
        Box::pin(self.read(stream, accepted + limit)).await
    }

    async fn read(self, mut stream: TcpStream, deadline: Instant) -> Option<Origin> {
        let client = ClientAddr::from(self.peer);
        let (result, error) = match timeout_at(deadline, proxy_protocol::read(&mut stream)).await {
            Ok(Ok((source, ahead))) => {
                let (client, result) = match source {
                    Source::Client(address) => {
                        (PeerAddr::from(address).into(), ProxyHeaderResult::Accepted)
                    }
                    Source::Peer => (client, ProxyHeaderResult::Local),
                };
                self.shard.counters.proxy_header(result);
                return Some(Origin { stream, client, ahead });
            }
            Ok(Err(error)) => (result(&error), Some(error)),
            Err(_elapsed) => (ProxyHeaderResult::Timeout, None),
        };
        self.refused(result, error.as_ref());
        self.close(stream).await;
        None
    }

    /// Counts and logs a header that was not believed, or one that did not come.
    pub(crate) fn refused(self, result: ProxyHeaderResult, error: Option<&ReadError>) {
        self.shard.counters.proxy_header(result);
        // Load balancers that only look whether the port is open do just this.
        if result == ProxyHeaderResult::Closed {
            return;
        }
        let Some(suppressed) = self.shard.shared.refusals.admit(self.peer.ip, Instant::now())
        else {
            return;
        };
        tracing::info!(
            event = "proxy_header",
            peer = %self.peer.ip,
            port = self.peer.port,
            listener = self.port.kind.as_str(),
            result = result.as_str(),
            detail = error.map(tracing::field::display),
            suppressed = (suppressed > 0).then_some(suppressed),
        );
    }

    /// Without a word: what the peer speaks is not known.
    pub(crate) async fn close(self, stream: TcpStream) {
        closing::politely(stream, &self.shard.timers.timer()).await;
    }
}

fn result(error: &ReadError) -> ProxyHeaderResult {
    match error {
        ReadError::Closed | ReadError::Io(_) => ProxyHeaderResult::Closed,
        ReadError::Header(error) => error.result(),
    }
}

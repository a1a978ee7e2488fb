//! What is known of a client that is passed on: for today's terminator and for our log.
//!
//! Made by `greet` while the hello is at hand. Both get the same connection id, so that a line of
//! the terminator's log can be joined with ours. Of what a client chose, lengths are bounded.

use std::net::SocketAddr;

use hyper::header::HeaderValue;
use tokio::time::Instant;

use crate::{
    config::ProxyVersion,
    hello::{Hello, Ja4},
    host::Host,
    io::ClientAddr,
    metrics::{LaneKind, ListenerKind},
    policy::Reason,
    proxy_protocol::{self, Kind},
    rollout::Why,
    shard::{Shard, View},
    upstream::Held,
    version::Offered,
};

/// One client.
#[derive(Debug)]
pub(crate) struct About {
    connection: HeaderValue,
    sni: Option<Host>,
    /// As in the header: each name behind its length.
    alpn: Vec<u8>,
    ja4: Ja4,
    offered: Offered,
    reason: Reason,
    why: Why,
}

/// Of what a client offers by ALPN, whole names up to here are passed on.
const LONGEST_ALPN: usize = 255;

impl About {
    /// Of a client whose hello fails by `reason`; `connection` is its id.
    pub(crate) fn new(
        hello: &Hello,
        connection: HeaderValue,
        (reason, why): (Reason, Why),
    ) -> Self {
        Self {
            connection,
            sni: hello.sni.clone(),
            alpn: alpn(&hello.alpn),
            ja4: hello.ja4(),
            offered: hello.offered(),
            reason,
            why,
        }
    }

    /// The PROXY header in this version, for a connection from `client` to `local`.
    pub(super) fn header(
        &self,
        version: Option<ProxyVersion>,
        client: SocketAddr,
        local: SocketAddr,
    ) -> Option<Vec<u8>> {
        match version? {
            ProxyVersion::V1 => Some(proxy_protocol::write_v1(client, local)),
            ProxyVersion::V2 => {
                let sni = self.sni.as_ref().map_or("", Host::as_str);
                let mut values = vec![
                    (Kind::UniqueId, self.connection.as_bytes()),
                    (Kind::Authority, sni.as_bytes()),
                    (Kind::Alpn, &self.alpn),
                    (Kind::Verdict, self.reason.as_str().as_bytes()),
                    (Kind::Ja4, self.ja4.as_str().as_bytes()),
                ];
                values.retain(|(_, value)| !value.is_empty());
                Some(proxy_protocol::write_v2_with(client, local, &values))
            }
        }
    }

    /// One line, within the limit of lines about one client.
    pub(super) fn record(&self, client: ClientAddr, server: &Held, (shard, view): (&Shard, &View)) {
        let ClientAddr { ip, port } = client;
        let Some(suppressed) = shard.shared.refusals.admit(ip, Instant::now()) else { return };
        tracing::info!(
            event = "legacy",
            client = %ip,
            port,
            listener = ListenerKind::Https.as_str(),
            sni = self.sni.as_ref().map(Host::as_str),
            offered = self.offered.as_str(),
            reason = self.reason.as_str(),
            ja4 = self.ja4.as_str(),
            policy = "floor",
            lane = LaneKind::Legacy.as_str(),
            why = self.why.as_str(),
            connection = self.connection.to_str().unwrap_or_default(),
            %server,
            generation = view.snapshot.generation,
            suppressed = (suppressed > 0).then_some(suppressed),
        );
    }
}

/// The protocols that a client offers, as a hello has them (RFC 7301 3.1).
fn alpn(offers: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in offers {
        let Ok(length) = u8::try_from(name.len()) else { break };
        if list.len().saturating_add(name.len()) >= LONGEST_ALPN {
            break;
        }
        list.push(length);
        list.extend(name);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_ALPN, alpn};

    #[test]
    fn offers_are_passed_on_whole_up_to_a_length() {
        let names = |names: &[&[u8]]| names.iter().map(|name| name.to_vec()).collect::<Vec<_>>();
        assert_eq!(alpn(&names(&[b"h2", b"http/1.1"])), b"\x02h2\x08http/1.1");
        assert_eq!(alpn(&[]), b"");
        let long = [b'x'; 254];
        assert_eq!(alpn(&names(&[&long])).len(), LONGEST_ALPN);
        assert_eq!(alpn(&names(&[b"h2", &long])), b"\x02h2");
        assert_eq!(alpn(&names(&[&[b'x'; 300]])), b"");
    }
}

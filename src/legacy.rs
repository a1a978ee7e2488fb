//! The legacy lane: the client's bytes go untouched to today's terminator, and its answers back.
//!
//! Run by `connection` for a client that fails the floor and is spared. Nothing here reads TLS: what
//! was read to judge the hello is sent on first, byte for byte. One side's end is passed on and the
//! other direction goes on. Where no server answers, the client gets an alert, never silence.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    closing,
    config::{LegacyServer, Listen},
    hello::Alert,
    io::ClientAddr,
    metrics::{LegacyOutcome, Limit},
    shard::{Shard, View},
    tunnel::{self, Passed, TunnelError},
    wire::Wire,
};

/// A client on its way to the legacy lane.
#[derive(Debug)]
pub(crate) struct Passage {
    /// Its connection.
    pub stream: TcpStream,
    /// Who.
    pub client: ClientAddr,
    /// What it has sent so far.
    pub ahead: Bytes,
    /// The version of a record in which it reads an alert; none where it knows no alert.
    pub record_version: Option<u16>,
}

impl Passage {
    /// Both ways until both sides have ended, or nothing moves for `limits.tunnel_timeout`.
    pub(crate) async fn run(self, shard: &Shard, view: &View) {
        let servers = &view.snapshot.rollouts.tls.legacy;
        let config = &view.snapshot.config;
        let limit = config.limits.connect_timeout;
        let outcome = match connect(servers, limit, &config.listen).await {
            Ok(server) => self.relay(server, shard, view).await,
            Err(error) => {
                self.note(shard, &error);
                self.fail(shard).await;
                match error {
                    LegacyError::Timeout => LegacyOutcome::ConnectTimeout,
                    LegacyError::Connect(_) | LegacyError::NoServer | LegacyError::Loop => {
                        LegacyOutcome::ConnectFailed
                    }
                }
            }
        };
        shard.counters.legacy(outcome);
    }

    async fn relay(self, mut server: Wire, shard: &Shard, view: &View) -> LegacyOutcome {
        let (timer, mut passed) = (shard.timers.timer(), Passed::default());
        let mut client = Wire(self.stream);
        let ends = ((&mut client, self.ahead), (&mut server, Bytes::new()));
        let ran = tunnel::run(ends.0, ends.1, (&timer, view.timeouts.tunnel), &mut passed).await;
        let Passed { there, back } = passed;
        tracing::debug!(client = %self.client.ip, there, back, "the legacy lane has ended");
        match ran {
            Ok(()) => LegacyOutcome::Done,
            Err(error) => {
                // What is cut here must not look whole to either side.
                closing::broken(client);
                closing::broken(server);
                match error {
                    TunnelError::Broken(_) => LegacyOutcome::Broken,
                    TunnelError::Idle => {
                        shard.counters.limit(Limit::TunnelTimeout);
                        LegacyOutcome::Idle
                    }
                }
            }
        }
    }

    /// One line, within the limit of lines about one client: it is the clients that set the pace.
    fn note(&self, shard: &Shard, error: &LegacyError) {
        let ClientAddr { ip, port } = self.client;
        if let Some(suppressed) = shard.shared.refusals.admit(ip, Instant::now()) {
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::warn!(event = "legacy", client = %ip, port, %error, suppressed);
        }
    }

    /// It is not the client's fault, and the alert says so.
    async fn fail(self, shard: &Shard) {
        let timer = shard.timers.timer();
        match self.record_version {
            Some(version) => {
                let alert = Alert::InternalError.record(version);
                closing::with_word(self.stream, &alert, &timer).await;
            }
            None => closing::politely(self.stream, &timer).await,
        }
    }
}

/// Why nobody takes a client.
#[derive(Debug, thiserror::Error)]
enum LegacyError {
    #[error("no legacy server is configured")]
    NoServer,
    #[error("no legacy server could be reached: {0}")]
    Connect(#[source] io::Error),
    #[error("no legacy server answered in time")]
    Timeout,
    #[error("the legacy server is this proxy itself")]
    Loop,
}

/// The first server that answers, each within `limit`.
async fn connect(
    servers: &[LegacyServer],
    limit: Duration,
    listen: &Listen,
) -> Result<Wire, LegacyError> {
    let mut failed = LegacyError::NoServer;
    for server in servers {
        let address = (server.host.as_str(), server.port);
        let deadline = Instant::now() + limit;
        failed = match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => match prepare(&stream, listen) {
                Ok(()) => return Ok(Wire(stream)),
                Err(error) => error,
            },
            Ok(Err(error)) => LegacyError::Connect(error),
            Err(_elapsed) => LegacyError::Timeout,
        };
        tracing::debug!(%server, error = %failed, "a legacy server does not answer");
    }
    Err(failed)
}

fn prepare(stream: &TcpStream, listen: &Listen) -> Result<(), LegacyError> {
    stream.set_nodelay(true).map_err(LegacyError::Connect)?;
    let local = stream.local_addr().map_err(LegacyError::Connect)?;
    let peer = stream.peer_addr().map_err(LegacyError::Connect)?;
    if is_here(local.ip(), peer, listen) { Err(LegacyError::Loop) } else { Ok(()) }
}

/// Whether the other end is one of our own ports on this machine: a name may lead here that the
/// configuration cannot tell, and such a connection would come back for ever.
fn is_here(local: IpAddr, peer: SocketAddr, listen: &Listen) -> bool {
    let mut own = listen.https.iter().chain(&listen.http);
    local == peer.ip()
        && own.any(|own| {
            own.port() == peer.port() && (own.ip().is_unspecified() || own.ip() == peer.ip())
        })
}

#[cfg(test)]
mod tests {
    use super::is_here;
    use crate::config::Listen;

    #[test]
    fn what_leads_back_here_is_known_by_both_ends() {
        let any = |https: &str| Listen {
            https: vec![https.parse().unwrap()],
            http: Vec::new(),
            admin_token: None,
            admin: "127.0.0.1:9901".parse().unwrap(),
            proxy_protocol_from: Vec::new(),
            trusted_proxies: Vec::new(),
            half_close: false,
            workers: 0,
        };
        for (local, peer, listen, here) in [
            ("192.0.2.1", "192.0.2.1:8443", "0.0.0.0:8443", true),
            ("192.0.2.1", "192.0.2.1:8443", "192.0.2.1:8443", true),
            ("192.0.2.1", "192.0.2.1:8443", "192.0.2.2:8443", false),
            ("192.0.2.1", "192.0.2.1:8444", "0.0.0.0:8443", false),
            ("192.0.2.1", "192.0.2.9:8443", "0.0.0.0:8443", false),
            ("2001:db8::1", "[2001:db8::1]:8443", "[::]:8443", true),
        ] {
            let found = is_here(local.parse().unwrap(), peer.parse().unwrap(), &any(listen));
            assert_eq!(found, here, "{local} {peer} {listen}");
        }
    }
}

//! The legacy lane: the client's bytes go untouched to today's terminator, and its answers back.
//!
//! Run by `connection` for a client that fails the floor and is spared. Nothing here reads TLS: what
//! was read to judge the hello is sent on first, byte for byte, behind a PROXY header that says what
//! is known of the client. One side's end is passed on and the other direction goes on. Where no
//! server answers, the client gets an alert, never silence.

mod about;

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use tokio::{net::TcpStream, time::Instant};

pub(crate) use about::About;

use crate::{
    closing,
    config::{LegacyLane, Listen, ProxyVersion},
    hello::Alert,
    io::ClientAddr,
    metrics::{LegacyOutcome, Limit},
    shard::{Shard, View},
    timer::Ticks,
    tunnel::{self, Passed, TunnelError, Waits},
    upstream::{Dialed, UpstreamError},
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
    /// What its terminator and the log are told.
    pub about: Box<About>,
}

/// What the configuration says of the lane, without the rest of it.
#[derive(Clone, Copy, Debug)]
struct Terms {
    proxy_protocol: Option<ProxyVersion>,
    waits: Waits,
}

impl Terms {
    fn of(view: &View) -> Self {
        let lane = view.snapshot.config.rollout.lane;
        let total = lane.map(|lane| lane.timeout).filter(|total| !total.is_zero());
        Self {
            proxy_protocol: lane.and_then(|LegacyLane { proxy_protocol, .. }| proxy_protocol),
            waits: Waits { idle: view.timeouts.tunnel, total: total.map(Ticks::from) },
        }
    }
}

impl Passage {
    /// Both ways until both sides have ended, or the time is up.
    pub(crate) async fn run(self, shard: &Shard) {
        // Let go before the relay: a connection may outlive many configurations.
        let view = shard.view();
        let terms = Terms::of(&view);
        let outcome = match dial(&view).await {
            Ok(server) => {
                let ahead = self.introduce(terms.proxy_protocol);
                self.about.record(self.client, &server.held, (shard, &view));
                let (client, stream) = (self.client, self.stream);
                drop((self.about, self.ahead, view));
                let outcome = relay((stream, ahead), server, terms.waits, shard).await;
                note_doubt(client, outcome, terms.proxy_protocol, shard);
                outcome
            }
            Err(error) => {
                drop(view);
                note(self.client, &error, error.source(), shard);
                self.fail(shard).await;
                match error {
                    UpstreamError::ConnectTimeout => LegacyOutcome::ConnectTimeout,
                    _ => LegacyOutcome::ConnectFailed,
                }
            }
        };
        shard.counters.legacy(outcome);
    }

    /// What the server gets first: whom this is for, then the client's own bytes.
    fn introduce(&self, version: Option<ProxyVersion>) -> Bytes {
        let ClientAddr { ip, port } = self.client;
        let client = SocketAddr::new(ip, port.unwrap_or(0));
        // A socket that has no address any more is about to end.
        let local = self.stream.local_addr().unwrap_or(client);
        match self.about.header(version, client, local) {
            Some(header) => [&header, &*self.ahead].concat().into(),
            None => self.ahead.clone(),
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

/// A server that is not ourselves.
async fn dial(view: &View) -> Result<Dialed, UpstreamError> {
    let listen = &view.snapshot.config.listen;
    let other = |stream: &TcpStream| {
        let here = is_here(stream.local_addr()?.ip(), stream.peer_addr()?, listen);
        if here { Err(io::Error::other(Loop)) } else { Ok(()) }
    };
    match view.legacy() {
        Some(pool) => pool.dial(other).await,
        None => Err(UpstreamError::NoServer),
    }
}

async fn relay(
    (stream, ahead): (TcpStream, Bytes),
    Dialed { wire: mut server, held }: Dialed,
    waits: Waits,
    shard: &Shard,
) -> LegacyOutcome {
    let (timer, mut passed) = (shard.timers.timer(), Passed::default());
    let mut client = Wire(stream);
    let ends = ((&mut client, ahead), (&mut server, Bytes::new()));
    let ran = tunnel::run(ends.0, ends.1, (&timer, waits), &mut passed).await;
    let Passed { there, back, .. } = passed;
    tracing::debug!(server = %held, there, back, "the legacy lane has ended");
    if ran.is_err() {
        // What is cut here must not look whole to either side.
        closing::broken(client);
        closing::broken(server);
    }
    match ran {
        Ok(()) | Err(TunnelError::Broken(_)) if passed.back == 0 && passed.second_ended_first => {
            LegacyOutcome::Unanswered
        }
        Ok(()) | Err(TunnelError::Broken(_)) if !passed.answer.is_none_or(begins_tls) => {
            LegacyOutcome::NotTls
        }
        Ok(()) => LegacyOutcome::Done,
        Err(TunnelError::Broken(_)) => LegacyOutcome::Broken,
        Err(TunnelError::Idle) => {
            shard.counters.limit(Limit::TunnelTimeout);
            LegacyOutcome::Idle
        }
        Err(TunnelError::Total) => LegacyOutcome::Timeout,
    }
}

/// Whether a server's first byte is that of a TLS record (RFC 5246 6.2.1) or of an SSL 2 one.
fn begins_tls(byte: u8) -> bool {
    matches!(byte, 0x14..=0x17 | 0x80..)
}

/// What may be wrong where a server answers as one does that expects other bytes.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    #[error("the legacy server ended it without a byte{0}")]
    Unanswered(&'static str),
    #[error("the legacy server's answer is not TLS{0}")]
    NotTls(&'static str),
}

/// A server that was not told of PROXY headers takes one for a broken hello, and the other way.
fn note_doubt(
    client: ClientAddr,
    outcome: LegacyOutcome,
    version: Option<ProxyVersion>,
    shard: &Shard,
) {
    let hint = match version {
        Some(_) => "; does it expect the PROXY header that rollout.proxy_protocol sends?",
        None => {
            "; does it expect a PROXY header, which rollout.proxy_protocol = \"none\" leaves out?"
        }
    };
    match outcome {
        LegacyOutcome::Unanswered => note(client, &Doubt::Unanswered(hint), None, shard),
        LegacyOutcome::NotTls => note(client, &Doubt::NotTls(hint), None, shard),
        _ => {}
    }
}

/// One line, within the limit of lines about one client: it is the clients that set the pace.
fn note(client: ClientAddr, error: &dyn Error, cause: Option<&dyn Error>, shard: &Shard) {
    let ClientAddr { ip, port } = client;
    if let Some(suppressed) = shard.shared.refusals.admit(ip, Instant::now()) {
        let suppressed = (suppressed > 0).then_some(suppressed);
        let cause = cause.map(tracing::field::display);
        tracing::warn!(event = "legacy", client = %ip, port, %error, cause, suppressed);
    }
}

/// A name led back here.
#[derive(Debug, thiserror::Error)]
#[error("the legacy server is this proxy itself")]
struct Loop;

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

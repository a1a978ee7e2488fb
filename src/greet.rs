//! From the first byte on a TLS port to the end of the handshake, or to the refusal.
//!
//! Called by `connection`, all of it under one deadline. Of a client that is not served, either
//! nothing is left, or it goes on to the legacy lane. Our reading of a hello may refuse it and
//! never admits it: rustls gets the same bytes and enforces the same floor.

use std::rc::Rc;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    closing,
    hello::{self, Alert, Hello, Outcome, Peeked},
    http::{TlsFacts, respond},
    io::ClientAddr,
    legacy::Passage,
    metrics::{LaneKind, Limit},
    origin::Origin,
    policy::{Failure, Reason, judge},
    proxy_protocol::ProxyHeaderResult,
    refusal::Refusal,
    rollout::{Facts, Lane, Moment, Why, lane},
    session::HandshakeFailure,
    shard::{Shard, View},
    tls::{self, TlsStream},
};

/// A connection whose handshake is over.
#[derive(Debug)]
pub(crate) struct Greeted {
    /// The decrypted stream.
    pub stream: Box<TlsStream>,
    /// What was agreed.
    pub facts: TlsFacts,
}

/// What a greeting leads to.
#[derive(Debug)]
pub(crate) enum Greeting {
    /// It is served.
    Served(Greeted),
    /// It goes to today's terminator.
    Legacy(Passage),
}

/// Handshakes with a client that holds the floor, and gives any other to the legacy lane or
/// refuses it; none where the connection ended here.
pub(crate) async fn greet(
    origin: Origin,
    accepted: Instant,
    shard: &Rc<Shard>,
) -> Option<Greeting> {
    let Origin { mut stream, client, ahead } = origin;
    let view = shard.view();
    let visit = Visit { client, shard, view: &view };
    let deadline = accepted + view.snapshot.config.limits.handshake_timeout;
    let (hello, bytes) = match timeout_at(deadline, hello::peek(&mut stream, ahead)).await {
        Ok(Ok(Peeked { outcome: Outcome::Hello(hello), bytes })) => (hello, bytes),
        Ok(Ok(Peeked { outcome, .. })) => {
            visit.no_hello(stream, &outcome).await;
            return None;
        }
        Ok(Err(_reset)) => return visit.fail(HandshakeFailure::Reset),
        Err(_elapsed) => return visit.fail(HandshakeFailure::Timeout),
    };
    let site = view.snapshot.sites.find(hello.sni.as_ref());
    let facts = Facts::new(client.ip, Some(&hello));
    let verdict = judge(&site.policy, &hello);
    match lane(&view.snapshot.rollouts.tls, Moment::now, &facts, verdict) {
        Lane::Refuse(failure, why) => {
            visit.refuse(stream, &hello, failure, why).await;
            None
        }
        Lane::Legacy(failure, why) => {
            Some(Greeting::Legacy(visit.pass(stream, &hello, bytes.into(), (failure, why))))
        }
        Lane::Serve => {
            visit.shard.counters.hello(hello.offered(), None, LaneKind::Serve);
            match timeout_at(deadline, tls::accept(stream, &bytes, site, hello.prefers_chacha20()))
                .await
            {
                Ok(accepted) => visit.welcome(*hello, accepted).map(Greeting::Served),
                Err(_elapsed) => visit.fail(HandshakeFailure::Timeout),
            }
        }
    }
}

/// One client at the door.
struct Visit<'a> {
    client: ClientAddr,
    shard: &'a Shard,
    view: &'a View,
}

impl Visit<'_> {
    fn welcome(
        &self,
        hello: Hello,
        accepted: Result<tls::Accepted, tls::HandshakeError>,
    ) -> Option<Greeted> {
        match accepted {
            Ok(tls::Accepted { stream, session }) => {
                self.shard.counters.handshake(&session);
                let ja4 = hello.ja4();
                Some(Greeted { stream, facts: TlsFacts::new(session, hello.sni, ja4) })
            }
            Err(error) => {
                tracing::debug!(client = %self.client.ip, %error, "handshake failed");
                self.fail(error.failure())
            }
        }
    }

    fn fail<T>(&self, failure: HandshakeFailure) -> Option<T> {
        if failure == HandshakeFailure::Timeout {
            self.shard.counters.limit(Limit::HandshakeTimeout);
        }
        self.shard.counters.handshake_failed(failure);
        None
    }

    fn pass(
        &self,
        stream: TcpStream,
        hello: &Hello,
        ahead: Bytes,
        (failure, why): (Failure, Why),
    ) -> Passage {
        let (reason, offered) = (failure.reason, hello.offered());
        self.shard.counters.hello(offered, Some(reason), LaneKind::Legacy);
        tracing::debug!(client = %self.client.ip, %reason, %why, "to the legacy lane");
        Passage { stream, client: self.client, ahead, record_version: Alert::record_version(hello) }
    }

    async fn refuse(&self, stream: TcpStream, hello: &Hello, failure: Failure, why: Why) {
        let (client, reason) = (self.client, failure.reason);
        Refusal { client, hello: Some(hello), reason, why: Some(why), detail: None }
            .record(self.shard, self.view);
        let timer = self.shard.timers.timer();
        match Alert::record_version(hello) {
            Some(version) => {
                closing::with_word(stream, &failure.alert.record(version), &timer).await;
            }
            // SSL 2 has no alert that says it.
            None => closing::politely(stream, &timer).await,
        }
    }

    /// What came is no hello: the sender is told so in its own language where it has one.
    async fn no_hello(&self, stream: TcpStream, outcome: &Outcome) {
        let timer = self.shard.timers.timer();
        match outcome {
            Outcome::Hello(_) | Outcome::More => {
                self.fail::<()>(HandshakeFailure::Eof);
            }
            Outcome::PlainHttp => {
                self.no_tls(Some("plain HTTP on a TLS port"));
                let detail = "this port speaks TLS; send the request to an https:// URL";
                let (pages, id) = (&self.view.snapshot.error_pages, self.shard.request_ids.next());
                let answer = respond::raw(StatusCode::BAD_REQUEST, detail, pages, &id);
                closing::with_word(stream, &answer, &timer).await;
            }
            Outcome::ProxyHeader => {
                self.shard.counters.proxy_header(ProxyHeaderResult::Untrusted);
                let detail = "a PROXY header from a peer that is not expected to send one";
                self.no_tls(Some(detail));
                closing::politely(stream, &timer).await;
            }
            Outcome::Malformed(error) => {
                self.no_tls(Some(error.label()));
                let alert = Alert::DecodeError.record(TLS_1_0);
                closing::with_word(stream, &alert, &timer).await;
            }
        }
    }

    fn no_tls(&self, detail: Option<&str>) {
        let (client, reason) = (self.client, Reason::Malformed);
        Refusal { client, hello: None, reason, why: None, detail }.record(self.shard, self.view);
    }
}

/// The record version that every client reads an alert in (RFC 8446 appendix D).
const TLS_1_0: u16 = 0x0301;

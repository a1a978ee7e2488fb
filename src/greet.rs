//! From the first byte on a TLS port to the end of the handshake, or to the refusal.
//!
//! Called by `connection`, all of it under one deadline. Of a client that is not served, either
//! nothing is left, or it goes on to the legacy lane. Our reading of a hello may refuse it and
//! never admits it: rustls gets the same bytes and enforces the same floor.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    census::Sighting,
    closing,
    config::TestFloor,
    hello::Ja4,
    hello::{self, Alert, Hello, Outcome, Peeked},
    host::Host,
    http::{TlsFacts, respond},
    io::ClientAddr,
    legacy::{About, Passage},
    metrics::Counters,
    metrics::{LaneKind, Limit},
    notice::Notice,
    origin::Origin,
    policy::Policy,
    policy::{Failure, Reason, Verdict, judge},
    proxy_protocol::ProxyHeaderResult,
    refusal::Refusal,
    rollout::{Facts, Lane, Why, lane},
    session::{CertificateFault, HandshakeFailure, Session},
    shard::{Shard, View},
    tls::{self, Site, TlsStream},
    version::Offered,
    what_if::first_notice,
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
    let visit = Visit { client, accepted, shard, view: &view };
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
    match visit.lane(site, &hello) {
        Lane::Refuse(failure, why) => {
            visit.note(&hello, &site.what_if, Some(failure.reason), LaneKind::Refuse);
            visit.refuse(stream, &hello, failure, why).await;
            None
        }
        Lane::Legacy(failure, why) => {
            visit.note(&hello, &site.what_if, Some(failure.reason), LaneKind::Legacy);
            Some(Greeting::Legacy(visit.pass(stream, &hello, bytes.into(), (failure, why))))
        }
        Lane::Serve if view.snapshot.sites.refuses(hello.sni.as_ref()) => {
            visit.no_such_name(stream, &hello).await;
            None
        }
        Lane::Serve => {
            visit.shard.counters.hello(hello.offered(), None, LaneKind::Serve);
            let known = visit.note(&hello, &site.what_if, None, LaneKind::Serve);
            let under_way = UnderWay::new(&shard.counters, hello.offered());
            match timeout_at(deadline, tls::accept(stream, &bytes, site, hello.prefers_chacha20()))
                .await
            {
                Ok(handshake) => {
                    under_way.ends(handshake.as_ref().ok().map(|accepted| accepted.session));
                    visit.welcome(site, *hello, known, handshake).await.map(Greeting::Served)
                }
                Err(_elapsed) => visit.fail(HandshakeFailure::Timeout),
            }
        }
    }
}

/// A handshake that has begun: counted as failed unless it says how it ended, whatever ends it.
struct UnderWay<'a> {
    counters: &'a Counters,
    offered: Offered,
    session: Option<Session>,
}

impl<'a> UnderWay<'a> {
    fn new(counters: &'a Counters, offered: Offered) -> Self {
        Self { counters, offered, session: None }
    }

    fn ends(mut self, session: Option<Session>) {
        self.session = session;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.counters.served(self.offered, self.session.as_ref());
    }
}

/// What judging a hello has found, for the connection that comes of it.
struct Known {
    /// Its fingerprint, where somebody asked for it.
    ja4: Option<Ja4>,
    /// What the client is told of a policy that it fails.
    notice: Option<Arc<Notice>>,
}

/// One client at the door.
struct Visit<'a> {
    client: ClientAddr,
    /// When it came.
    accepted: Instant,
    shard: &'a Shard,
    view: &'a View,
}

impl Visit<'_> {
    /// The rollout's, but for hosts that hold the floor of tomorrow: nobody is spared there.
    fn lane(&self, site: &Site, hello: &Hello) -> Lane {
        match judge(&site.policy, hello) {
            Verdict::Fail(failure) if site.self_test == Some(TestFloor::Strict) => {
                Lane::Refuse(failure, Why::SelfTest)
            }
            verdict => {
                let facts = Facts::new(self.client.ip, Some(hello));
                let rollouts = &self.view.snapshot.rollouts;
                lane(&rollouts.tls, || rollouts.clock.now(), &facts, verdict)
            }
        }
    }

    /// Judges policies that only count, and notes whatever the client fails.
    fn note(
        &self,
        hello: &Hello,
        policies: &[Policy],
        floor: Option<Reason>,
        lane: LaneKind,
    ) -> Known {
        let failing = self.view.snapshot.what_ifs.failing(policies, hello);
        if failing.is_empty() && floor.is_none() {
            return Known { ja4: None, notice: None };
        }
        for (what_if, reason) in &failing {
            what_if.metrics.failed(self.shard.index, *reason);
        }
        let ja4 = hello.ja4();
        let sighting = Sighting { client: self.client, hello: Some((hello, ja4)), lane };
        let policies = failing.iter().map(|(what_if, reason)| (&what_if.name, *reason));
        self.shard.shared.census.note(&sighting, floor, policies);
        Known { ja4: Some(ja4), notice: first_notice(&failing) }
    }

    async fn welcome(
        &self,
        site: &Site,
        hello: Hello,
        Known { ja4, notice }: Known,
        handshake: Result<tls::Accepted, tls::Failed>,
    ) -> Option<Greeted> {
        match handshake {
            Ok(tls::Accepted { stream, session, terms, certificate }) => {
                self.shard.counters.handshake(&session, self.accepted.elapsed());
                let ja4 = ja4.unwrap_or_else(|| hello.ja4());
                let tested = site.self_test.map(|_floor| Box::new(hello.clone()));
                let facts = TlsFacts::new(session, terms, (hello.sni, ja4), certificate);
                let facts = TlsFacts { tested, notice, ..facts };
                Some(Greeted { stream, facts })
            }
            Err(tls::Failed { error, stream }) => {
                tracing::debug!(client = %self.client.ip, %error, "handshake failed");
                if let Some(fault) = error.certificate_fault() {
                    self.record_certificate(hello.sni.as_ref(), fault);
                }
                self.fail::<()>(error.failure());
                if let Some(stream) = stream {
                    // With TLS 1.3 a request may be on its way already, and a reset would take
                    // away what the client is told.
                    closing::politely(stream, &self.shard.timers.timer()).await;
                }
                None
            }
        }
    }

    /// One line about a client's certificate, within the limit of lines about one client.
    fn record_certificate(&self, sni: Option<&Host>, fault: CertificateFault) {
        let Some(suppressed) = self.shard.shared.refusals.admit(self.client.ip, Instant::now())
        else {
            return;
        };
        tracing::info!(
            event = "client_certificate",
            client = %self.client.ip,
            port = self.client.port,
            sni = sni.map(Host::as_str),
            reason = fault.as_str(),
            generation = self.view.snapshot.generation,
            suppressed = (suppressed > 0).then_some(suppressed),
        );
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
        let record_version = Alert::record_version(hello);
        let about = Box::new(About::new(hello, self.shard.request_ids.next(), (reason, why)));
        Passage { stream, client: self.client, ahead, record_version, about }
    }

    async fn refuse(&self, stream: TcpStream, hello: &Hello, failure: Failure, why: Why) {
        self.refusal(Some(hello), Some(failure.reason), None, Some(why));
        self.alert(stream, hello, failure.alert).await;
    }

    /// The hello holds the floor; only its name is nobody's.
    async fn no_such_name(&self, stream: TcpStream, hello: &Hello) {
        let failure = HandshakeFailure::UnrecognizedName;
        self.refusal(Some(hello), None, Some(failure.as_str()), None);
        self.fail::<()>(failure);
        self.alert(stream, hello, Alert::UnrecognizedName).await;
    }

    async fn alert(&self, stream: TcpStream, hello: &Hello, alert: Alert) {
        let timer = self.shard.timers.timer();
        match Alert::record_version(hello) {
            Some(version) => closing::with_word(stream, &alert.record(version), &timer).await,
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
                self.malformed("plain HTTP on a TLS port");
                let detail = "this port speaks TLS; send the request to an https:// URL";
                let (pages, id) = (&self.view.snapshot.error_pages, self.shard.request_ids.next());
                let answer = respond::raw(StatusCode::BAD_REQUEST, detail, pages, &id);
                closing::with_word(stream, &answer, &timer).await;
            }
            Outcome::ProxyHeader => {
                self.shard.counters.proxy_header(ProxyHeaderResult::Untrusted);
                let detail = "a PROXY header from a peer that is not expected to send one";
                self.malformed(detail);
                closing::politely(stream, &timer).await;
            }
            Outcome::Malformed(error) => {
                self.malformed(error.label());
                let alert = Alert::DecodeError.record(TLS_1_0);
                closing::with_word(stream, &alert, &timer).await;
            }
        }
    }

    fn malformed(&self, detail: &str) {
        let sighting = Sighting { client: self.client, hello: None, lane: LaneKind::Refuse };
        let reason = Some(Reason::Malformed);
        self.shard.shared.census.note(&sighting, reason, std::iter::empty());
        self.refusal(None, Some(Reason::Malformed), Some(detail), None);
    }

    fn refusal(
        &self,
        hello: Option<&Hello>,
        reason: Option<Reason>,
        detail: Option<&str>,
        why: Option<Why>,
    ) {
        let client = self.client;
        Refusal { client, hello, reason, why, detail }.record(self.shard, self.view);
    }
}

/// The record version that every client reads an alert in (RFC 8446 appendix D).
const TLS_1_0: u16 = 0x0301;

//! What every request of one connection has in common.
//!
//! Made by `connection` once the TLS handshake is over (or on a plain port at once); the fields
//! that each forwarded request carries are made here once and not per request.

use std::{
    cell::{Cell, OnceCell},
    fmt,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::header::{HeaderName, HeaderValue};

use super::{Tunnel, client_cert};
use crate::{
    hello::{Hello, Ja4},
    host::Host,
    io::{Activity, ClientAddr},
    network,
    notice::Notice,
    port::Port,
    session::Session,
    shard::Shard,
    timer::Ticks,
    tls::{ClientCertificate, Identity, Terms},
};

/// How long after a response an HTTP/1.1 connection is parked; shorter, and a busy one would be
/// taken down and set up again for nothing.
pub(crate) const PARK_AFTER: Duration = Duration::from_millis(300);

/// One client's connection, as its requests see it.
pub(crate) struct Client {
    /// The worker that serves it.
    pub shard: Rc<Shard>,
    /// Where it came in.
    pub port: Arc<Port>,
    /// Who it is.
    pub address: ClientAddr,
    /// What was agreed in the handshake; none on a plain port.
    pub tls: Option<TlsFacts>,
    /// What the connection does.
    pub activity: Rc<Activity>,
    /// How long after its last response the connection is looked at again.
    pub rest: Ticks,
    /// Whether it is a proxy that speaks for others (`listen.trusted_proxies`).
    pub is_trusted: bool,
    /// `X-Forwarded-For`
    pub forwarded_for: HeaderValue,
    /// `Forwarded` as far as the connection tells it, once a request needs it.
    pub forwarded: OnceCell<Box<str>>,
    /// Whether the census has it for speaking plain HTTP.
    pub in_census: Cell<bool>,
    /// The address that it came to, where an upstream wants to know.
    pub local: Option<SocketAddr>,
    /// What the connection becomes once its HTTP/1.1 has ended with a 101.
    pub tunnel: Cell<Option<Box<Tunnel>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A TLS connection's facts, in words and as header fields.
#[derive(Debug)]
pub(crate) struct TlsFacts {
    /// Version, cipher, group, protocol.
    pub session: Session,
    /// What was asked of the client there.
    pub terms: Terms,
    /// The name that the client asked for.
    pub sni: Option<Host>,
    /// The fingerprint of its hello.
    pub ja4: Ja4,
    /// Who the client is by a certificate that was verified.
    pub identity: Option<Box<Identity>>,
    /// What was offered, where clients are tested; nowhere else is it kept.
    pub tested: Option<Box<Hello>>,
    /// What its responses tell of a policy that it fails.
    pub notice: Option<Arc<Notice>>,
    /// The same as fields for an upstream: what a request needs is made once a connection.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

const X_TLS_CIPHER: HeaderName = HeaderName::from_static("x-tls-cipher");
const X_TLS_JA4: HeaderName = HeaderName::from_static("x-tls-ja4");
const X_TLS_SNI: HeaderName = HeaderName::from_static("x-tls-sni");
const X_TLS_VERSION: HeaderName = HeaderName::from_static("x-tls-version");

impl TlsFacts {
    /// Facts of a connection whose handshake is over.
    #[must_use]
    pub(crate) fn new(
        session: Session,
        terms: Terms,
        (sni, ja4): (Option<Host>, Ja4),
        certificate: Option<ClientCertificate>,
    ) -> Self {
        let said = [
            (X_TLS_VERSION, Some(session.version.as_str())),
            (X_TLS_CIPHER, Some(session.cipher.as_str())),
            (X_TLS_SNI, sni.as_ref().map(Host::as_str)),
            (X_TLS_JA4, Some(ja4.as_str())),
        ];
        // Names, fingerprints and labels have no byte that a field may not have.
        let field =
            |(name, text): (_, Option<&str>)| Some((name, HeaderValue::from_str(text?).ok()?));
        let shown = certificate.iter().flat_map(client_cert::fields);
        let fields = said.into_iter().filter_map(field).chain(shown).collect();
        let identity = certificate.map(|certificate| Box::new(certificate.identity));
        Self { session, terms, sni, ja4, identity, tested: None, notice: None, fields }
    }
}

impl Client {
    /// Whether the connection is to end after what it is doing.
    pub(crate) fn is_let_go(&self) -> bool {
        self.shard.lets_go(&self.port)
    }

    /// A connection that is ready for its first request.
    #[must_use]
    pub(crate) fn new(
        shard: Rc<Shard>,
        port: Arc<Port>,
        address: ClientAddr,
        tls: Option<TlsFacts>,
        activity: Activity,
        rest: Ticks,
        local: Option<SocketAddr>,
    ) -> Self {
        let forwarded_for =
            HeaderValue::try_from(address.ip.to_string()).unwrap_or(HeaderValue::from_static("-"));
        let trusted = &shard.view().snapshot.config.listen.trusted_proxies;
        let is_trusted = network::any_has(trusted, address.ip);
        Self {
            shard,
            port,
            address,
            tls,
            activity: Rc::new(activity),
            rest,
            is_trusted,
            forwarded_for,
            forwarded: OnceCell::new(),
            local,
            in_census: Cell::new(false),
            tunnel: Cell::new(None),
        }
    }
}

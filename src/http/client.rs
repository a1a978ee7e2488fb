//! What every request of one connection has in common.
//!
//! Made by `connection` once the TLS handshake is over (or on a plain port at once); the fields
//! that each forwarded request carries are made here once and not per request.

use std::{rc::Rc, time::Duration};

use hyper::header::HeaderValue;

use crate::{
    hello::Ja4,
    host::Host,
    io::{Activity, ClientAddr},
    session::Session,
    shard::Shard,
    timer::Ticks,
};

/// How long after a response an HTTP/1.1 connection is parked; shorter, and a busy one would be
/// taken down and set up again for nothing.
pub(crate) const PARK_AFTER: Duration = Duration::from_millis(300);

/// One client's connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Client {
    /// The worker that serves it.
    pub shard: Rc<Shard>,
    /// Who it is.
    pub address: ClientAddr,
    /// What was agreed in the handshake; none on a plain port.
    pub tls: Option<TlsFacts>,
    /// What the connection does.
    pub activity: Rc<Activity>,
    /// How long after its last response the connection is looked at again.
    pub rest: Ticks,
    /// `X-Forwarded-For`
    pub forwarded_for: HeaderValue,
}

/// A TLS connection's facts, in words and as header fields.
#[derive(Debug)]
pub(crate) struct TlsFacts {
    /// Version, cipher, group, protocol.
    pub session: Session,
    /// The name that the client asked for.
    pub sni: Option<Host>,
    /// The fingerprint of its hello.
    pub ja4: Ja4,
    /// `X-TLS-SNI`
    pub sni_field: Option<HeaderValue>,
    /// `X-TLS-JA4`
    pub ja4_field: Option<HeaderValue>,
}

impl TlsFacts {
    /// Facts of a connection whose handshake is over.
    #[must_use]
    pub(crate) fn new(session: Session, sni: Option<Host>, ja4: Ja4) -> Self {
        let field = |text: &str| HeaderValue::from_str(text).ok();
        let sni_field = sni.as_ref().and_then(|sni| field(sni.as_str()));
        let ja4_field = field(ja4.as_str());
        Self { session, sni, ja4, sni_field, ja4_field }
    }
}

impl Client {
    /// A connection that is ready for its first request.
    #[must_use]
    pub(crate) fn new(
        shard: Rc<Shard>,
        address: ClientAddr,
        tls: Option<TlsFacts>,
        activity: Activity,
        rest: Ticks,
    ) -> Self {
        let forwarded_for =
            HeaderValue::try_from(address.ip.to_string()).unwrap_or(HeaderValue::from_static("-"));
        Self { shard, address, tls, activity: Rc::new(activity), rest, forwarded_for }
    }
}

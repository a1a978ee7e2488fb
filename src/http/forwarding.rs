//! What an upstream is told about the client: `X-Forwarded-*`, or `Forwarded` (RFC 7239), or both.
//!
//! Called by `headers`. What a trusted proxy said is kept and our own hop appended; from anybody
//! else it is gone by now, and only ours is set.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap, Version,
    header::{FORWARDED, HeaderName, HeaderValue},
};

use super::{Asker, Client, authority::Authority, chain::X_FORWARDED_FOR};
use crate::{config::Forwarding, io::ClientAddr, traces::Begun, upstream::OnBehalfOf};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A request on its way through: what it has to say about where it came from.
#[derive(Debug)]
pub(super) struct Hop<'a> {
    /// The connection it came on.
    pub client: &'a Client,
    /// Who asks.
    pub asker: &'a Asker,
    /// Whom for.
    pub authority: Option<&'a Authority>,
    /// `[forwarding]`
    pub forwarding: &'a Forwarding,
    /// Its span, if it has one.
    pub span: Option<Begun>,
}

impl Hop<'_> {
    /// The same for servers that want it in a PROXY header; 0 is a port that is not known.
    pub(super) fn on_behalf_of(&self) -> OnBehalfOf {
        let ClientAddr { ip, port } = self.asker.address;
        let client = SocketAddr::new(ip, port.unwrap_or(0));
        OnBehalfOf { client, local: self.client.local.unwrap_or(client) }
    }

    /// Sets the fields.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if self.client.is_trusted {
            return self.append(headers);
        }
        let style = self.forwarding.style;
        if style.has_x_forwarded() {
            headers.insert(X_FORWARDED_FOR, self.client.forwarded_for.clone());
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto()));
            if let Some(authority) = self.authority {
                headers.insert(X_FORWARDED_HOST, authority.value.clone());
            }
        }
        if style.has_forwarded() {
            set(headers, FORWARDED, &self.element());
        }
    }

    /// Both forms where they are there already, else those that are asked for. A form that begins
    /// here names the client and then the proxy that spoke for it.
    fn append(&self, headers: &mut HeaderMap) {
        let style = self.forwarding.style;
        let other = self.asker.address.ip != self.client.address.ip;
        let client = |name: fn(IpAddr) -> String| other.then(|| name(self.asker.address.ip));
        if headers.contains_key(X_FORWARDED_FOR) || style.has_x_forwarded() {
            let before = joined(headers, &X_FORWARDED_FOR).or_else(|| client(|ip| ip.to_string()));
            let own = self.client.forwarded_for.to_str().unwrap_or_default();
            set(headers, X_FORWARDED_FOR, &chain(before, own));
            let proto = HeaderValue::from_static(self.proto());
            headers.entry(X_FORWARDED_PROTO).or_insert(proto);
            if let Some(authority) = self.authority {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| authority.value.clone());
            }
        }
        if headers.contains_key(FORWARDED) || style.has_forwarded() {
            let before =
                joined(headers, &FORWARDED).or_else(|| client(|ip| format!("for={}", node(ip))));
            set(headers, FORWARDED, &chain(before, &self.element()));
        }
    }

    fn proto(&self) -> &'static str {
        if self.client.tls.is_some() { "https" } else { "http" }
    }

    /// Our own element; `by` is left out, because our address is nobody's business.
    fn element(&self) -> String {
        let of_connection = self.client.forwarded.get_or_init(|| {
            format!("for={};proto={}", node(self.client.address.ip), self.proto()).into()
        });
        match self.authority.map(|authority| authority.value.to_str().unwrap_or_default()) {
            None => of_connection.to_string(),
            // A checked authority has nothing that would have to be escaped.
            Some(host) if host.contains([':', '[']) => format!("{of_connection};host=\"{host}\""),
            Some(host) => format!("{of_connection};host={host}"),
        }
    }
}

/// What we add to `Via` for a message that came in this version (RFC 9110 7.6.3). The name is a
/// pseudonym: a host's own would tell clients about the network.
pub(super) fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2.0 tlsfloor",
        Version::HTTP_10 | Version::HTTP_09 => "1.0 tlsfloor",
        _ => "1.1 tlsfloor",
    })
}

/// RFC 7239 6: an IPv6 address stands in brackets, and they in quotes.
fn node(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    }
}

/// All values of a list field in one; none where the field is absent or says nothing.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let values: Vec<&str> = values.filter(|value| !value.trim().is_empty()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn chain(before: Option<String>, own: &str) -> String {
    before.map_or_else(|| own.to_owned(), |before| format!("{before}, {own}"))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Made of checked parts and of what came in a field; it always is one.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    } else {
        headers.remove(name);
    }
}

//! Names of clients: those that a certificate bears, and the patterns that say which may come.
//!
//! `config` parses the patterns, `tls` reads the names (subjectAltName, RFC 5280 4.2.1.6). A name
//! counts only in a form that tells its kind, so that no DNS name can pass for a URI in a pattern,
//! a header or the log, and none has a byte that could break out of either.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::host::{Host, HostPattern};

/// A name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AltName {
    /// A host.
    Dns(Host),
    /// Anything with a scheme, such as a SPIFFE ID.
    Uri(Box<str>),
    /// A mailbox.
    Email(Box<str>),
}

/// Longer ones name nobody.
const LONGEST: usize = 1024;

impl AltName {
    /// A dNSName; none for an address or a wildcard, which name no single client.
    #[must_use]
    pub(crate) fn dns(text: &str) -> Option<Self> {
        // A text that is no name is no problem here: others of the certificate may be.
        let host = Host::parse(text).ok()?;
        host.ip().is_none().then_some(Self::Dns(host))
    }

    /// A uniformResourceIdentifier.
    #[must_use]
    pub(crate) fn uri(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(in_scheme)
            && !rest.is_empty()
            && is_plain(text);
        fits.then(|| Self::Uri(text.into()))
    }

    /// An rfc822Name.
    #[must_use]
    pub(crate) fn email(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let fits = !local.is_empty() && !text.contains(':') && is_plain(text);
        (fits && Host::parse(domain).is_ok()).then(|| Self::Email(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Dns(host) => host.as_str(),
            Self::Uri(text) | Self::Email(text) => text,
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Which names a client may have. The form of its text tells the kind: a URI has a colon, a
/// mailbox an `@`, a host neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientName {
    /// A host, or each name one label below one (`*.example.com`).
    Dns(HostPattern),
    /// Exactly this URI.
    Uri(Box<str>),
    /// Each URI that begins so; written with a star behind it.
    UriPrefix(Box<str>),
    /// Exactly this mailbox; case makes no difference in its domain (RFC 5280 7.5).
    Email(Box<str>),
}

/// The text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a client's name")]
pub struct ClientNameError;

impl ClientName {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Where it is none; a star belongs in place of a host's first label, or behind a `/` or `:`
    /// at the end of a URI, so that it never stands for a part of a host.
    pub fn parse(text: &str) -> Result<Self, ClientNameError> {
        let kind = match text.strip_suffix('*') {
            Some(prefix) if text.contains(':') => {
                let whole = prefix.ends_with(['/', ':']) && AltName::uri(text).is_some();
                (whole && !prefix.contains('*')).then(|| Self::UriPrefix(prefix.into()))
            }
            _ if text.contains(':') => {
                AltName::uri(text).filter(|_| !text.contains('*')).map(|_| Self::Uri(text.into()))
            }
            _ if text.contains('@') => AltName::email(text)
                .filter(|_| !text.contains('*'))
                .map(|_| Self::Email(text.into())),
            _ => match HostPattern::parse(text) {
                Ok(HostPattern::Any) | Err(_) => None,
                Ok(HostPattern::Exact(host)) if host.ip().is_some() => None,
                Ok(pattern) => Some(Self::Dns(pattern)),
            },
        };
        kind.ok_or(ClientNameError)
    }

    /// Whether a certificate's name is one of these.
    #[must_use]
    pub(crate) fn admits(&self, name: &AltName) -> bool {
        match (self, name) {
            (Self::Dns(HostPattern::Exact(host)), AltName::Dns(name)) => host == name,
            (Self::Dns(HostPattern::Wildcard(suffix)), AltName::Dns(name)) => {
                name.as_str().split_once('.').is_some_and(|(_, parent)| parent == suffix.as_str())
            }
            (Self::Uri(uri), AltName::Uri(name)) => uri == name,
            (Self::UriPrefix(prefix), AltName::Uri(name)) => {
                name.strip_prefix(&**prefix).is_some_and(|rest| !climbs(rest))
            }
            (Self::Email(mailbox), AltName::Email(name)) => same_mailbox(mailbox, name),
            _ => false,
        }
    }
}

/// Whether a URI's path leads out of where it begins, for a reader that resolves it.
fn climbs(rest: &str) -> bool {
    let rest = rest.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    rest.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."))
}

fn same_mailbox(one: &str, other: &str) -> bool {
    let parts = one.rsplit_once('@').zip(other.rsplit_once('@'));
    parts.is_some_and(|((local, domain), (other_local, other_domain))| {
        local == other_local && domain.eq_ignore_ascii_case(other_domain)
    })
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(pattern) => pattern.fmt(f),
            Self::Uri(text) | Self::Email(text) => f.write_str(text),
            Self::UriPrefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Serialize for ClientName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{AltName, ClientName};

    fn admits(pattern: &str, name: Option<AltName>) -> bool {
        ClientName::parse(pattern).unwrap().admits(&name.unwrap())
    }

    #[test]
    fn each_kind_admits_its_own() {
        let (dns, uri, email) = (AltName::dns, AltName::uri, AltName::email);
        assert!(admits("api.Example.com", dns("API.example.com")));
        assert!(!admits("api.example.com", dns("b.example.com")));
        assert!(admits("*.example.com", dns("a.example.com")));
        assert!(!admits("*.example.com", dns("a.b.example.com")));
        assert!(!admits("*.example.com", dns("example.com")));
        assert!(admits("urn:x:1", uri("urn:x:1")));
        assert!(!admits("urn:x:1", uri("urn:x:12")));
        assert!(admits("spiffe://e.com/prod/*", uri("spiffe://e.com/prod/a/b")));
        assert!(!admits("spiffe://e.com/prod/*", uri("spiffe://e.com/production")));
        assert!(admits("a@e.com", email("a@E.com")));
        assert!(!admits("a@e.com", email("A@e.com")));
        assert!(!admits("e.com", email("a@e.com")));
    }

    #[test]
    fn a_prefix_is_not_left_by_dots() {
        for rest in ["..", "../dev", "a/../../dev", ".", "%2E%2e/dev", "a%2f..%2fb", "a?/.."] {
            let name = AltName::uri(&format!("spiffe://e.com/prod/{rest}"));
            assert!(!admits("spiffe://e.com/prod/*", name), "{rest}");
        }
        assert!(admits("spiffe://e.com/prod/*", AltName::uri("spiffe://e.com/prod/a..b/...")));
    }

    #[test]
    fn what_is_no_pattern() {
        let bad = [
            "",
            "*",
            "*a.com",
            "a*.com",
            "10.0.0.1",
            "::1",
            "*.10.0.0.1",
            "spiffe://e.com*",
            "spiffe://*.e.com/a",
            "spiffe://*/a*",
            "spiffe://e.com/a b",
            "*@e.com",
            "@e.com",
            "a@",
            "a@b c",
            "1x:y",
            "x:",
            "a\u{e9}.com",
        ];
        for text in bad {
            assert!(ClientName::parse(text).is_err(), "{text:?}");
        }
        for text in ["a.com", "*.a.com", "spiffe://e.com/*", "urn:x:*", "https://a/b", "a@b.com"] {
            assert_eq!(ClientName::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_counts_only_in_the_form_of_its_kind() {
        assert_eq!(AltName::dns("spiffe://e.com/a"), None);
        assert_eq!(AltName::dns("a@e.com"), None);
        assert_eq!(AltName::dns("*.e.com"), None);
        assert_eq!(AltName::uri("e.com"), None);
        assert_eq!(AltName::uri("spiffe://e.com/a\r\nX: b"), None);
        assert_eq!(AltName::email("spiffe://a@e.com"), None);
        assert_eq!(AltName::uri(&format!("urn:{}", "a".repeat(1024))), None);
    }
}

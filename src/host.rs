//! Host names: parsed once, lower-case from then on.
//!
//! Configuration, hellos and requests all bring names; this is the one place that says what a
//! name is. It must never let through a byte that could break out of a header or a URL.

use std::{fmt, net::IpAddr};

use serde::Serialize;

/// A host name or an IP literal, lower-case, without port, brackets or a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Box<str>);

impl Host {
    /// Parses a name (`api.example.com`) or an IP address (`10.0.0.1`, `::1`, `[::1]`).
    ///
    /// # Errors
    /// `HostError` where the text is empty, longer than 253 bytes, or has a byte that no name has.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self(address.to_string().into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if !is_name(name) {
            return Err(HostError);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }

    /// The name as text; an IPv6 address comes without brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, where this is an IP literal.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Host {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name")]
pub struct HostError;

/// Whether `name` is made of labels of letters, digits, `-` and `_` (RFC 1123 2.1, and the
/// underscore that real names have).
#[must_use]
pub fn is_name(name: &str) -> bool {
    // One look at each byte: this runs once a request.
    let mut length = 0;
    let mut before = b'.';
    for byte in name.bytes() {
        let fits = match byte {
            b'.' => length > 0 && before != b'-',
            b'-' => length > 0,
            _ => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        length = if byte == b'.' { 0 } else { length + 1 };
        if !fits || length > 63 {
            return false;
        }
        before = byte;
    }
    length > 0 && before != b'-' && name.len() <= 253
}

/// What a configured host covers: one name, every name one label below a suffix, or everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`
    Any,
    /// Exactly this name.
    Exact(Host),
    /// `*.example.com`, kept as `example.com`: covers one label below it, not the name itself.
    Wildcard(Host),
}

impl HostPattern {
    /// Parses `*`, `*.example.com` or a name.
    ///
    /// # Errors
    /// `HostError` where what stands behind the star, or the whole, is no name.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.strip_prefix("*.") {
            _ if text == "*" => Ok(Self::Any),
            Some(suffix) if suffix.parse::<IpAddr>().is_err() => {
                Host::parse(suffix).map(Self::Wildcard)
            }
            Some(_) => Err(HostError),
            None => Host::parse(text).map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => host.fmt(f),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, HostPattern};

    #[test]
    fn names_are_folded_and_bad_bytes_refused() {
        assert_eq!(Host::parse("API.Example.com.").unwrap().as_str(), "api.example.com");
        assert_eq!(Host::parse("[::1]").unwrap().as_str(), "::1");
        let long = "a".repeat(64);
        for bad in ["", ".", "a..b", "-a", "a-", "a b", "a/b", "a\r\nb", "ü", "a:80", "[a]", &long]
        {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns() {
        assert_eq!(HostPattern::parse("*").unwrap(), HostPattern::Any);
        assert_eq!(HostPattern::parse("*.A.com").unwrap().to_string(), "*.a.com");
        for bad in ["*.", "*a.com", "a.*.com", "*.10.0.0.1"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}

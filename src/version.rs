//! The names of TLS versions: what is served, and what a client offers.
//!
//! Used by everything above; knows nothing but numbers and words. It must never name a version
//! below 1.2 as one that can be served.

use std::fmt;

use serde::Serialize;

/// A version that this proxy serves. There is none below 1.2, so none can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446, RFC 9846).
    Tls13,
}

impl TlsVersion {
    /// Every served version, lowest first.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The number on the wire, for example `0x0303`.
    #[must_use]
    pub const fn wire(self) -> u16 {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The word used in configuration, metrics and logs: `1.2` or `1.3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TlsVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

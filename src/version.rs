//! The names of TLS versions: what is served, and what a client offers.
//!
//! Used by everything above; knows nothing but numbers and words. It must never name a version
//! below 1.2 as one that can be served.

use std::fmt;

use serde::Serialize;

use crate::label::{Label, labels};

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

impl Label for TlsVersion {
    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        match self {
            Self::Tls12 => 0,
            Self::Tls13 => 1,
        }
    }

    fn as_str(self) -> &'static str {
        Self::as_str(self)
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

labels! {
    /// The highest version that a client offers.
    pub enum Offered {
        /// No hello, or none that names a version we know.
        None = "none",
        /// SSL 2.0 and nothing above it.
        Sslv2 = "sslv2",
        /// SSL 3.0
        Ssl3 = "ssl3",
        /// TLS 1.0
        Tls10 = "1.0",
        /// TLS 1.1
        Tls11 = "1.1",
        /// TLS 1.2
        Tls12 = "1.2",
        /// TLS 1.3
        Tls13 = "1.3",
    }
}

impl Offered {
    /// By its number on the wire.
    #[must_use]
    pub const fn from_wire(number: u16) -> Self {
        match number {
            0x0002 => Self::Sslv2,
            0x0300 => Self::Ssl3,
            0x0301 => Self::Tls10,
            0x0302 => Self::Tls11,
            0x0303 => Self::Tls12,
            0x0304 => Self::Tls13,
            _ => Self::None,
        }
    }
}

//! What a client says first: read from bytes, never from a library's idea of them.
//!
//! `greet` peeks, `policy` judges, `refusal` tells. The parsers are sans-io and never stricter
//! than rustls about what is malformed: what they let pass, rustls still may refuse.

mod alert;
pub mod iana;
mod ja4;
mod parse;
mod peek;
mod record;
mod sslv2;

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "../../tests/it/support/hellos.rs"]
pub(crate) mod samples;

pub use alert::Alert;
pub use ja4::Ja4;
pub use peek::{Peeked, first_bytes, peek};
pub use record::{MAX_HELLO, Outcome, begins_like_tls, read};

use crate::{host::Host, version::Offered};

/// `TLS_FALLBACK_SCSV` (RFC 7507): "this is not the highest version I can".
const FALLBACK_SCSV: u16 = 0x5600;

/// How a hello was framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TLS or SSL 3 records.
    Tls,
    /// The SSL 2 format, in which old clients also offer later versions (RFC 5246 appendix E.2).
    Sslv2,
}

/// A client's hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How it was framed.
    pub format: Format,
    /// `legacy_version`: what it offers if there is no `supported_versions`.
    pub legacy_version: u16,
    /// `supported_versions` without GREASE.
    pub supported_versions: Option<Vec<u16>>,
    /// Cipher suites in the client's order, GREASE and signals included.
    pub suites: Vec<u16>,
    /// Compression methods.
    pub compressions: Vec<u8>,
    /// Extension numbers in the client's order, GREASE included.
    pub extensions: Vec<u16>,
    /// `server_name`, where it is a host name.
    pub sni: Option<Host>,
    /// `application_layer_protocol_negotiation`
    pub alpn: Vec<Vec<u8>>,
    /// `supported_groups`
    pub groups: Option<Vec<u16>>,
    /// The groups that come with a key share.
    pub key_shares: Option<Vec<u16>>,
    /// `signature_algorithms`
    pub signature_schemes: Option<Vec<u16>>,
    /// `ec_point_formats`
    pub point_formats: Option<Vec<u8>>,
}

impl Hello {
    /// The highest version that it offers and that there is.
    #[must_use]
    pub fn offered(&self) -> Offered {
        match &self.supported_versions {
            Some(versions) => {
                let known = versions.iter().map(|version| Offered::from_wire(*version));
                known.max().unwrap_or(Offered::None)
            }
            // RFC 8446 4.2.1: without the extension there is nothing above TLS 1.2.
            None if self.legacy_version > 0x0303 => Offered::Tls12,
            None => Offered::from_wire(self.legacy_version),
        }
    }

    /// Whether it offers exactly this version.
    #[must_use]
    pub fn offers(&self, version: u16) -> bool {
        match &self.supported_versions {
            Some(versions) => versions.contains(&version),
            // No lower bound is named; a client that offers 1.2 may well do 1.1.
            None => version <= self.legacy_version.min(0x0303),
        }
    }

    /// Whether the client says that it has been refused at a higher version before.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.suites.contains(&FALLBACK_SCSV)
    }

    /// Whether ChaCha20 comes before AES in its list, as it does where AES is slow.
    #[must_use]
    pub fn prefers_chacha20(&self) -> bool {
        let mut ciphers = self.suites.iter().filter_map(|suite| match suite {
            0x1303 | 0xcca8 | 0xcca9 => Some(true),
            0x1301 | 0x1302 | 0xc02b | 0xc02c | 0xc02f | 0xc030 => Some(false),
            _ => None,
        });
        ciphers.next().unwrap_or(false)
    }

    /// Its fingerprint.
    #[must_use]
    pub fn ja4(&self) -> Ja4 {
        Ja4::of(self)
    }
}

/// What is wrong with bytes that should be a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Neither TLS nor SSL nor HTTP.
    #[error("the bytes are no TLS")]
    NotTls,
    /// A record of another type, version or length than a hello's.
    #[error("a record that cannot be part of a hello")]
    BadRecord,
    /// Another handshake message.
    #[error("a handshake message other than a hello")]
    NotHello,
    /// More than [`MAX_HELLO`] bytes, or more records than any client needs.
    #[error("a hello that is too large")]
    TooLarge,
    /// A length inside it that does not fit.
    #[error("a hello whose lengths do not fit")]
    BadLength,
}

impl HelloError {
    /// Its word in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::BadRecord => "bad_record",
            Self::NotHello => "not_hello",
            Self::TooLarge => "too_large",
            Self::BadLength => "bad_length",
        }
    }
}

/// Values that clients send to keep servers tolerant (RFC 8701).
const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

//! The alerts that we send ourselves, in records that old clients can read.
//!
//! OpenSSL 0.9.8 looks at an alert only in a record of a version it knows, so the record bears
//! the client's own version; then its user reads "protocol version" and not "unknown protocol".

use super::{Format, Hello};

/// Fatal alerts by what they say (RFC 8446 6.2, RFC 7507 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// 10: TLS where none is spoken.
    UnexpectedMessage,
    /// 40: nothing in common but the version.
    HandshakeFailure,
    /// 50: no hello that can be read.
    DecodeError,
    /// 70: below the floor.
    ProtocolVersion,
    /// 86: the client could do better and did not.
    InappropriateFallback,
    /// 112: no such host here (RFC 6066 3).
    UnrecognizedName,
}

const ALERT: u8 = 0x15;
const FATAL: u8 = 2;

impl Alert {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::UnexpectedMessage => 10,
            Self::HandshakeFailure => 40,
            Self::DecodeError => 50,
            Self::ProtocolVersion => 70,
            Self::InappropriateFallback => 86,
            Self::UnrecognizedName => 112,
        }
    }

    /// The alert in a record of `version`.
    #[must_use]
    pub const fn record(self, version: u16) -> [u8; 7] {
        let [major, minor] = version.to_be_bytes();
        [ALERT, major, minor, 0, 2, FATAL, self.number()]
    }

    /// The record version in which the sender of `hello` reads an alert; none where it knows no
    /// such thing (SSL 2.0).
    #[must_use]
    pub fn record_version(hello: &Hello) -> Option<u16> {
        match hello.legacy_version {
            0x0002 if hello.format == Format::Sslv2 => None,
            // Versions that nobody has are answered in the nearest that somebody has.
            version => Some(version.clamp(0x0300, 0x0303)),
        }
    }
}

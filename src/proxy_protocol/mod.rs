//! The PROXY protocol: whom a load balancer in front of us speaks for, and whom we do.
//!
//! `origin` reads a header where the peer is configured to send one, and looks for one where it
//! is not. The parsers are sans-io and stricter than most: a header that could be read two ways
//! is none, because an address is believed on its word. (HAProxy's proxy-protocol.txt, 2.1, 2.2.)

mod read;
mod tlv;
mod v1;
mod v2;
mod write;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use read::{ReadError, read};
pub use tlv::Kind;
pub use write::{V1_LOCAL, V2_LOCAL, v1 as write_v1, v2 as write_v2, v2_with as write_v2_with};

use crate::label::labels;

/// The longest header that is read, type-length-values included; load balancers send some 200
/// bytes, with a client certificate's names a few hundred more.
pub const LONGEST: usize = 4096;

/// Whom a header speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The client at this address.
    Client(SocketAddr),
    /// The peer itself (its health check), or somebody whose address it does not know.
    Peer,
}

/// Whether bytes are the beginning of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Too few to say.
    Open,
    /// Of a header in either version.
    Header,
    /// Of something else.
    Other,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// They begin in another way.
    #[error("no PROXY header")]
    Missing,
    /// A line of version 1 that is none (2.1).
    #[error("a PROXY line that does not hold the grammar")]
    BadLine,
    /// A version, command or address family that there is not, or an address that does not fit.
    #[error("a PROXY header of an unknown kind")]
    BadKind,
    /// More than [`LONGEST`] bytes, or a line of more than 107.
    #[error("a PROXY header that is too long")]
    TooLong,
    /// A length inside it that does not fit.
    #[error("a PROXY header whose lengths do not fit")]
    BadLength,
    /// Its CRC32c is not that of its bytes (2.2.3).
    #[error("a PROXY header whose checksum is wrong")]
    BadChecksum,
}

labels! {
    /// How it went with a PROXY header.
    pub enum ProxyHeaderResult {
        /// It named the client.
        Accepted = "accepted",
        /// It spoke for the peer itself, or for nobody that it knows.
        Local = "local",
        /// A peer that has to send one sent something else.
        Missing = "missing",
        /// A peer that may not send one did.
        Untrusted = "untrusted",
        /// It was none that can be read.
        Malformed = "malformed",
        /// It did not come in time.
        Timeout = "timeout",
        /// The peer closed before it was whole.
        Closed = "closed",
    }
}

impl ProxyHeaderError {
    /// What it is counted as.
    #[must_use]
    pub fn result(self) -> ProxyHeaderResult {
        match self {
            Self::Missing => ProxyHeaderResult::Missing,
            Self::BadLine | Self::BadKind | Self::TooLong | Self::BadLength | Self::BadChecksum => {
                ProxyHeaderResult::Malformed
            }
        }
    }
}

/// What `bytes`, all that has come so far, begin with.
#[must_use]
pub fn begins(bytes: &[u8]) -> Beginning {
    let begins_with = |start: &[u8]| bytes.starts_with(start);
    if begins_with(v1::START) || begins_with(v2::SIGNATURE) {
        Beginning::Header
    } else if v1::START.starts_with(bytes) || v2::SIGNATURE.starts_with(bytes) {
        Beginning::Open
    } else {
        Beginning::Other
    }
}

/// The header at the beginning of `bytes` and its length; none as long as it is not whole.
///
/// # Errors
/// What more bytes cannot mend.
pub fn parse(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyHeaderError> {
    match (begins(bytes), bytes) {
        (Beginning::Other, _) => Err(ProxyHeaderError::Missing),
        (Beginning::Open, _) => Ok(None),
        (Beginning::Header, [b'P', ..]) => v1::parse(bytes),
        (Beginning::Header, _) => v2::parse(bytes),
    }
}

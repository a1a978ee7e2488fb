//! What a handshake agreed on, or failed by, as closed sets.
//!
//! `tls` names them by their numbers on the wire, `metrics` counts by them, `http` tells
//! upstreams. An unknown number is `other`, never a new word.

use crate::{label::labels, version::TlsVersion};

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// TLS version.
    pub version: TlsVersion,
    /// Cipher suite.
    pub cipher: Cipher,
    /// Key exchange group.
    pub group: Group,
    /// Application protocol.
    pub alpn: Alpn,
    /// Whether an earlier session was taken up.
    pub resumed: bool,
}

labels! {
    /// Cipher suites by their IANA names.
    pub enum Cipher {
        /// 0x1301
        Aes128Gcm = "TLS_AES_128_GCM_SHA256",
        /// 0x1302
        Aes256Gcm = "TLS_AES_256_GCM_SHA384",
        /// 0x1303
        Chacha20 = "TLS_CHACHA20_POLY1305_SHA256",
        /// 0xc02b
        EcdsaAes128Gcm = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        /// 0xc02c
        EcdsaAes256Gcm = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        /// 0xcca9
        EcdsaChacha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        /// 0xc02f
        RsaAes128Gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        /// 0xc030
        RsaAes256Gcm = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        /// 0xcca8
        RsaChacha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        /// Any other.
        Other = "other",
    }
}

impl Cipher {
    /// By its number on the wire.
    #[must_use]
    pub fn from_wire(number: u16) -> Self {
        match number {
            0x1301 => Self::Aes128Gcm,
            0x1302 => Self::Aes256Gcm,
            0x1303 => Self::Chacha20,
            0xc02b => Self::EcdsaAes128Gcm,
            0xc02c => Self::EcdsaAes256Gcm,
            0xcca9 => Self::EcdsaChacha20,
            0xc02f => Self::RsaAes128Gcm,
            0xc030 => Self::RsaAes256Gcm,
            0xcca8 => Self::RsaChacha20,
            _ => Self::Other,
        }
    }
}

labels! {
    /// Key exchange groups by their IANA names.
    pub enum Group {
        /// 0x11ec
        X25519Mlkem768 = "X25519MLKEM768",
        /// 0x001d
        X25519 = "x25519",
        /// 0x0017
        Secp256r1 = "secp256r1",
        /// 0x0018
        Secp384r1 = "secp384r1",
        /// Any other, or none (a resumed TLS 1.2 session exchanges no keys).
        Other = "other",
    }
}

impl Group {
    /// By its number on the wire.
    #[must_use]
    pub fn from_wire(number: u16) -> Self {
        match number {
            0x11ec => Self::X25519Mlkem768,
            0x001d => Self::X25519,
            0x0017 => Self::Secp256r1,
            0x0018 => Self::Secp384r1,
            _ => Self::Other,
        }
    }
}

labels! {
    /// Application protocols (RFC 7301).
    pub enum Alpn {
        /// HTTP/2
        H2 = "h2",
        /// HTTP/1.1
        Http11 = "http/1.1",
        /// The client named none; it speaks HTTP/1.1.
        None = "none",
    }
}

labels! {
    /// Why a handshake did not come to its end.
    pub enum HandshakeFailure {
        /// The client closed.
        Eof = "eof",
        /// The client reset the connection.
        Reset = "reset",
        /// The time was up.
        Timeout = "timeout",
        /// The client sent an alert: often it does not trust the certificate.
        AlertReceived = "alert_received",
        /// No name, or one that nobody here has, where such clients are refused.
        UnrecognizedName = "unrecognized_name",
        /// Nothing in common after all.
        PeerIncompatible = "peer_incompatible",
        /// The client broke the protocol.
        PeerMisbehaved = "peer_misbehaved",
        /// What came was no TLS.
        InvalidMessage = "invalid_message",
        /// A record could not be decrypted.
        Decrypt = "decrypt",
        /// A site that asks for the client's certificate got none, or a bad one.
        ClientCertificate = "client_certificate",
        /// Anything else, ours included.
        Other = "other",
    }
}

labels! {
    /// What is wrong with a client's certificate.
    pub enum CertificateFault {
        /// There is none where one has to be.
        Missing = "missing",
        /// No authority of the site has signed it.
        UnknownIssuer = "unknown_issuer",
        /// It has ended, or not begun.
        Expired = "expired",
        /// Its authority has revoked it.
        Revoked = "revoked",
        /// No revocation list is about it.
        NoList = "no_crl",
        /// The revocation list that is about it is out of date.
        StaleList = "stale_crl",
        /// None of its names is allowed.
        Name = "name",
        /// It is not for clients.
        Purpose = "purpose",
        /// It cannot be understood, or is not the client's own.
        Invalid = "invalid",
    }
}

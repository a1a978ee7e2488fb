//! `[tls]` as meant: the floor, the certificates, sessions, and who is asked for what.
//!
//! Made by `resolve/tls` and by `cli/demo`, read by `tls`. A secret is a file here, never a value.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use super::{ClientAuth, FileAt, Place, TestFloor, types::seconds};
use crate::{host::HostPattern, version::TlsVersion};

/// `[tls]`: the floor and the certificates.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    /// The floor.
    pub minimum: TlsVersion,
    /// Certificates for every name that no host below claims.
    pub certificates: Vec<CertificateSource>,
    /// What is asked of clients; none: no certificate.
    pub client_auth: Option<ClientAuth>,
    /// What a client gets that names no host.
    pub without_sni: Stranger,
    /// What a client gets that names a host which is not here.
    pub unknown_sni: Stranger,
    /// Secrets of session tickets; absent: one of this process.
    pub ticket_secret: Option<FileAt>,
    /// How long a session can be resumed.
    #[serde(serialize_with = "seconds")]
    pub ticket_lifetime: Duration,
    /// Names with a floor or certificates of their own.
    pub hosts: Vec<TlsHost>,
    /// The names of `[self_test]`; shown there.
    #[serde(skip)]
    pub self_test: Vec<(TestFloor, TlsHost)>,
}

impl Tls {
    /// With a floor and certificates, everything else by default.
    #[must_use]
    pub fn new(minimum: TlsVersion, certificates: Vec<CertificateSource>) -> Self {
        Self {
            minimum,
            certificates,
            client_auth: None,
            without_sni: Stranger::Default,
            unknown_sni: Stranger::Default,
            ticket_secret: None,
            ticket_lifetime: Self::TICKET_LIFETIME,
            hosts: Vec::new(),
            self_test: Vec::new(),
        }
    }

    /// `tls.ticket_lifetime` by default.
    pub(super) const TICKET_LIFETIME: Duration = Duration::from_secs(12 * 3600);
}

/// What a client gets whose name is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stranger {
    /// The default site.
    Default,
    /// The alert `unrecognized_name` (RFC 6066 3).
    Refuse,
}

/// `[[tls.hosts]]`
#[derive(Clone, Debug, Serialize)]
pub struct TlsHost {
    /// Exact names and wildcards; never `Any`.
    pub names: Vec<HostPattern>,
    /// The floor for these names; never below `tls.minimum`.
    pub minimum: TlsVersion,
    /// Empty: those of `[tls]`.
    pub certificates: Vec<CertificateSource>,
    /// What is asked of clients of these names; none: no certificate.
    pub client_auth: Option<ClientAuth>,
    /// Where the host stands, for problems found later.
    #[serde(skip)]
    pub place: Place,
}

/// A chain and its key.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum CertificateSource {
    /// PEM files; both paths are absolute or relative to the working directory by now.
    Files {
        /// The chain, leaf first.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
        /// An OCSP response for the leaf.
        #[serde(skip_serializing_if = "Option::is_none")]
        ocsp: Option<FileAt>,
        /// Where the chain's value stands.
        #[serde(skip)]
        chain_place: Place,
        /// Where the key's value stands.
        #[serde(skip)]
        key_place: Place,
    },
    /// PEM text made by the process itself (`tlsfloor demo`).
    Memory {
        /// Under which name metrics show it.
        name: String,
        /// The chain, leaf first.
        #[serde(skip)]
        chain: String,
        /// The private key.
        #[serde(skip)]
        key: String,
    },
}

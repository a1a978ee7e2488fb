//! `client_auth` as meant: which certificates clients have to show, or may.
//!
//! Made by `resolve/client_auth` for `[tls]` and each of `[[tls.hosts]]`; `tls` reads the files.

use serde::Serialize;

use super::FileAt;
use crate::client_name::ClientName;

/// What is asked of clients; where nothing is, there is none of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientAuth {
    /// Whether a client without a certificate is served.
    pub mode: ClientAuthMode,
    /// Whose certificates count.
    pub ca: FileAt,
    /// What of them was revoked.
    pub crl: Option<FileAt>,
    /// What a list that is out of date does.
    pub stale_crl: StaleCrl,
    /// A certificate needs one of these names; empty: any.
    pub names: Vec<ClientName>,
    /// Whether upstreams get `Client-Cert-Chain` too.
    pub forward_chain: bool,
}

/// `client_auth.mode`, where it is not `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuthMode {
    /// A client has to show one.
    Required,
    /// A client may show one; a bad one is refused all the same.
    Optional,
}

/// `client_auth.stale_crl`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StaleCrl {
    /// Nobody whose certificate it is about is served.
    Refuse,
    /// It counts on, and a line says so.
    Warn,
}

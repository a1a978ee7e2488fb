//! `client_auth` as written, in `[tls]` and in `[[tls.hosts]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    raw::{Switch, Text},
    shape,
};

/// Which certificates clients have to show, or may.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientAuth {
    /// required, optional (a bad one is refused all the same), or none.
    #[schemars(with = "shape::ClientAuthMode")]
    pub mode: Option<Text>,
    /// PEM file of the authorities that clients' certificates are from.
    #[schemars(with = "shape::File")]
    pub ca: Option<Text>,
    /// File of their revocation lists, PEM or one in DER.
    #[schemars(with = "shape::File")]
    pub crl: Option<Text>,
    /// What a list past its nextUpdate does: refuse its authority's clients, or warn.
    #[schemars(with = "shape::StaleCrl")]
    pub stale_crl: Option<Text>,
    /// subjectAltNames of which a certificate needs one: hosts, URIs, mailboxes; absent: any.
    #[schemars(with = "Vec<shape::Name>")]
    pub names: Option<Vec<Text>>,
    /// Adds Client-Cert-Chain to Client-Cert (RFC 9440).
    #[schemars(with = "bool")]
    pub forward_chain: Option<Switch>,
}

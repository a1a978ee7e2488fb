//! `[plain_http]` as meant: what requests in clear get, and what their clients are told.
//!
//! Made by `resolve/plain_http`, read by `http` and `notice`.

use hyper::header::HeaderName;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{FileAt, PlainRollout};

/// `[plain_http]`
#[derive(Clone, Debug, Serialize)]
pub struct PlainHttp {
    /// What a plain request gets.
    pub action: PlainAction,
    /// Status of the redirect: 301, 302, 307 or 308.
    pub status: u16,
    /// Which requests are redirected.
    pub redirect_only: RedirectOnly,
    /// The port in the redirect's target; 443 is left out of it.
    pub https_port: u16,
    /// Path prefixes that are forwarded in clear (ACME challenges).
    pub exempt_paths: Vec<String>,
    /// Since when plain HTTP is deprecated (RFC 9745).
    #[serde(serialize_with = "moment")]
    pub deprecation: Option<Timestamp>,
    /// When it ends (RFC 8594); not before `deprecation`.
    #[serde(serialize_with = "moment")]
    pub sunset: Option<Timestamp>,
    /// A page about it.
    pub notice: Option<String>,
    /// Fields that carry credentials beside `Authorization` and `Cookie`.
    #[serde(serialize_with = "names")]
    pub credential_headers: Vec<HeaderName>,
    /// Query parameters that do.
    pub credential_params: Vec<String>,
    /// What credentials are hashed with in the log; none: a key of this process.
    pub credentials_key: Option<FileAt>,
    /// From forwarding to what it leads to; `action` is to forward then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<PlainRollout>,
}

impl Default for PlainHttp {
    fn default() -> Self {
        Self {
            action: PlainAction::Redirect,
            status: 301,
            redirect_only: RedirectOnly::All,
            https_port: 443,
            exempt_paths: Vec::new(),
            deprecation: None,
            sunset: None,
            notice: None,
            credential_headers: Vec::new(),
            credential_params: Vec::new(),
            credentials_key: None,
            rollout: None,
        }
    }
}

/// `plain_http.action`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainAction {
    /// Sent to the same URL over HTTPS.
    Redirect,
    /// 403 that says why.
    Refuse,
    /// Forwarded like a TLS request.
    Forward,
}

/// `plain_http.redirect_only`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedirectOnly {
    /// Every request.
    All,
    /// GET and HEAD without credentials; the rest is refused, so that it gets noticed.
    Safe,
}

pub(super) fn moment<S: Serializer>(
    moment: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

fn names<S: Serializer>(names: &[HeaderName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(HeaderName::as_str))
}

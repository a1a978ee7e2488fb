//! `[plain_http]` as written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    raw::{Moment, Number, Text},
    rollout::raw as rollout,
    shape,
};

/// What requests on plain ports get.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlainHttp {
    /// redirect to HTTPS, refuse with 403, or forward.
    #[schemars(with = "shape::Action")]
    pub action: Option<Text>,
    /// Status of the redirect.
    #[schemars(with = "shape::RedirectStatus")]
    pub status: Option<Number>,
    /// all, or safe: only GET and HEAD without credentials are redirected, the rest is refused.
    #[schemars(with = "shape::RedirectOnly")]
    pub redirect_only: Option<Text>,
    /// Port of the redirect's target.
    #[schemars(with = "shape::Port")]
    pub https_port: Option<Number>,
    /// Path prefixes forwarded in clear, such as ACME challenges.
    #[schemars(with = "Vec<shape::PathPrefix>")]
    pub exempt_paths: Option<Vec<Text>>,
    /// With action = "forward": since when plain HTTP is deprecated, told in Deprecation.
    #[schemars(with = "shape::Moment")]
    pub deprecation: Option<Moment>,
    /// With action = "forward": when plain HTTP ends, told in Sunset.
    #[schemars(with = "shape::Moment")]
    pub sunset: Option<Moment>,
    /// With action = "forward": the URL of a page about it, told in Link.
    #[schemars(with = "shape::Url")]
    pub notice: Option<Text>,
    /// Header fields with API keys; beside Authorization and Cookie.
    #[schemars(with = "Vec<shape::FieldName>")]
    pub credential_headers: Option<Vec<Text>>,
    /// Query parameters with API keys.
    #[schemars(with = "Vec<shape::Name>")]
    pub credential_params: Option<Vec<Text>>,
    /// File of the key that credentials are hashed with in the log; absent: random per process.
    #[schemars(with = "shape::File")]
    pub credentials_key: Option<Text>,
    /// Retiring plain HTTP by a schedule, from forwarding to redirecting or refusing.
    #[schemars(with = "rollout::PlainRollout")]
    pub rollout: Option<Spanned<rollout::Rollout>>,
}

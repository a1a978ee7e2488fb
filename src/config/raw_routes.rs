//! `[[routes]]` as written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    raw::{HeaderRules, Number, Switch, Text},
    shape,
};

/// Which requests get what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend(
    "oneOf" = [
        { "required": ["upstream"] },
        { "required": ["split"] },
        { "required": ["redirect"] },
        { "required": ["respond"] },
    ],
    "not" = { "required": ["path", "path_exact"] },
))]
pub(super) struct Route {
    /// What metrics and logs call it; absent: host, path and conditions.
    #[schemars(with = "shape::Name")]
    pub name: Option<Text>,
    /// A name, *.example.com, or * for all.
    #[schemars(with = "shape::HostName")]
    pub host: Option<Text>,
    /// A path prefix; the longest that matches wins.
    #[schemars(with = "shape::PathPrefix")]
    pub path: Option<Text>,
    /// One path and no other; wins over any prefix.
    #[schemars(with = "shape::PathPrefix")]
    pub path_exact: Option<Text>,
    /// Only these methods.
    #[schemars(with = "Vec<shape::Method>")]
    pub methods: Option<Vec<Text>>,
    /// Only with all of these header fields.
    #[schemars(with = "Vec<FieldMatch>")]
    pub headers: Vec<Spanned<FieldMatch>>,
    /// What the matched part of the path becomes on the way to the upstream.
    #[schemars(with = "shape::PathPrefix")]
    pub rewrite_prefix: Option<Text>,
    /// The upstream's name.
    #[schemars(with = "shape::Name")]
    pub upstream: Option<Text>,
    /// Several upstreams by weight, chosen anew for each request.
    #[schemars(with = "Vec<Share>")]
    pub split: Option<Spanned<Vec<Spanned<Share>>>>,
    /// Another URL instead of an upstream.
    #[schemars(with = "Redirect")]
    pub redirect: Option<Spanned<Redirect>>,
    /// An answer of its own instead of an upstream's.
    #[schemars(with = "Respond")]
    pub respond: Option<Spanned<Respond>>,
    /// The most bytes of a request body here; absent: limits.body_size.
    #[schemars(with = "shape::Size")]
    pub body_size: Option<Text>,
    /// The most time for a request here; absent: limits.request_timeout.
    #[schemars(with = "shape::Duration")]
    pub request_timeout: Option<Text>,
    /// Whether responses are compressed here; absent: compression.enabled.
    #[schemars(with = "bool")]
    pub compress: Option<Switch>,
    /// In place of limits.response_timeout.
    #[schemars(with = "shape::Duration")]
    pub response_timeout: Option<Text>,
    /// In place of limits.response_body_timeout.
    #[schemars(with = "shape::Duration")]
    pub response_body_timeout: Option<Text>,
    /// Changes of header fields on the way to the upstream.
    #[schemars(with = "HeaderRules")]
    pub request_headers: Option<Spanned<HeaderRules>>,
    /// Changes of header fields on the way to the client.
    #[schemars(with = "HeaderRules")]
    pub response_headers: Option<Spanned<HeaderRules>>,
}

/// A condition on a header field.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend(
    "required" = ["name"],
    "oneOf" = [{ "required": ["value"] }, { "required": ["present"] }],
))]
pub(super) struct FieldMatch {
    /// The field's name.
    #[schemars(with = "shape::FieldName")]
    pub name: Option<Text>,
    /// A whole line of it, exactly.
    #[schemars(with = "String")]
    pub value: Option<Text>,
    /// true: it is there, whatever it says; false: it is not.
    #[schemars(with = "bool")]
    pub present: Option<Switch>,
}

/// One upstream's share of a split.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["upstream", "weight"]))]
pub(super) struct Share {
    /// The upstream's name.
    #[schemars(with = "shape::Name")]
    pub upstream: Option<Text>,
    /// Its weight among all; 0: no request.
    #[schemars(with = "shape::Weight")]
    pub weight: Option<Number>,
}

/// Another URL.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["to"]))]
pub(super) struct Redirect {
    /// A URL, or a path of the same host; {path}, {rest} (behind the match) and {query} are the request's.
    #[schemars(with = "shape::Name")]
    pub to: Option<Text>,
    /// Status of the redirect.
    #[schemars(with = "shape::RedirectStatus")]
    pub status: Option<Number>,
}

/// An answer that is written down.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["status"]))]
pub(super) struct Respond {
    /// Status of the answer.
    #[schemars(with = "shape::AnswerStatus")]
    pub status: Option<Number>,
    /// Its text.
    #[schemars(with = "String")]
    pub body: Option<Text>,
    /// The text's type.
    #[schemars(with = "shape::Name")]
    pub content_type: Option<Text>,
}

//! `[errors]` as written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    raw::{Number, Text},
    shape,
};

/// Answers of the proxy's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Errors {
    /// What a host gets that no route is for: 404, or 421.
    #[schemars(with = "shape::UnknownHost")]
    pub unknown_host: Option<Number>,
    /// Texts in place of ours, by status.
    #[schemars(with = "Vec<Page>")]
    pub pages: Vec<Spanned<Page>>,
}

/// A text in place of ours.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["status", "file"]))]
pub(super) struct Page {
    /// Which answers it replaces the text of.
    #[schemars(with = "shape::ErrorStatus")]
    pub status: Option<Number>,
    /// The file with the text; at most 64KiB.
    #[schemars(with = "shape::File")]
    pub file: Option<Text>,
    /// The text's type; never HTML.
    #[schemars(with = "shape::Name")]
    pub content_type: Option<Text>,
}

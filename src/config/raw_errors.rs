//! `[errors]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{raw::Number, shape};

/// Answers of the proxy's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Errors {
    /// What a host gets that no route is for: 404, or 421.
    #[schemars(with = "shape::UnknownHost")]
    pub unknown_host: Option<Number>,
}

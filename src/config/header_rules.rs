//! Header rules as meant: which fields a route takes from a message, sets in it, and appends.
//!
//! Made by `resolve`, carried out by `http` in this order: remove, set, append.

use hyper::header::HeaderName;
use serde::{Serialize, Serializer};

use crate::template::Template;

/// `request_headers` or `response_headers` of a route.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HeaderRules {
    /// Fields that go.
    #[serde(serialize_with = "names")]
    pub remove: Vec<HeaderName>,
    /// Fields with the one value that they shall have.
    #[serde(serialize_with = "fields")]
    pub set: Vec<(HeaderName, Template)>,
    /// Fields with a value more.
    #[serde(serialize_with = "fields")]
    pub append: Vec<(HeaderName, Template)>,
}

impl HeaderRules {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }
}

fn names<S: Serializer>(names: &[HeaderName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(HeaderName::as_str))
}

fn fields<S: Serializer>(
    fields: &[(HeaderName, Template)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name.as_str(), value)))
}

//! `[[routes]]` as meant: what a request must be like, and what it gets.
//!
//! Made by `resolve/routes`, ordered and matched by `route`, carried out by `http`. Values of
//! header conditions may be shared secrets, so they are shown nowhere: not in `/config`, not in a
//! label.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{Method, StatusCode, header::HeaderName, header::HeaderValue};
use serde::{Serialize, Serializer};

use super::{HeaderRules, Place, RedirectTarget, RouteBounds, types::some_seconds};
use crate::host::HostPattern;

/// `[[routes]]`
#[derive(Clone, Debug, Serialize)]
pub struct Route {
    /// The label, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// `*` where absent.
    pub host: HostPattern,
    /// The prefix `/` where absent.
    #[serde(flatten)]
    pub path: RoutePath,
    /// What else a request must be like.
    #[serde(flatten)]
    pub conditions: Conditions,
    /// What the matched part of the path becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite_prefix: Option<String>,
    /// What a request gets.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// What differs from `[limits]` here.
    #[serde(flatten)]
    pub bounds: RouteBounds,
    /// In place of `limits.response_timeout`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_seconds")]
    pub response_timeout: Option<Duration>,
    /// In place of `limits.response_body_timeout`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_seconds")]
    pub response_body_timeout: Option<Duration>,
    /// Changes on the way to the upstream.
    pub request_headers: HeaderRules,
    /// Changes on the way to the client.
    pub response_headers: HeaderRules,
    /// Where the route stands, for problems found later.
    #[serde(skip)]
    pub place: Place,
}

impl Route {
    /// What metrics and logs call it: its name, or host, path and conditions.
    #[must_use]
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.to_string();
        }
        let mut label = format!("{}{}", self.host, self.path.as_str());
        if matches!(self.path, RoutePath::Exact(_)) {
            label.push_str(" exact");
        }
        for (index, method) in self.conditions.methods.iter().enumerate() {
            label.push(if index == 0 { ' ' } else { ',' });
            label.push_str(method.as_str());
        }
        for field in &self.conditions.fields {
            label.push_str(if field.is == FieldIs::Absent { " !" } else { " " });
            label.push_str(field.name.as_str());
        }
        label
    }
}

/// The path of a route; it begins with `/` and is compared with the path as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum RoutePath {
    /// All paths that begin so.
    #[serde(rename = "path")]
    Prefix(String),
    /// This one and no other.
    #[serde(rename = "path_exact")]
    Exact(String),
}

impl RoutePath {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prefix(path) | Self::Exact(path) => path,
        }
    }
}

/// What a request must be like beyond host and path.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Conditions {
    /// One of these; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "words")]
    pub methods: Vec<Method>,
    /// All of these.
    #[serde(rename = "headers", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldMatch>,
}

impl Conditions {
    /// How many there are: of two routes alike, the one with more is tried first.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()).saturating_add(self.fields.len())
    }

    /// Whether they hold for every request that `other` hold for.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method)));
        let covered = |one: &FieldMatch| other.fields.iter().any(|field| one.covers(field));
        methods && self.fields.iter().all(covered)
    }
}

/// A condition on one header field.
#[derive(Clone, Debug, Serialize)]
pub struct FieldMatch {
    /// Its name.
    #[serde(serialize_with = "word")]
    pub name: HeaderName,
    /// What is asked of it.
    #[serde(flatten)]
    pub is: FieldIs,
}

/// What is asked of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldIs {
    /// One of its lines is exactly this.
    Value(HeaderValue),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

impl FieldMatch {
    fn covers(&self, other: &Self) -> bool {
        let present = self.is == FieldIs::Present && other.is != FieldIs::Absent;
        self.name == other.name && (self.is == other.is || present)
    }
}

impl Serialize for FieldIs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Self::Value(_) => ("value", serde_json::Value::from("(not shown)")),
            Self::Present => ("present", true.into()),
            Self::Absent => ("present", false.into()),
        };
        serializer.collect_map([(key, value)])
    }
}

/// What a request gets.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTarget {
    /// An upstream's answer, by its index in `Config::upstreams`.
    Upstream(usize),
    /// One of several upstreams' answers, by weight.
    Split(Split),
    /// Another URL.
    Redirect(Redirect),
    /// An answer that is written down here.
    Respond(Respond),
}

/// A weighted choice of upstreams; the weights' sum is neither zero nor more than `u32` holds.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Split {
    /// All of them.
    pub shares: Vec<Share>,
    /// The weights' sum.
    #[serde(skip)]
    pub total: u32,
}

impl Split {
    /// The upstream at `place`, which is below `total`.
    #[must_use]
    pub fn at(&self, place: u32) -> Option<usize> {
        let mut rest = place;
        for share in &self.shares {
            match rest.checked_sub(share.weight) {
                Some(beyond) => rest = beyond,
                None => return Some(share.upstream),
            }
        }
        None
    }
}

/// One upstream's share.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// Index into `Config::upstreams`.
    pub upstream: usize,
    /// Out of the sum of all; 0 is none.
    pub weight: u32,
}

/// `redirect = { to = "..", status = 308 }`
#[derive(Clone, Debug, Serialize)]
pub struct Redirect {
    /// Where to.
    pub to: RedirectTarget,
    /// 301, 302, 307 or 308.
    #[serde(serialize_with = "code")]
    pub status: StatusCode,
}

/// `respond = { status = 503, body = "..", content_type = ".." }`
#[derive(Clone, Debug, Serialize)]
pub struct Respond {
    /// 200 to 599.
    #[serde(serialize_with = "code")]
    pub status: StatusCode,
    /// Text.
    #[serde(serialize_with = "text")]
    pub body: Bytes,
    /// Its type.
    #[serde(serialize_with = "field")]
    pub content_type: HeaderValue,
}

fn words<S: Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(methods.iter().map(Method::as_str))
}

fn word<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

fn code<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

fn text<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

fn field<S: Serializer>(value: &HeaderValue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Conditions, FieldIs, FieldMatch, Share, Split};

    /// `GET PUT x=2 y !z`
    fn conditions(text: &str) -> Conditions {
        let mut conditions = Conditions::default();
        for word in text.split_whitespace() {
            if word.bytes().all(|byte| byte.is_ascii_uppercase()) {
                conditions.methods.push(word.parse().unwrap());
                continue;
            }
            let (name, is) = match (word.strip_prefix('!'), word.split_once('=')) {
                (Some(name), _) => (name, FieldIs::Absent),
                (None, Some((name, value))) => (name, FieldIs::Value(value.parse().unwrap())),
                (None, None) => (word, FieldIs::Present),
            };
            conditions.fields.push(FieldMatch { name: name.parse().unwrap(), is });
        }
        conditions
    }

    #[test]
    fn conditions_cover_what_asks_for_no_less() {
        let cases = [
            ("", "GET x", true),
            ("GET PUT", "GET", true),
            ("GET", "GET PUT", false),
            ("GET", "", false),
            ("x", "x=2", true),
            ("x=2", "x", false),
            ("x=2", "x=3", false),
            ("x=2", "y=2", false),
            ("x", "!x", false),
            ("!x", "!x y", true),
            ("x y=1", "GET y=1 x=4", true),
        ];
        for (one, other, expected) in cases {
            assert_eq!(conditions(one).cover(&conditions(other)), expected, "{one} / {other}");
        }
    }

    #[test]
    fn each_place_of_a_split_is_its_shares() {
        let share = |(upstream, weight)| Share { upstream, weight };
        let shares = [(7, 2), (8, 0), (9, 1)].map(share).to_vec();
        let split = Split { shares, total: 3 };
        let places: Vec<_> = (0..4).map(|place| split.at(place)).collect();
        assert_eq!(places, [Some(7), Some(7), Some(9), None]);
    }
}

//! `[errors]` as meant: what the proxy answers by itself, and in whose words.
//!
//! Made by `resolve/errors`, read by `http`.

use hyper::{StatusCode, header::HeaderValue};
use serde::{Serialize, Serializer};

use super::FileAt;

/// `[errors]`
#[derive(Clone, Debug, Serialize)]
pub struct Errors {
    /// What a request for a host gets that no route is for.
    pub unknown_host: UnknownHost,
    /// Texts in place of ours; each status at most once.
    pub pages: Vec<ErrorPage>,
}

/// One of `errors.pages`
#[derive(Clone, Debug, Serialize)]
pub struct ErrorPage {
    /// Which answers it replaces the text of: 400 to 599.
    #[serde(serialize_with = "code")]
    pub status: StatusCode,
    /// Where the text is.
    pub file: FileAt,
    /// The text's type; never HTML.
    #[serde(serialize_with = "field")]
    pub content_type: HeaderValue,
}

/// `errors.unknown_host`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownHost {
    /// 404
    NotFound,
    /// 421, so that a client that shares a connection between hosts opens one of its own.
    Misdirected,
}

impl Serialize for UnknownHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(match self {
            Self::NotFound => 404,
            Self::Misdirected => 421,
        })
    }
}

fn code<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

fn field<S: Serializer>(value: &HeaderValue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.to_str().unwrap_or_default())
}

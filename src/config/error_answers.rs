//! `[errors]` as meant: what the proxy answers by itself, and in whose words.
//!
//! Made by `resolve/errors`, read by `http`.

use serde::{Serialize, Serializer};

/// `[errors]`
#[derive(Clone, Debug, Serialize)]
pub struct Errors {
    /// What a request for a host gets that no route is for.
    pub unknown_host: UnknownHost,
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

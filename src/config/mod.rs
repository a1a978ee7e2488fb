//! The configuration: as written (`raw`), as meant (`types`), and what is wrong with it (`error`).
//!
//! `cli` loads it, `snapshot` builds from it. Every problem is reported at once, with its line and
//! key. It must read no file but the configuration itself; certificates are `tls`'s to read.

mod census;
mod client_auth;
mod dns;
mod document;
mod error;
mod error_answers;
mod header_rules;
mod plain_http;
mod policies;
mod raw;
mod raw_client_auth;
mod raw_errors;
mod raw_plain_http;
mod raw_routes;
mod redirect_target;
mod resolve;
mod rollout;
mod routes;
mod self_test;
mod shape;
mod tls;
mod traces;
mod types;
mod units;
mod upstream;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::files::{FileError, Files};

pub use census::{Census, Privacy};
pub use client_auth::{ClientAuth, ClientAuthMode, StaleCrl};
pub use dns::Dns;
pub use error::{Place, Problem, Problems};
pub use error_answers::{ErrorPage, Errors, UnknownHost};
pub use header_rules::HeaderRules;
pub use plain_http::{PlainAction, PlainHttp, RedirectOnly};
pub use policies::{CertificateKind, FLOOR, NamedGroup, PLAIN_HTTP, WhatIf};
pub use redirect_target::{Given, RedirectTarget};
pub use rollout::{
    Brownout, Cut, Exemption, Fuse, LegacyLane, LegacyServer, PlainRollout, RampStep, Rollout,
    Salt, Schedule, exemptions,
};
pub use routes::{
    Conditions, FieldIs, FieldMatch, Redirect, Respond, Route, RoutePath, RouteTarget, Share, Split,
};
pub use self_test::{SelfTest, StrictHost, TestFloor};
pub use tls::{CertificateSource, Stranger, Tls, TlsHost};
pub use traces::{HAS_TRACES, Traces};
pub use types::{
    Algorithm, AtCapacity, ClientBounds, Compression, Config, Drain, FileAt, Fleet, ForwardedStyle,
    Forwarding, Hsts, Limits, Listen, Log, LogFormat, Reload, RouteBounds,
};
pub use units::duration;
pub use upstream::{
    Authorities, Balance, Ejection, HashKey, Health, ProxyVersion, Retry, Scheme, Server, Upstream,
    UpstreamTls,
};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}; name one with -c FILE or $TLSFLOOR_CONFIG", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// It is wrong.
    #[error("{0}")]
    Invalid(Problems),
}

/// Reads a configuration.
///
/// # Errors
/// An unreadable file, or every problem in it.
pub fn load(path: &Path, files: &Files) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let text = files.read(path, LONGEST).map_err(unreadable)?;
    let no_text = |error| unreadable(FileError::from(io::Error::other(error)));
    let text = String::from_utf8(text).map_err(no_text)?;
    parse(&text, path).map_err(ConfigError::Invalid)
}

/// More than a configuration with ten thousand routes has.
const LONGEST: u64 = 16 << 20;

/// Reads a configuration from its text; `file` is named in problems, and its folder is where
/// relative paths begin.
///
/// # Errors
/// Every problem at once, by line.
pub fn parse(text: &str, file: &Path) -> Result<Config, Problems> {
    let mut document = document::Document::new(text, file);
    let raw = document.read::<raw::Config, raw::Config>();
    let config = resolve::resolve(raw, &mut document);
    document.finish(config)
}

/// The JSON Schema (draft 2020-12) of the configuration as written.
#[must_use]
pub fn schema() -> serde_json::Value {
    shape::schema::<raw::Config>().to_value()
}

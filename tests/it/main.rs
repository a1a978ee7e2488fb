//! The integration tests, one module a behaviour; one binary, because linking is what one waits
//! for.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests"
)]

/// Floods over HTTP/2.
mod abuse;
/// The layers of `src` and the fences around vendors.
mod architecture;
/// What one client may take.
mod bounds;
/// Certificates and keys that are wrong, each in its words.
mod certificates;
/// The real binary: exit codes, output, signals.
mod cli;
/// Compression of responses.
mod compression;
/// Configurations and the schema.
mod config;
/// README and `config/tlsfloor.toml` tell the truth.
mod docs;
/// The end of the process.
mod drain;
/// Who is served and who is refused.
mod floor;
/// To the upstream and back.
mod forward;
/// Header fields and request lines.
mod headers;
/// Slow, silent and greedy clients.
mod limits;
/// The plain port.
mod redirect;
/// Requests that could be read two ways.
mod smuggling;
mod support;

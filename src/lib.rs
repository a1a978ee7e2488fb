//! tlsfloor: a TLS-terminating reverse proxy that holds a minimum TLS version.

pub mod config;
pub mod host;
pub mod version;

//! Serving HTTP to a client: HTTP/1.1 and HTTP/2 in, one exchange with an upstream each.
//!
//! `connection` calls [`http1::serve`] or [`http2::serve`]; each request goes through
//! [`service`], which reads top-down as the life of a request.

mod abuse;
mod access;
mod asker;
mod authority;
mod body;
mod chain;
mod client;
mod client_cert;
mod coding;
mod credentials;
mod errand;
mod error;
mod forwarding;
mod frames;
mod gauge;
mod grpc;
mod headers;
mod held;
pub(crate) mod http1;
pub(crate) mod http2;
mod own;
mod path;
mod plain;
mod redirect;
pub(crate) mod respond;
mod routing;
mod rules;
mod self_test;
mod service;
mod stall;
mod trace;
mod upgrade;
mod watch;

use asker::Asker;

pub(crate) use body::Body;
pub(crate) use client::{Client, PARK_AFTER, TlsFacts};
pub(crate) use error::RequestError;
pub(crate) use upgrade::Tunnel;

//! Serving HTTP to a client: HTTP/1.1 and HTTP/2 in, one exchange with an upstream each.
//!
//! `connection` calls [`http1::serve`] or [`http2::serve`]; each request goes through
//! [`service`], which reads top-down as the life of a request.

mod abuse;
mod access;
mod authority;
mod body;
mod client;
mod coding;
mod error;
mod frames;
mod gauge;
mod headers;
mod held;
pub(crate) mod http1;
pub(crate) mod http2;
mod redirect;
pub(crate) mod respond;
mod service;
mod stall;
mod watch;

pub(crate) use body::Body;
pub(crate) use client::{Client, PARK_AFTER, TlsFacts};
pub(crate) use error::RequestError;

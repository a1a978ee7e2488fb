//! Talking to the API servers: pools of kept connections, one exchange at a time on each.
//!
//! Every worker has pools of its own, so nothing here is shared between threads. `http` calls
//! [`Pool::send`]; it must never learn how a connection came about, and what goes wrong comes
//! back as an [`UpstreamError`] that knows its own answer.

mod body;
mod connect;
mod error;
mod exchange;
mod pool;
mod request_body;

pub(crate) use body::Body;
pub(crate) use error::UpstreamError;
pub(crate) use pool::Pool;
pub(crate) use request_body::{RequestBody, Terms, UploadFailure};

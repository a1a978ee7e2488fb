//! Talking to the API servers: which one, over which connection, and once more if need be.
//!
//! Every worker has pools of its own; what workers and the control plane share of an upstream is
//! its [`Fleet`]. `http` calls `Pool::send`; it must never learn how a connection came about,
//! and what goes wrong comes back as an `UpstreamError` that knows its own answer.

mod admission;
mod attempt;
mod balance;
mod body;
mod budget;
mod connect;
pub mod control;
mod dial;
mod ejection;
mod endpoint;
mod error;
mod exchange;
mod expect;
mod fleet;
mod grpc_health;
mod hash;
mod health;
mod link;
mod names;
mod pool;
mod probe;
mod report;
mod request_body;
mod resolve;
mod send;
mod server;
mod standing;
mod upgrade;

pub(crate) use body::Body;
pub(crate) use connect::OnBehalfOf;
pub(crate) use dial::{Dialed, Held};
pub use endpoint::Endpoint;
pub(crate) use error::UpstreamError;
pub use fleet::{Addresses, Fleet, FleetPrint};
pub(crate) use pool::{Pool, Worker};
pub use report::Report;
pub(crate) use request_body::{RequestBody, Terms as BodyTerms, UploadFailure};
pub(crate) use send::{Terms, Waits};
pub use standing::Standing;
pub(crate) use upgrade::{Switched, Tunnel};

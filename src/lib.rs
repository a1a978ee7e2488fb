//! tlsfloor: a TLS-terminating reverse proxy that holds a minimum TLS version.
//!
//! # The path of a connection
//!
//! ```text
//! TLS port    accept -> worker -> peek hello -> judge -> lane
//!               serve   rustls handshake on the same bytes -> HTTP/1.1 or HTTP/2 by ALPN
//!                       -> route -> upstream -> response -> parked until the next byte
//!               refuse  an alert in the client's own record version, half-close, drain, close
//! plain port  accept -> worker -> request head -> redirect | refuse | forward
//! ```
//!
//! # The house
//!
//! A module imports what stands below it or on its floor, never what stands above; vendors are
//! named where they belong and nowhere else. `tests/it/architecture.rs` holds both.
//!
//! ```text
//! cli            one file a subcommand; prints, and gives exit codes
//! app            composition root: builds, binds, starts, drains
//! admin worker   the admin port | one thread, one runtime, its own everything
//! listener       accepts; hands a socket to the least loaded worker; never ends
//! connection     the story of one connection, straight down the page
//! greet park     to the end of the handshake or the refusal | an idle connection
//! closing http refusal    ends | HTTP to the client | one refused client, counted and logged
//! shard          what one worker has to itself
//! snapshot       everything a reload may replace, built whole
//! rollout route telemetry tls upstream    lanes | routes | logs | certificates | API servers
//! config metrics policy refusals    as written, as meant | cells | judge | log limits
//! hello          peek, parse, JA4, alerts
//! drain host io label panics request_id session signals sockets timer version wire   ground
//! ```
//!
//! # What is decided
//!
//! - Our reading of a hello observes and may refuse; it never admits. rustls gets the same bytes
//!   and its list of versions comes from the same floor.
//! - TLS settings are per connection, routes are per request.
//! - Nothing on the request path takes a lock, crosses a thread or looks up a label. Workers share
//!   counters that each writes alone, and nothing else.
//! - An exchange with an upstream is driven by the request's own task; dropping it cancels it.
//! - A server's state is moved by the control thread alone; workers read a share and count failures.
//! - One coarse timer a connection and one an exchange; nobody reads a clock to arm one.
//! - An idle connection is a socket, a TLS state and a timer: protocol state comes back with the
//!   next byte.
//! - Client-caused failures are counted and logged at debug; a panic ends one connection.
//! - Readiness fails first, then listening ends, then connections.

pub mod admin;
pub mod app;
pub mod cli;
mod closing;
pub mod config;
mod connection;
pub mod drain;
mod greet;
pub mod hello;
pub mod host;
mod http;
mod io;
mod label;
mod listener;
pub mod metrics;
pub mod panics;
mod park;
pub mod policy;
mod refusal;
mod refusals;
mod request_id;
mod rollout;
pub mod route;
pub mod session;
mod shard;
mod signals;
pub mod snapshot;
mod sockets;
pub mod telemetry;
mod timer;
pub mod tls;
pub mod upstream;
pub mod version;
pub mod wire;
mod worker;

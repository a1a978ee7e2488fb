//! tlsfloor: a TLS-terminating reverse proxy that holds a minimum TLS version.
//!
//! # The path of a connection
//!
//! ```text
//! TLS port    accept -> worker -> PROXY header (trusted peers only) -> peek hello -> judge -> lane
//!               serve   rustls handshake on the same bytes -> HTTP/1.1 or HTTP/2 by ALPN
//!                       -> route -> upstream -> response -> parked until the next byte
//!               legacy  the same bytes to today's terminator, both ways until close
//!               refuse  an alert in the client's own record version, half-close, drain, close
//! plain port  accept -> worker -> PROXY header (as above) -> request head
//!               -> redirect | refuse | forward, by action or by its rollout's stage
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
//! announce report    what customers are told | event logs in, who is below the floor out; offline tools
//! reload         from one configuration to the next, all or nothing
//! admin listening worker   the admin port | ports to listen on | one thread, its own everything
//! listener       accepts; hands a socket to the least loaded worker; never ends
//! connection     the story of one connection, straight down the page
//! greet origin park    to the end of the handshake or the refusal | who comes | a resting one
//! closing http legacy refusal    ends | HTTP to the client | the legacy lane | one refused client
//! shard          what one worker has to itself
//! shared         what all workers have in common
//! published      the snapshot in force
//! snapshot       everything a reload may replace, built whole
//! bounds capacity error_pages keyed_hash    a request's | room | our errors' texts | secrets
//! census what_if    who fails what, in bounded memory | policies that only count
//! notice self_test token   plain HTTP ends | a client is tested | who may change something
//! rollout route telemetry tls    who is refused when | routes | logs | certificates
//! traces upstream    spans of requests, to a collector | API servers
//! named_file     files that a configuration names, read within a cap
//! clients config metrics policy port refusals    connections each | as meant | cells | judge | in | log
//! hello proxy_protocol stack     peek, parse, JA4, alerts | whom a balancer speaks for | a guess
//! chance client_name document drain fields files form host io label loads machine network pace panics process
//! request_id session signals sockets systemd template timer tunnel version wire    ground
//! ```
//!
//! # What is decided
//!
//! - Our reading of a hello observes and may refuse; it never admits. rustls gets the same bytes
//!   and its list of versions comes from the same floor.
//! - Who a client is: the peer, unless a trusted peer's PROXY header names another, unless that is a
//!   trusted proxy whose forwarding fields name yet another. Nobody else is believed.
//! - TLS settings are per connection, routes are per request.
//! - A session is taken up by every replica with the secret, under the name it was made for, and never
//!   by a site that asks other things of a client: what it asks is in the key.
//! - Nothing on the request path takes a lock, crosses a thread or looks up a label. Workers share
//!   counters that each writes alone, and nothing else. Log lines and the spans of sampled requests
//!   go into bounded queues that nobody waits for.
//! - An exchange with an upstream is driven by the request's own task; dropping it cancels it.
//! - A rollout's schedule follows the wall clock, its fuse one that never jumps. What an operator
//!   or the fuse has stopped stays so across reloads.
//! - A server's state is moved by the control thread alone; workers read a share and count failures.
//! - One coarse timer a connection and one an exchange; nobody reads a clock to arm one.
//! - An idle connection is a socket, a TLS state and a timer: protocol state comes back with the
//!   next byte.
//! - Client-caused failures are counted and logged at debug; a panic ends one connection.
//! - Readiness fails first, then listening ends, then connections.

pub mod admin;
pub mod announce;
pub mod app;
mod bounds;
pub mod capacity;
pub mod census;
mod chance;
pub mod cli;
pub mod client_name;
mod clients;
mod closing;
pub mod config;
mod connection;
mod document;
pub mod drain;
pub mod error_pages;
mod fields;
pub mod files;
mod form;
mod greet;
pub mod hello;
pub mod host;
mod http;
mod io;
pub mod keyed_hash;
mod label;
mod legacy;
mod listener;
mod listening;
mod loads;
pub mod machine;
pub mod metrics;
mod named_file;
pub mod network;
pub mod notice;
mod origin;
mod pace;
pub mod panics;
mod park;
pub mod policy;
mod port;
mod process;
pub mod proxy_protocol;
mod published;
mod refusal;
mod refusals;
pub mod reload;
pub mod report;
mod request_id;
pub mod rollout;
pub mod route;
pub mod self_test;
pub mod session;
mod shard;
mod shared;
mod signals;
pub mod snapshot;
pub mod sockets;
pub mod stack;
mod systemd;
pub mod telemetry;
pub mod template;
mod timer;
pub mod tls;
pub mod token;
mod traces;
mod tunnel;
pub mod upstream;
pub mod version;
pub mod what_if;
pub mod wire;
mod worker;

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
/// The admin port.
mod admin;
/// The layers of `src` and the fences around vendors.
mod architecture;
/// Which server of an upstream gets a request.
mod balance;
/// What is held against a server.
mod blame;
/// What one client may take.
mod bounds;
/// Who fails what: rows, totals, headers, `/census`.
mod census;
/// Certificates and keys that are wrong, each in its words.
mod certificates;
/// The real binary: exit codes, output, signals.
mod cli;
/// Client certificates.
mod client_auth;
/// Whose a client certificate is, as others are told.
mod client_identity;
/// Compression of responses.
mod compression;
/// Configurations, and what is wrong with them.
mod config;
/// What is wrong with `client_auth`.
mod config_client_auth;
/// What is wrong with header rules.
mod config_header_rules;
/// What is wrong with what-if policies and the census.
mod config_policies;
/// What is wrong with rollouts.
mod config_rollout;
/// The schema and the parser agree.
mod config_schema;
/// README and `config/tlsfloor.toml` tell the truth.
mod docs;
/// The end of the process.
mod drain;
/// Answers of our own, in our words or the operator's.
mod errors;
/// `Expect: 100-continue`.
mod expect;
/// Who is served and who is refused.
mod fleet_report;
mod floor;
/// To the upstream and back.
mod forward;
/// Who asks, as upstreams are told.
mod forwarding;
/// Header fields and request lines.
mod headers;
/// Servers that fail, rest, are asked, and come back.
mod health;
/// What goes to today's terminator, and what comes back.
mod legacy;
/// Slow, silent and greedy clients.
mod limits;
/// Lines about requests and load balancers.
mod logs;
/// What the machine gives, and what it is told.
mod machine;
/// Every metric by name, kind and labels.
mod metrics;
/// Names that nobody here has.
mod names;
/// What customers are told.
mod notice;
/// OCSP responses from files.
mod ocsp;
/// Credentials in clear, and what clients are told about the end of plain HTTP.
mod plain_http;
/// What API servers may speak.
mod protocols;
/// PROXY protocol in.
mod proxy_protocol;
/// The plain port.
mod ready;
mod redirect;
/// A whole programme of ninety days by a simulated clock.
mod rehearsal;
/// From one configuration to the next.
mod reload;
/// What may be in the files, and how they change.
mod reload_files;
/// Event logs of a fleet, and what they say.
mod report;
/// Names of servers, and what they stand for.
mod resolve;
/// Requests that are sent once more, and those that wait.
mod retry;
/// A rollout from outside.
mod rollout;
/// Which way a request takes.
mod routing;
/// Where customers test their clients.
mod self_test;
/// Requests that could be read two ways.
mod smuggling;
mod support;
/// Sessions that are taken up again, on any replica.
mod tickets;
/// Spans of requests.
mod traces;
/// Other protocols behind an upgrade.
mod upgrade;

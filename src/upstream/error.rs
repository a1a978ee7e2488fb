//! What can go wrong between us and an upstream, and what the client is told for it.
//!
//! Made by `connect`, `exchange` and `body`; answered by `http/respond`, counted by label. It
//! must never carry text of the upstream's or the client's into a response.

use std::io;

use hyper::StatusCode;

use super::request_body::UploadFailure;
use crate::{metrics::UpstreamOutcome, tls::HandshakeError};

/// Why an upstream gave no usable response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No TCP connection.
    #[error("could not connect to the upstream")]
    Connect(#[source] io::Error),
    /// No TCP connection in time.
    #[error("no connection to the upstream in time")]
    ConnectTimeout,
    /// Connected, but no response head in time.
    #[error("no response from the upstream in time")]
    ResponseTimeout,
    /// TLS towards the server did not come to its end, or its certificate is not trusted.
    #[error("no TLS with the upstream")]
    Tls(#[source] HandshakeError),
    /// All its servers are out, or its name has no address.
    #[error("no server of the upstream is available")]
    NoServer,
    /// As many requests are under way as may be, and as many wait.
    #[error("the upstream has as many requests under way as it may have")]
    Overloaded,
    /// The server gave the request back unprocessed (RFC 9113 8.7), and no try was left.
    #[error("the upstream refused the request")]
    Refused(#[source] hyper::Error),
    /// The server speaks HTTP/2 only, where nothing can be upgraded.
    #[error("the upstream cannot switch protocols")]
    NoUpgrade,
    /// The connection ended before a response.
    #[error("the upstream closed the connection without a response")]
    Closed(#[source] hyper::Error),
    /// What came is no HTTP response.
    #[error("the upstream's response could not be understood")]
    Malformed(#[source] hyper::Error),
    /// A 101 that nobody asked for (RFC 9110 15.2.2).
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    /// A body in a transfer coding other than chunked, which nobody asked for (RFC 9112 6.1).
    #[error("the upstream's response is in a transfer coding that is not served")]
    TransferCoding,
    /// Not the upstream's fault: the client's body ended early or stalled.
    #[error("the client's request body did not come")]
    Upload(#[source] UploadFailure),
    /// The response's body broke off.
    #[error("the upstream's response body broke off")]
    Truncated(#[source] hyper::Error),
    /// The response's body stood still.
    #[error("the upstream's response body stood still")]
    BodyTimeout,
}

impl UpstreamError {
    /// The status for the client, where there is still one to send.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout | Self::BodyTimeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Upload(failure) => failure.status(),
            Self::NoServer | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect(cause) if is_ours(cause) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect(_)
            | Self::Tls(_)
            | Self::Refused(_)
            | Self::NoUpgrade
            | Self::Closed(_)
            | Self::Malformed(_)
            | Self::UnaskedUpgrade
            | Self::TransferCoding
            | Self::Truncated(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 2.3).
    #[must_use]
    pub(crate) fn proxy_status(&self) -> &'static str {
        match self {
            Self::NoServer => "destination_unavailable",
            Self::Overloaded => "connection_limit_reached",
            Self::Tls(HandshakeError::Tls(_)) => "tls_certificate_error",
            Self::Tls(HandshakeError::Io(_)) => "tls_protocol_error",
            Self::Connect(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                "connection_refused"
            }
            Self::Connect(cause) if is_ours(cause) => "proxy_internal_error",
            Self::Connect(_) => "destination_ip_unroutable",
            Self::ConnectTimeout => "connection_timeout",
            Self::ResponseTimeout | Self::BodyTimeout => "http_response_timeout",
            Self::Closed(_) | Self::Refused(_) => "connection_terminated",
            Self::Malformed(_) | Self::UnaskedUpgrade | Self::NoUpgrade | Self::TransferCoding => {
                "http_protocol_error"
            }
            Self::Upload(_) => "http_request_error",
            Self::Truncated(_) => "http_response_incomplete",
        }
    }

    /// The label under which it is counted.
    #[must_use]
    pub(crate) fn outcome(&self) -> UpstreamOutcome {
        match self {
            Self::NoServer => UpstreamOutcome::NoServer,
            Self::Overloaded => UpstreamOutcome::Overloaded,
            Self::Tls(_) => UpstreamOutcome::TlsFailed,
            Self::Refused(_) => UpstreamOutcome::Refused,
            Self::Connect(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                UpstreamOutcome::ConnectRefused
            }
            Self::Connect(cause) if is_ours(cause) => UpstreamOutcome::NoSocket,
            Self::Connect(_) => UpstreamOutcome::ConnectFailed,
            Self::ConnectTimeout => UpstreamOutcome::ConnectTimeout,
            Self::ResponseTimeout => UpstreamOutcome::ResponseTimeout,
            Self::Closed(_) => UpstreamOutcome::ClosedEarly,
            Self::NoUpgrade => UpstreamOutcome::NoUpgrade,
            Self::Malformed(_) | Self::UnaskedUpgrade | Self::TransferCoding => {
                UpstreamOutcome::ResponseMalformed
            }
            Self::Upload(_) => UpstreamOutcome::Canceled,
            Self::Truncated(_) => UpstreamOutcome::BodyTruncated,
            Self::BodyTimeout => UpstreamOutcome::BodyTimeout,
        }
    }

    /// What hyper's client said before there was a response.
    pub(super) fn before_response(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::Malformed(error)
        } else if was_refused(&error) {
            Self::Refused(error)
        } else {
            Self::Closed(error)
        }
    }

    /// Seconds after which a client may ask again, where that is known to help.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<u32> {
        matches!(self, Self::NoServer | Self::Overloaded).then_some(1)
    }
}

/// Whether it is we who have no descriptor or port left, which says nothing of the server.
fn is_ours(cause: &io::Error) -> bool {
    /// Linux's.
    const ENFILE: i32 = 23;
    /// Linux's.
    const EMFILE: i32 = 24;
    cause.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(cause.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Whether an HTTP/2 server says that it did nothing with the request: REFUSED_STREAM, or a
/// GOAWAY that names an earlier stream as the last (RFC 9113 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}

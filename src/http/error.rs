//! Why a request gets an answer of our own instead of an upstream's.
//!
//! Made along the way of a request, answered in one place (`respond`). Whose fault it was is in
//! the status: 4xx the client's, 5xx the upstream's.

use hyper::StatusCode;

use crate::{
    metrics::Limit,
    upstream::{UploadFailure, UpstreamError},
};

/// Why a request is not answered by an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// RFC 9112 3.2
    #[error("the request has no Host field")]
    HostMissing,
    /// RFC 9112 3.2
    #[error("the request has more than one Host field")]
    HostTwice,
    /// RFC 9110 7.2
    #[error("the request's host is not a host name with an optional port")]
    HostInvalid,
    /// RFC 9113 8.3.1
    #[error("the request's Host field differs from its :authority")]
    HostDiffers,
    /// RFC 9112 3.2
    #[error("the request's target is not a path")]
    TargetInvalid,
    /// No tunnel is offered.
    #[error("CONNECT is not served here")]
    Connect,
    /// `rewrite_prefix` with dot segments.
    #[error("the request's path leads out of the prefix that it is routed by")]
    PathClimbs,
    /// RFC 9112 6.1
    #[error("the request uses a transfer coding other than chunked")]
    TransferCoding,
    /// RFC 9110 15.5.20: another site's host, or none of ours with `errors.unknown_host = 421`.
    #[error("this host is not served over this connection; open one of its own for it")]
    Misdirected,
    /// No route is for this host.
    #[error("no such host is served here")]
    UnknownHost,
    /// At the self-test host, whose one page is to be read only.
    #[error("this host only tells how you reach it; send GET or HEAD")]
    SelfTestMethod,
    /// `self_test.rate`
    #[error("you have asked the self-test host too often; wait a second")]
    SelfTestRate,
    /// No route matches host and path.
    #[error("nothing is served at this host and path")]
    NoRoute,
    /// `plain_http.action = "refuse"`
    #[error(
        "this API is served over HTTPS only; send the request to an https:// URL, and \
             replace any credentials that were sent in clear"
    )]
    PlainHttp,
    /// A brownout of `[plain_http.rollout]`; its words.
    #[error("{0}")]
    PlainHttpBrownout(Box<str>),
    /// Its ramp; its words.
    #[error("{0}")]
    PlainHttpRamp(Box<str>),
    /// `limits.uri_length`
    #[error("the request's path and query are longer than this server takes")]
    UriTooLong,
    /// `limits.header_count`
    #[error("the request has more header fields than this server takes")]
    TooManyFields,
    /// `limits.body_size`, known before any of it has come.
    #[error("the request body is larger than this server takes")]
    BodyTooLarge,
    /// `limits.memory`
    #[error("this server has no memory left for another request")]
    OutOfMemory,
    /// `limits.request_timeout`
    #[error("the request could not be answered in the time that it is given here")]
    Overdue,
    /// The request's body did not come as it should.
    #[error(transparent)]
    Upload(UploadFailure),
    /// The upstream gave no response.
    #[error(transparent)]
    Upstream(UpstreamError),
}

impl From<UpstreamError> for RequestError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Upload(failure) => Self::Upload(failure),
            error => Self::Upstream(error),
        }
    }
}

impl RequestError {
    /// The status of the answer.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::HostMissing
            | Self::HostTwice
            | Self::HostInvalid
            | Self::HostDiffers
            | Self::TargetInvalid
            | Self::PathClimbs => StatusCode::BAD_REQUEST,
            Self::Connect | Self::SelfTestMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::SelfTestRate => StatusCode::TOO_MANY_REQUESTS,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownHost | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::PlainHttp | Self::PlainHttpBrownout(_) | Self::PlainHttpRamp(_) => {
                StatusCode::FORBIDDEN
            }
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OutOfMemory => StatusCode::SERVICE_UNAVAILABLE,
            Self::Overdue => StatusCode::GATEWAY_TIMEOUT,
            Self::Upload(failure) => failure.status(),
            Self::Upstream(error) => error.status(),
        }
    }

    /// Seconds after which it may be worth asking again (RFC 9110 10.2.3).
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Upstream(error) => error.retry_after(),
            Self::OutOfMemory | Self::SelfTestRate => Some(1),
            _ => None,
        }
    }

    /// The last word of the problem's `type`: a contract with programs. Where `Proxy-Status` tells
    /// it apart as well, its word is taken.
    #[must_use]
    pub(crate) fn problem(&self) -> &'static str {
        match self {
            Self::PlainHttp | Self::PlainHttpRamp(_) => "https_required",
            Self::PlainHttpBrownout(_) => "plain_http_brownout",
            Self::Misdirected => "misdirected_request",
            Self::Connect | Self::SelfTestMethod => "method_not_served",
            Self::SelfTestRate => "rate_limited",
            Self::UnknownHost => "unknown_host",
            Self::NoRoute => "no_route",
            Self::OutOfMemory => "overloaded",
            error => error.proxy_status(),
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 2.3).
    #[must_use]
    pub(crate) fn proxy_status(&self) -> &'static str {
        match self {
            Self::HostMissing
            | Self::HostTwice
            | Self::HostInvalid
            | Self::HostDiffers
            | Self::TargetInvalid
            | Self::PathClimbs
            | Self::TransferCoding
            | Self::UriTooLong
            | Self::TooManyFields
            | Self::BodyTooLarge
            | Self::Upload(_) => "http_request_error",
            Self::Connect
            | Self::PlainHttp
            | Self::PlainHttpBrownout(_)
            | Self::PlainHttpRamp(_)
            | Self::SelfTestMethod
            | Self::SelfTestRate
            | Self::Misdirected => "http_request_denied",
            Self::UnknownHost | Self::NoRoute => "destination_not_found",
            Self::OutOfMemory => "proxy_internal_error",
            Self::Overdue => "http_response_timeout",
            Self::Upstream(error) => error.proxy_status(),
        }
    }

    /// The limit that the request ran into; what its body ran into is counted as it comes.
    #[must_use]
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::UriTooLong => Some(Limit::UriLength),
            Self::TooManyFields => Some(Limit::HeaderCount),
            Self::BodyTooLarge => Some(Limit::BodySize),
            Self::OutOfMemory => Some(Limit::Memory),
            Self::Overdue => Some(Limit::RequestTimeout),
            Self::SelfTestRate => Some(Limit::SelfTest),
            Self::HostMissing
            | Self::HostTwice
            | Self::HostInvalid
            | Self::HostDiffers
            | Self::TargetInvalid
            | Self::PathClimbs
            | Self::Connect
            | Self::TransferCoding
            | Self::Misdirected
            | Self::SelfTestMethod
            | Self::UnknownHost
            | Self::NoRoute
            | Self::PlainHttp
            | Self::PlainHttpBrownout(_)
            | Self::PlainHttpRamp(_)
            | Self::Upload(_)
            | Self::Upstream(_) => None,
        }
    }
}

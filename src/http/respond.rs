//! Answers of our own: every error as problem details (RFC 9457) with `Proxy-Status` (RFC 9209).
//!
//! Called by `service` for what goes through hyper, by `greet` and `http1` for what has to be said
//! in raw bytes. A text here must never hold anything that a client or upstream sent; where the
//! configuration has a text for the status, that one is sent instead.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue},
};

use super::RequestError;
use crate::error_pages::{ErrorPages, Page};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What an API server may be asked; any other word is passed on as well.
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// The answer to a request that failed; the request's id is put beside it by the caller.
pub(crate) fn error(error: &RequestError, pages: &ErrorPages, id: &HeaderValue) -> Response<Bytes> {
    let problem = Problem {
        status: error.status(),
        kind: error.problem(),
        detail: &error.to_string(),
        id: id.to_str().unwrap_or_default(),
    };
    let Page { text, content_type } = problem.page(pages);
    let mut response = Response::new(text);
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    if let Ok(value) = HeaderValue::try_from(format!("tlsfloor; error={}", error.proxy_status())) {
        headers.insert(PROXY_STATUS, value);
    }
    if matches!(error, RequestError::Connect) {
        // RFC 9110 15.5.6
        headers.insert(ALLOW, METHODS);
    }
    response
}

/// The answer to bytes that never became a request, as HTTP/1.1 that closes the connection.
pub(crate) fn raw(
    status: StatusCode,
    detail: &str,
    pages: &ErrorPages,
    id: &HeaderValue,
) -> Vec<u8> {
    const KIND: &str = "http_request_error";
    let id = id.to_str().unwrap_or_default();
    let Page { text, content_type } = Problem { status, kind: KIND, detail, id }.page(pages);
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
         proxy-status: tlsfloor; error={KIND}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        content_type.to_str().unwrap_or_default(),
        text.len(),
    );
    [head.as_bytes(), &text].concat()
}

/// One problem of one request.
struct Problem<'a> {
    status: StatusCode,
    kind: &'a str,
    detail: &'a str,
    id: &'a str,
}

impl Problem<'_> {
    /// The configured text for the status, or ours. The `type` is a name that stays: programs may
    /// compare it.
    fn page(&self, pages: &ErrorPages) -> Page {
        pages.find(self.status).cloned().unwrap_or_else(|| {
            let problem = serde_json::json!({
                "type": format!("urn:tlsfloor:problem:{}", self.kind.replace('_', "-")),
                "title": self.status.canonical_reason().unwrap_or_default(),
                "status": self.status.as_u16(),
                "detail": self.detail,
                "request_id": self.id,
            });
            let content_type = HeaderValue::from_static("application/problem+json");
            Page { text: Bytes::from(format!("{problem}\n")), content_type }
        })
    }
}

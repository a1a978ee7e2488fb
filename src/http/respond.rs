//! Answers of our own: every error as problem details (RFC 9457) with `Proxy-Status` (RFC 9209).
//!
//! Called by `service` for what goes through hyper, by `connection` and `http1` for what has to
//! be said in raw bytes. A text here must never hold anything that a client or upstream sent.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

use super::RequestError;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The answer to a request that failed.
pub(crate) fn error(error: &RequestError) -> Response<Bytes> {
    let (status, kind) = (error.status(), error.proxy_status());
    let mut response = Response::new(problem(status, kind, &error.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Ok(value) = HeaderValue::try_from(format!("tlsfloor; error={kind}")) {
        headers.insert(PROXY_STATUS, value);
    }
    response
}

/// The answer to bytes that never became a request, as HTTP/1.1 that closes the connection.
pub(crate) fn raw(status: StatusCode, kind: &str, detail: &str) -> Vec<u8> {
    let body = problem(status, kind, detail);
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         proxy-status: tlsfloor; error={kind}\r\nconnection: close\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    );
    [head.as_bytes(), &body].concat()
}

/// The `type` is a name that stays: programs may compare it.
fn problem(status: StatusCode, kind: &str, detail: &str) -> Bytes {
    let problem = serde_json::json!({
        "type": format!("urn:tlsfloor:problem:{}", kind.replace('_', "-")),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    Bytes::from(format!("{problem}\n"))
}

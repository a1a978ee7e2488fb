//! Errors of our own in gRPC's words: a client of gRPC reads no status code and no body.
//!
//! Called by `service` where a request that failed was a gRPC call. The answer has trailers only:
//! status 200, `grpc-status` and `grpc-message` as header fields, and no body.

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

use super::RequestError;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The content type of a gRPC call; none where the request is none.
pub(super) fn content_type<B>(request: &Request<B>) -> Option<HeaderValue> {
    if request.version() != Version::HTTP_2 {
        return None;
    }
    let value = request.headers().get(CONTENT_TYPE)?;
    let rest = value.as_bytes().strip_prefix(b"application/grpc")?;
    matches!(rest.first(), None | Some(b'+' | b';')).then(|| value.clone())
}

/// The answer to a call that failed.
pub(super) fn error(error: &RequestError, content_type: HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code(error.status())));
    // Our own texts are printable ASCII without a percent sign, which is all that has to be
    // encoded here.
    if let Ok(message) = HeaderValue::try_from(error.to_string()) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// gRPC's "HTTP to gRPC Status Code Mapping", and DEADLINE_EXCEEDED for what took too long.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "4",
        StatusCode::FORBIDDEN => "7",
        StatusCode::PAYLOAD_TOO_LARGE => "8",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "12",
        StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS => "14",
        StatusCode::UNAUTHORIZED => "16",
        status if status.is_client_error() => "13",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Request, Version};

    use super::content_type;

    #[test]
    fn only_grpc_is_grpc() {
        let of = |version, value: &str| {
            let request = Request::post("/").version(version).header("content-type", value);
            content_type(&request.body(()).unwrap()).is_some()
        };
        for value in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert!(of(Version::HTTP_2, value), "{value}");
            assert!(!of(Version::HTTP_11, value), "{value}");
        }
        for value in ["application/grpc-web", "application/json", "application/grpcx"] {
            assert!(!of(Version::HTTP_2, value), "{value}");
        }
    }
}

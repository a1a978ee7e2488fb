//! The pages of the admin port, one arm each.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};

use super::Source;
use crate::{drain::Readiness, metrics};

type Page = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

const INDEX: &str = "\
tlsfloor
  /livez      the process answers
  /readyz     traffic may come
  /metrics    OpenMetrics
  /upstreams  the API servers and where they stand
  /config     the configuration in force
";

pub(super) fn answer<B>(request: &Request<B>, source: &dyn Source) -> Page {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let detail = "this page can be read only";
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => page(StatusCode::OK, TEXT, INDEX),
        "/livez" => page(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => {
            let readiness = source.readiness();
            let ready = readiness == Readiness::Ready;
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            page(status, TEXT, format!("{readiness}\n"))
        }
        "/metrics" => page(StatusCode::OK, metrics::CONTENT_TYPE, source.metrics()),
        "/upstreams" => page(StatusCode::OK, JSON, format!("{:#}\n", source.upstreams())),
        "/config" => page(StatusCode::OK, JSON, format!("{:#}\n", source.config())),
        _ => problem(StatusCode::NOT_FOUND, "there is no such page; / lists them"),
    }
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn problem(status: StatusCode, detail: &str) -> Page {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    page(status, PROBLEM, format!("{problem}\n"))
}

//! The pages of the admin port, one arm each.
//!
//! Called by `admin` for each request. What changes something is asked for by POST or PUT only.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
        WWW_AUTHENTICATE,
    },
};
use serde_json::{Value, json};

use super::{
    Order, Refused, Source,
    access::{self, Denied},
};
use crate::{drain::Readiness, form, metrics};

type Page = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// No level and no order is longer.
const LONGEST_BODY: usize = 4096;

const INDEX: &str = "\
tlsfloor
  /livez        the process answers
  /readyz       traffic may come
  /metrics      OpenMetrics
  /upstreams    the API servers and where they stand
  /connections  how many there are, and where
  /config       the configuration in force
  /census       who fails what; with client, sni, ja4, policy, reason, lane, stack, limit
  /rollout      who is refused when: stage, next changes, fuses, exemptions

  POST /reload          reads every file again
  PUT /log              sets what is logged: error, warn, info, debug, or a filter
  POST /rollout/pause   refuses nobody for a while; with by, why, and for or until
  POST /rollout/resume  goes on; with by and why
  POST /rollout/rearm   puts a fuse that has blown in again; with by and why
";

pub(super) async fn answer<B>(request: Request<B>, source: &dyn Source, is_local: bool) -> Page
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let path = request.uri().path().to_owned();
    let allowed = match path.as_str() {
        "/reload" | "/rollout/pause" | "/rollout/resume" | "/rollout/rearm" => "POST",
        "/log" => "PUT",
        _ => "GET, HEAD",
    };
    let method = request.method();
    if !allowed.split(", ").any(|one| one == method.as_str()) {
        let detail = format!("this page takes {allowed}");
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &detail);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    if path == "/" && wants_html(request.headers()) {
        return dashboard();
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return shown(&path, request.uri().query().unwrap_or_default(), source);
    }
    if let Err(denied) = access::check(request.headers(), source, is_local) {
        return refused_access(denied);
    }
    let body = match Limited::new(request.into_body(), LONGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_broken) => {
            let detail = format!("expected a body of at most {LONGEST_BODY} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
        }
    };
    let changed = match path.as_str() {
        "/reload" => source.reload().await,
        "/rollout/pause" => source.order(Order::Pause, &body),
        "/rollout/resume" => source.order(Order::Resume, &body),
        "/rollout/rearm" => source.order(Order::Rearm, &body),
        _ => set_log(&body, source),
    };
    match changed {
        Ok(value) => json_page(&value),
        Err(refused) => unchanged(&refused),
    }
}

fn shown(path: &str, query: &str, source: &dyn Source) -> Page {
    match path {
        "/" => page(StatusCode::OK, TEXT, INDEX),
        "/livez" => page(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => {
            let readiness = source.readiness();
            let ready = readiness == Readiness::Ready;
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            page(status, TEXT, format!("{readiness}\n"))
        }
        "/metrics" => page(StatusCode::OK, metrics::CONTENT_TYPE, source.metrics()),
        "/upstreams" => json_page(&source.upstreams()),
        "/connections" => json_page(&source.connections()),
        "/config" => json_page(&source.config()),
        "/rollout" => json_page(&source.rollout()),
        "/census" => match source.census(&form::pairs(query)) {
            Ok(value) => json_page(&value),
            Err(refused) => problem(StatusCode::BAD_REQUEST, &refused.detail),
        },
        _ => problem(StatusCode::NOT_FOUND, "there is no such page; / lists them"),
    }
}

/// Browsers say so; curl and its like say `*/*`.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    String::from_utf8_lossy(accept).contains("text/html")
}

/// The other pages for people. It loads nothing from elsewhere and changes nothing.
fn dashboard() -> Page {
    const POLICY: HeaderValue = HeaderValue::from_static(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; frame-ancestors 'none'",
    );
    let mut response = page(StatusCode::OK, HTML, include_str!("dashboard.html"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The level by itself, or as `{"level": "debug"}`.
fn set_log(body: &[u8], source: &dyn Source) -> Result<Value, Refused> {
    let text = std::str::from_utf8(body).map_err(|_other| no_level())?.trim();
    let level = match serde_json::from_str::<Value>(text) {
        Ok(value) => value.get("level").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(_bare) => text.to_owned(),
    };
    if level.is_empty() { Err(no_level()) } else { source.set_log(&level) }
}

fn no_level() -> Refused {
    let detail = "expected a level in the body: error, warn, info, debug, or a filter";
    Refused { detail: detail.to_owned(), problems: Vec::new() }
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json_page(value: &Value) -> Page {
    page(StatusCode::OK, JSON, format!("{value:#}\n"))
}

fn problem(status: StatusCode, detail: &str) -> Page {
    problem_with(status, detail, json!({}))
}

/// RFC 9457, with members of our own.
fn problem_with(status: StatusCode, detail: &str, more: Value) -> Page {
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Value::Object(problem), Value::Object(more)) = (&mut problem, more) {
        problem.extend(more);
    }
    page(status, PROBLEM, format!("{problem}\n"))
}

fn refused_access(denied: Denied) -> Page {
    let mut response = problem(denied.status(), denied.detail());
    if denied == Denied::Token {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

fn unchanged(refused: &Refused) -> Page {
    let problems = &refused.problems;
    let more = if problems.is_empty() { json!({}) } else { json!({ "problems": problems }) };
    problem_with(StatusCode::UNPROCESSABLE_ENTITY, &refused.detail, more)
}

//! Answers of our own: problem details everywhere, in our words or the operator's.

use std::collections::HashSet;

use bytes::Bytes;
use hyper::{HeaderMap, Request, Response, header::HeaderName};
use tempfile::TempDir;

use crate::{
    cli::Folder,
    support::{
        client::{self, Answer, TlsClient, empty},
        proxy::{self, Proxy},
        upstream::{Upstream, full},
    },
};

/// Holds an answer of ours to what every one of them must be, and gives its type's last word.
fn problem(answer: &Answer) -> String {
    assert_eq!(answer.field("content-type"), "application/problem+json", "{answer:?}");
    let status = answer.field("proxy-status");
    assert!(status.starts_with("tlsfloor; error="), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status);
    for member in ["title", "detail"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{problem}");
    }
    assert_eq!(problem["request_id"], answer.field("x-request-id"));
    assert_eq!(answer.field("x-request-id").len(), 32);
    let kind = problem["type"].as_str().unwrap();
    kind.strip_prefix("urn:tlsfloor:problem:").unwrap_or_else(|| panic!("{problem}")).to_owned()
}

/// The last answer in what a connection gave, its fields and body apart.
fn last(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let start = text.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let (head, body) = text[start..].split_once("\r\n\r\n").unwrap();
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    assert_eq!(headers["content-length"], body.len().to_string().as_str(), "{text}");
    Answer {
        status: head[9..12].parse().unwrap(),
        version: hyper::Version::HTTP_11,
        headers,
        body: Bytes::from(body.to_owned()),
        trailers: None,
    }
}

async fn closed() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn every_error_of_a_request_is_a_problem_with_a_name_that_stays() {
    let text = proxy::base(closed().await)
        + "[plain_http]\naction = \"refuse\"\n\
           [[routes]]\nhost = \"localhost\"\npath = \"/v1/\"\nupstream = \"api\"\n\
           [[routes]]\nhost = \"localhost\"\npath = \"/old\"\nrewrite_prefix = \"/\"\nupstream = \"api\"\n";
    let proxy = Proxy::from_text(&text, |_| {});
    let mut ids = HashSet::new();
    let mut check = |answer: &Answer, status: u16, kind: &str| {
        assert_eq!((answer.status, problem(answer).as_str()), (status, kind));
        assert!(ids.insert(answer.field("x-request-id").to_owned()), "an id came twice");
    };
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut connection = client.open(proxy.https).await;
        check(&connection.get("/v1/").await, 502, "connection-refused");
        check(&connection.get("/v2/").await, 404, "no-route");
        check(&connection.get("/old%2e%2e/x").await, 400, "http-request-error");
        check(&connection.get("/old/..;/x").await, 400, "http-request-error");
    }
    let other = Request::get("/").header("host", "other.example").body(empty()).unwrap();
    check(&TlsClient::http1().send(proxy.https, other).await, 404, "unknown-host");
    check(&client::plain_get(proxy.http, "/v1/").await, 403, "https-required");
    let connect = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n";
    let answer = client::raw(proxy.http, connect).await.unwrap();
    let answer = last(&answer);
    check(&answer, 405, "method-not-served");
    assert!(answer.field("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test]
async fn what_never_became_a_request_is_answered_in_the_same_form() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| config.limits.header_size = 100 * 1024);
    let long = |path: usize, field: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "p".repeat(path), "y".repeat(field))
    };
    let cases = [
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("\u{1}\u{2}\u{3} garbage\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/7.0\r\n\r\n".to_owned(), 400),
        (long(70_000, 1), 414),
        (long(1, 110_000), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101)), 431),
    ];
    for (request, status) in cases {
        for answer in [
            client::raw(proxy.http, request.as_bytes()).await.unwrap(),
            client::raw_tls(proxy.https, request.as_bytes()).await.unwrap().into_bytes(),
        ] {
            let answer = last(&answer);
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(problem(&answer), "http-request-error");
            assert_eq!(answer.field("connection"), "close");
        }
    }
    let wrong_port = client::raw(proxy.https, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = last(&wrong_port);
    assert_eq!((answer.status, problem(&answer).as_str()), (400, "http-request-error"));
}

#[tokio::test]
async fn a_head_that_never_ends_is_told_so() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.header_timeout = std::time::Duration::from_millis(100);
    });
    let answer = last(&client::raw(proxy.http, b"GET / HTTP/1.1\r\nHost").await.unwrap());
    assert_eq!((answer.status, problem(&answer).as_str()), (408, "http-request-error"));
}

#[tokio::test]
async fn a_bad_head_behind_good_ones_takes_nothing_from_their_answers() {
    // A body that looks like an answer of hyper's own must pass.
    const BODY: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answer(|_| Response::new(full(BODY))).await;
    let proxy = Proxy::start(upstream.address);
    let good = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let requests =
        format!("{good}{good}HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nbad head\r\n\r\n");
    let text = client::raw_tls(proxy.https, requests.as_bytes()).await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    assert_eq!(text.matches(BODY).count(), 2, "{text}");
    let answer = last(text.as_bytes());
    assert_eq!((answer.status, problem(&answer).as_str()), (400, "http-request-error"));
    assert!(text.ends_with("}\n"), "{text}");
}

const PAGES: &str = r#"
    [errors]
    pages = [
      { status = 502, file = "502.json", content_type = "application/json" },
      { status = 404, file = "404.txt", content_type = "text/plain; charset=utf-8" },
      { status = 400, file = "400.json" },
    ]
    [[routes]]
    path = "/v1/"
    upstream = "api"
    [[routes]]
    path = "/own"
    respond = { status = 404, body = "the route's" }
"#;

fn pages() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("502.json", "{\"code\": \"down\"}"),
        ("404.txt", "nicht gefunden: \u{e4}"),
        ("400.json", "{\"type\": \"urn:x\"}"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn texts_are_replaced_per_status_and_all_else_stays() {
    let text = proxy::base(closed().await) + PAGES;
    let proxy = Proxy::in_folder(&text, pages(), |_| {});
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut connection = client.open(proxy.https).await;
        let down = connection.get("/v1/").await;
        assert_eq!((down.status, down.text().as_str()), (502, "{\"code\": \"down\"}"));
        assert_eq!(down.field("content-type"), "application/json");
        assert_eq!(down.field("proxy-status"), "tlsfloor; error=connection_refused");
        assert_eq!(down.field("x-request-id").len(), 32);
        let none = connection.get("/none").await;
        assert_eq!((none.status, none.text().as_str()), (404, "nicht gefunden: \u{e4}"));
        assert_eq!(none.field("content-type"), "text/plain; charset=utf-8");
        assert_eq!(connection.get("/own").await.text(), "the route's");
        let head = connection.send(Request::head("/none").body(empty()).unwrap()).await;
        assert_eq!((head.status, head.field("content-length")), (404, "18"));
        assert!(head.body.is_empty());
    }
    // In raw bytes too.
    let answer =
        last(&client::raw(proxy.https, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap());
    assert_eq!((answer.status, answer.text().as_str()), (400, "{\"type\": \"urn:x\"}"));
    assert_eq!(answer.field("content-type"), "application/problem+json");
}

#[tokio::test]
async fn an_upstreams_own_error_is_not_replaced() {
    let upstream =
        Upstream::answer(|_| Response::builder().status(502).body(full("the upstream's")).unwrap())
            .await;
    let proxy = Proxy::in_folder(&(proxy::base(upstream.address) + PAGES), pages(), |_| {});
    let answer = TlsClient::http2().get(proxy.https, "/v1/").await;
    assert_eq!((answer.status, answer.text().as_str()), (502, "the upstream's"));
}

#[test]
fn a_text_that_cannot_be_sent_is_a_problem_with_its_line() {
    let folder = Folder::new(&(proxy::base("127.0.0.1:1".parse().unwrap()) + PAGES));
    let write =
        |name: &str, text: &str| std::fs::write(folder.dir.path().join(name), text).unwrap();
    let check = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tlsfloor"))
            .args(["check", "-c"])
            .arg(folder.dir.path().join("tlsfloor.toml"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    write("502.json", "{\"code\": ");
    write("404.txt", &"x".repeat(64 * 1024 + 1));
    let (code, said) = check();
    assert_eq!(code, Some(1));
    for problem in [
        "errors.pages[0].file: ",
        "502.json is no JSON: EOF",
        "404.txt: the file has more than 65536 bytes",
        "400.json: the file cannot be read: ",
    ] {
        assert!(said.contains(problem), "{problem} not in {said}");
    }
    assert_eq!(said.matches("errors.pages[").count(), 3, "{said}");
    write("502.json", "{}");
    write("404.txt", &"x".repeat(64 * 1024));
    write("400.json", "[1]");
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
}

//! Plain HTTP on its way out: what is still redirected, what is told, and what has leaked.

use hyper::Request;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{
    cli::{Folder, Running},
    support::{
        client::{self, Answer, TlsClient, empty},
        proxy::{self, Proxy},
        upstream::{Upstream, answers_bytes},
    },
};

fn with(upstream: &Upstream, section: &str) -> Proxy {
    Proxy::from_text(&(proxy::base(upstream.address) + "[plain_http]\n" + section), |_| {})
}

async fn send(
    address: std::net::SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let bare = Request::builder().method(method).uri(target);
    let request = fields.iter().fold(bare, |request, (name, value)| request.header(*name, *value));
    let stream = TcpStream::connect(address).await.unwrap();
    client::http1(stream).await.send(request.body(empty()).unwrap()).await
}

async fn counted(proxy: &Proxy, action: &str, credentials: &str) -> f64 {
    let series = format!(
        "tlsfloor_plain_http_requests_total{{action=\"{action}\",credentials=\"{credentials}\"}}"
    );
    proxy.metric(&series).await
}

const KEYS: &str = "credential_headers = [\"X-Api-Key\"]\ncredential_params = [\"api_key\"]\n";

#[tokio::test]
async fn with_redirect_only_safe_nothing_is_redirected_that_must_not_come_again() {
    let upstream = Upstream::text("never").await;
    let section = format!("redirect_only = \"safe\"\nstatus = 308\n{KEYS}");
    let proxy = with(&upstream, &section);
    let cases = [
        ("GET", "/a?b", &[][..], 308),
        ("HEAD", "/", &[], 308),
        ("POST", "/", &[], 403),
        ("DELETE", "/", &[], 403),
        ("GET", "/", &[("authorization", "Bearer t")], 403),
        ("GET", "/", &[("cookie", "a=b")], 403),
        ("GET", "/", &[("x-api-key", "k")], 403),
        ("GET", "/?api_key=k", &[], 403),
        ("HEAD", "/?api_key=k", &[], 403),
        ("GET", "/?api_key=", &[], 308),
    ];
    for (method, target, fields, status) in cases {
        let answer = send(proxy.http, method, target, fields).await;
        assert_eq!(answer.status, status, "{method} {target} {fields:?}");
        assert_eq!(answer.field("x-request-id").len(), 32);
        if status == 403 && method != "HEAD" {
            let problem = answer.json();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("https://") && detail.contains("credentials"), "{detail}");
            assert_eq!(answer.field("location"), "");
        }
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(counted(&proxy, "redirect", "none").await, 3.0);
    assert_eq!(counted(&proxy, "refuse", "none").await, 2.0);
    for (kind, count) in
        [("authorization", 1.0), ("cookie", 1.0), ("header", 1.0), ("parameter", 2.0)]
    {
        assert_eq!(counted(&proxy, "refuse", kind).await, count, "{kind}");
    }
}

#[tokio::test]
async fn credentials_are_counted_whatever_the_action() {
    for (action, status) in [("redirect", 301), ("refuse", 403), ("forward", 200)] {
        let upstream = Upstream::text("ok").await;
        let proxy = with(&upstream, &format!("action = \"{action}\"\n{KEYS}"));
        let fields = [("authorization", "Basic dTpw"), ("cookie", "a=b"), ("x-api-key", "k")];
        let answer = send(proxy.http, "GET", "/?api_key=k", &fields).await;
        assert_eq!(answer.status, status);
        // One request counts once, by what tells most.
        assert_eq!(counted(&proxy, action, "authorization").await, 1.0);
        send(proxy.http, "GET", "/?api_key=k", &fields[1..2]).await;
        assert_eq!(counted(&proxy, action, "parameter").await, 1.0);
        assert_eq!(counted(&proxy, action, "cookie").await, 0.0);
        // Over TLS nothing has leaked.
        let request = Request::get("/").header("authorization", "t").body(empty()).unwrap();
        TlsClient::http1().send(proxy.https, request).await;
        assert_eq!(counted(&proxy, action, "authorization").await, 1.0);
    }
}

const GRACE: &str = r#"
    action = "forward"
    deprecation = 2026-09-01T00:00:00Z
    sunset = 2027-03-01T10:00:00+01:00
    notice = "https://api.example.com/plain-http"
    exempt_paths = ["/acme/"]
"#;

const LINK: &str = "<https://api.example.com/plain-http>; rel=\"deprecation\", \
    <https://api.example.com/plain-http>; rel=\"sunset\"";

#[tokio::test]
async fn what_is_forwarded_in_clear_is_told_that_it_ends() {
    let upstream = Upstream::text("ok").await;
    let routes = "[[routes]]\npath = \"/v1/\"\nupstream = \"api\"\n\
        [[routes]]\npath = \"/acme/\"\nupstream = \"api\"\n\
        [[routes]]\npath = \"/own\"\nrespond = { status = 200, body = \"own\" }\n";
    let proxy = with(&upstream, &format!("{GRACE}{routes}"));
    // An upstream's answer, one of a route, one of ours.
    for (target, status) in [("/v1/x", 200), ("/own", 200), ("/none", 404)] {
        let answer = send(proxy.http, "GET", target, &[]).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.field("deprecation"), "@1788220800", "{target}");
        assert_eq!(answer.field("sunset"), "Mon, 01 Mar 2027 09:00:00 GMT", "{target}");
        assert_eq!(answer.field("link"), LINK, "{target}");
    }
    // Not where clear text stays, and not over TLS.
    let exempt = send(proxy.http, "GET", "/acme/x", &[]).await;
    let tls = TlsClient::http2().get(proxy.https, "/v1/x").await;
    for answer in [exempt, tls] {
        assert_eq!(answer.status, 200);
        for field in ["deprecation", "sunset", "link"] {
            assert!(!answer.headers.contains_key(field), "{field}");
        }
    }
    assert_eq!(counted(&proxy, "forward", "none").await, 4.0);
}

#[tokio::test]
async fn an_upstreams_own_dates_stand() {
    let own = b"HTTP/1.1 200 OK\r\nsunset: Sat, 01 Jan 2028 00:00:00 GMT\r\n\
        link: </next>; rel=\"next\"\r\ncontent-length: 0\r\n\r\n";
    let text = proxy::base(answers_bytes(own).await) + "[plain_http]\n" + GRACE;
    let proxy = Proxy::from_text(&text, |_| {});
    let answer = send(proxy.http, "GET", "/", &[]).await;
    assert_eq!(answer.field("sunset"), "Sat, 01 Jan 2028 00:00:00 GMT");
    let links: Vec<_> = answer.headers.get_all("link").iter().collect();
    assert_eq!(links, ["</next>; rel=\"next\"", LINK]);
}

#[tokio::test]
async fn a_redirect_and_a_refusal_tell_no_dates() {
    for action in ["redirect", "refuse"] {
        let upstream = Upstream::text("never").await;
        let section = GRACE.replace("\"forward\"", &format!("\"{action}\""));
        let answer = send(with(&upstream, &section).http, "GET", "/", &[]).await;
        assert!(!answer.headers.contains_key("deprecation"), "{action}");
    }
}

/// `run` as a process that logs what leaks on its plain port.
fn logging(upstream: &Upstream, section: &str) -> (Folder, Running) {
    let text = proxy::base(upstream.address) + "[plain_http]\n" + section;
    let folder = Folder::new(&text);
    std::fs::write(folder.dir.path().join("hash.key"), "0123456789abcdef0123456789abcdef\n")
        .unwrap();
    let running = Running::start(&folder);
    (folder, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_logged_by_a_hash_that_its_owner_can_make_and_nobody_else() {
    let upstream = Upstream::text("ok").await;
    let section = format!("{KEYS}credentials_key = \"hash.key\"\n");
    let (_folder, mut running) = logging(&upstream, &section);
    let fields = [("authorization", "Bearer tok-3cret"), ("x-api-key", "key-3cret")];
    let answer =
        send(running.http, "POST", "/v1/pay?api_key=par%2D3cret&note=private", &fields).await;
    assert_eq!(answer.status, 301);
    // printf %s tok-3cret | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    let expected = [
        ("authorization", "11e4de9c1b7df014"),
        ("header", "0d9a32742eca0e8d"),
        ("parameter", "e1a3da59db901d6f"),
    ];
    let lines: Vec<Value> = expected.iter().map(|_| running.event("credentials")).collect();
    for (line, (kind, hash)) in lines.iter().zip(expected) {
        assert_eq!(
            (line["kind"].as_str(), line["hash"].as_str()),
            (Some(kind), Some(hash)),
            "{line}"
        );
        for (key, value) in [
            ("client", "127.0.0.1"),
            ("host", "localhost"),
            ("path", "/v1/pay"),
            ("action", "redirect"),
            ("request_id", answer.field("x-request-id")),
        ] {
            assert_eq!(line[key], value, "{key} in {line}");
        }
        let text = line.to_string();
        assert!(!text.contains("3cret") && !text.contains("private"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_about_leaks_are_bounded_per_client_and_apart_from_refusals() {
    let upstream = Upstream::text("ok").await;
    let (_folder, mut running) =
        logging(&upstream, "[log]\nrefused_per_minute = 2\naccess = true\n");
    let mut connection = client::http1(TcpStream::connect(running.http).await.unwrap()).await;
    for _ in 0..5 {
        let request = Request::get("/").header("cookie", "s=3cret").body(empty()).unwrap();
        assert_eq!(connection.send(request).await.status, 301);
    }
    client::raw(running.https, &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]).await.unwrap();
    let mut leaks = Vec::new();
    let refused = loop {
        let line = running.line();
        match line["event"].as_str() {
            Some("credentials") => leaks.push(line["hash"].to_string()),
            Some("refused") => break line,
            _ => {}
        }
    };
    // A key of the process: the same secret, the same hash. What leaked takes no refusal's line.
    assert_eq!(leaks.len(), 2);
    assert_eq!(leaks[0], leaks[1]);
    assert!(refused["suppressed"].is_null(), "{refused}");
}

#[test]
fn a_key_that_is_missing_or_short_is_a_problem_with_its_line() {
    let folder = Folder::new(
        &(proxy::base("127.0.0.1:1".parse().unwrap())
            + "[plain_http]\ncredentials_key = \"hash.key\"\n"),
    );
    let check = || {
        let config = folder.dir.path().join("tlsfloor.toml");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tlsfloor"))
            .args(["check", "-c"])
            .arg(config)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = check();
    assert_eq!(code, Some(1));
    assert!(said.contains("plain_http.credentials_key: "), "{said}");
    std::fs::write(folder.dir.path().join("hash.key"), "short\n").unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(1));
    assert!(said.contains("has 5 bytes, expected at least 16"), "{said}");
    std::fs::write(folder.dir.path().join("hash.key"), "0123456789abcdef\n").unwrap();
    assert_eq!(check().0, Some(0));
}

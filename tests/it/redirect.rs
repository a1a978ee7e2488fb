//! The plain port: redirects, refusals, exempt paths, and who speaks something else there.

use tlsfloor::config::PlainAction;

use crate::support::{
    client::{plain_get, raw},
    proxy::Proxy,
    upstream::Upstream,
};

async fn ask(proxy: &Proxy, request: &str) -> String {
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let answer = raw(proxy.http, request.as_bytes()).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn location(answer: &str) -> &str {
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "));
    line.unwrap_or_else(|| panic!("no location: {answer}"))
}

#[tokio::test]
async fn a_redirect_keeps_host_path_and_query() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.plain_http.https_port = 8443;
    });
    let cases = [
        ("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", "https://127.0.0.1:8443/a?b=c"),
        (
            "POST / HTTP/1.1\r\nHost: Api.Example\r\nContent-Length: 2\r\n\r\nhi",
            "https://Api.Example:8443/",
        ),
        ("GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:8443/x"),
        (
            "GET http://other.example:81/y?z HTTP/1.1\r\nHost: a\r\n\r\n",
            "https://other.example:8443/y?z",
        ),
        (
            "GET //evil.example/%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n",
            "https://a:8443//evil.example/%2e%2e",
        ),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "https://a:8443/"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "https://a:8443/"),
    ];
    for (request, target) in cases {
        let answer = ask(&proxy, request).await;
        assert!(answer.contains(" 301 Moved Permanently\r\n"), "{request} got {answer}");
        assert_eq!(location(&answer), target);
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    assert!(upstream.seen().is_empty());
    let counted = "tlsfloor_plain_http_requests_total{action=\"redirect\",credentials=\"none\"}";
    assert_eq!(proxy.metric(counted).await, 7.0, "{}", proxy.metrics().await);
}

#[tokio::test]
async fn the_status_is_the_one_configured_and_443_is_left_out() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| config.plain_http.status = 308);
    let answer = ask(&proxy, "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert_eq!(location(&answer), "https://a/");
}

#[tokio::test]
async fn a_host_that_is_none_is_never_echoed() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::start(upstream.address);
    let bad = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example/x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\"onload\r\n\r\n",
    ];
    for request in bad {
        let answer = ask(&proxy, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{request:?}: {answer}"
        );
        assert!(!answer.contains("evil") && !answer.contains("location"), "{answer}");
    }
}

#[tokio::test]
async fn refusing_says_how_to_do_it_right() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.plain_http.action = PlainAction::Refuse;
    });
    let answer = plain_get(proxy.http, "/").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert!(answer.json()["detail"].as_str().unwrap().contains("HTTPS"));
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn exempt_paths_are_forwarded_in_clear() {
    let upstream = Upstream::text("token").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.plain_http.exempt_paths = vec!["/.well-known/acme-challenge/".into()];
    });
    let answer = plain_get(proxy.http, "/.well-known/acme-challenge/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "token"));
    let seen = upstream.last();
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert!(seen.all("x-tls-version").is_empty());
    let climbing = plain_get(proxy.http, "/.well-known/acme-challenge/../../v1").await;
    assert_eq!(climbing.status, 301);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_tls_client_on_the_plain_port_gets_an_alert() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::start(upstream.address);
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    assert_eq!(raw(proxy.http, &hello).await.unwrap(), [0x15, 3, 1, 0, 2, 2, 10]);
}

#[tokio::test]
async fn a_connection_to_the_plain_port_is_kept() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::start(upstream.address);
    let two =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = String::from_utf8(raw(proxy.http, two.as_bytes()).await.unwrap()).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 301 ").count(), 2, "{answer}");
}

//! Routes: what a request must be like, and what it gets.

use hyper::Request;

use crate::support::{
    client::{self, TlsClient, empty},
    proxy::{self, Proxy},
    upstream::Upstream,
};

/// A proxy with these routes in front of one upstream, "api".
fn routed(upstream: &Upstream, routes: &str) -> Proxy {
    Proxy::from_text(&(proxy::base(upstream.address) + routes), |_| {})
}

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request<client::Body> {
    let bare = Request::builder().method(method).uri(target);
    fields
        .iter()
        .fold(bare, |request, (name, value)| request.header(*name, *value))
        .body(empty())
        .unwrap()
}

#[tokio::test]
async fn path_method_and_header_choose_the_answer_over_both_protocols() {
    let upstream = Upstream::text("upstream").await;
    let proxy = routed(
        &upstream,
        r#"
        [[routes]]
        upstream = "api"
        [[routes]]
        path_exact = "/status"
        respond = { status = 200, body = "{}", content_type = "application/json" }
        [[routes]]
        methods = ["DELETE"]
        respond = { status = 405 }
        [[routes]]
        headers = [{ name = "X-Version", value = "2" }]
        respond = { status = 418, body = "teapot" }
        "#,
    );
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut connection = client.open(proxy.https).await;
        let cases = [
            ("GET", "/status?x", None, 200, "{}", "application/json"),
            ("GET", "/status/", None, 200, "upstream", ""),
            ("DELETE", "/a", None, 405, "", ""),
            ("GET", "/a", Some("2"), 418, "teapot", "text/plain; charset=utf-8"),
            ("GET", "/a", Some("20"), 200, "upstream", ""),
        ];
        for (method, target, version, status, text, kind) in cases {
            let fields: Vec<_> = version.iter().map(|version| ("x-version", *version)).collect();
            let answer = connection.send(request(method, target, &fields)).await;
            assert_eq!((answer.status, answer.text().as_str()), (status, text), "{target}");
            assert_eq!(answer.field("content-type"), kind, "{target}");
            if status != 200 || text == "{}" {
                assert_eq!(answer.field("x-request-id").len(), 32);
                assert!(!answer.field("strict-transport-security").is_empty());
            }
        }
    }
    let counted = |route: &str, protocol: &str, code: u16| {
        format!(
            "tlsfloor_requests_total{{route=\"{route}\",protocol=\"{protocol}\",\
             tls_version=\"1.3\",code=\"{code}\"}}"
        )
    };
    for (route, code, count) in
        [("*/", 200, 2.0), ("*/status exact", 200, 1.0), ("*/ DELETE", 405, 1.0)]
    {
        assert_eq!(proxy.metric(&counted(route, "h2", code)).await, count, "{route}");
    }
    // 418 has no series of its own.
    assert!(proxy.metrics().await.contains("route=\"*/ x-version\""));
}

#[tokio::test]
async fn head_gets_what_get_gets_without_its_body() {
    let upstream = Upstream::text("never").await;
    let proxy = routed(&upstream, "[[routes]]\nrespond = { status = 503, body = \"closed\" }\n");
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let answer = client.send(proxy.https, request("HEAD", "/", &[])).await;
        assert_eq!((answer.status, answer.text().as_str()), (503, ""));
        assert_eq!(answer.field("content-length"), "6");
    }
}

#[tokio::test]
async fn the_matched_prefix_is_replaced_and_nothing_climbs_out_of_the_new_one() {
    let upstream = Upstream::text("ok").await;
    let proxy = routed(
        &upstream,
        r#"
        [[routes]]
        path = "/v1/"
        rewrite_prefix = "/internal/api/"
        upstream = "api"
        [[routes]]
        path = "/old"
        rewrite_prefix = "/"
        upstream = "api"
        "#,
    );
    let cases = [
        ("/v1/orders?x=/v1/", "/internal/api/orders?x=/v1/"),
        ("/v1//evil.example", "/internal/api/evil.example"),
        ("/v1/a%2Fb%20c", "/internal/api/a%2Fb%20c"),
        ("/old/a", "/a"),
        ("/old", "/"),
        ("/old//evil.example/", "/evil.example/"),
    ];
    for (target, expected) in cases {
        for client in [TlsClient::http1(), TlsClient::http2()] {
            assert_eq!(client.get(proxy.https, target).await.status, 200, "{target}");
            assert_eq!(upstream.last().target, expected, "{target}");
        }
    }
    let count = upstream.seen().len();
    for target in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/x/..%2f..%2fadmin", "/old../admin"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = client::raw_tls(proxy.https, head.as_bytes()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    assert_eq!(upstream.seen().len(), count, "{:?}", upstream.last());
    let absolute = "GET http://b.example/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client::raw_tls(proxy.https, absolute.as_bytes()).await.unwrap();
    let seen = upstream.last();
    assert_eq!((seen.target.as_str(), seen.all("host")), ("/internal/api/x", vec!["b.example"]));
}

#[tokio::test]
async fn a_redirect_is_filled_with_the_requests_own_parts() {
    let upstream = Upstream::text("never").await;
    let proxy = routed(
        &upstream,
        r#"
        [[routes]]
        redirect = { to = "https://new.example{path}{query}" }
        [[routes]]
        path = "/old/"
        redirect = { to = "/new/{rest}", status = 301 }
        [[routes]]
        path = "/fixed"
        redirect = { to = "https://new.example/there", status = 307 }
        "#,
    );
    let cases = [
        ("/a?b=c", 308, "https://new.example/a?b=c"),
        ("//evil.example/", 308, "https://new.example//evil.example/"),
        ("/old/x/y?z", 301, "https://localhost/new/x/y"),
        ("/old//evil.example", 301, "https://localhost/new//evil.example"),
        ("/fixed/x?y", 307, "https://new.example/there"),
    ];
    for (target, status, location) in cases {
        for client in [TlsClient::http1(), TlsClient::http2()] {
            let answer = client.get(proxy.https, target).await;
            assert_eq!((answer.status, answer.field("location")), (status, location));
            assert_eq!(answer.field("x-request-id").len(), 32);
            assert!(!answer.text().contains('<'), "{}", answer.text());
        }
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_split_shares_requests_out_by_weight() {
    let (stable, canary) = (Upstream::text("stable").await, Upstream::text("canary").await);
    let dark = Upstream::text("dark").await;
    let text = format!(
        r#"
        [[upstreams]]
        name = "canary"
        servers = ["http://{}"]
        [[upstreams]]
        name = "dark"
        servers = ["http://{}"]
        [[routes]]
        name = "orders"
        split = [
          {{ upstream = "dark", weight = 0 }},
          {{ upstream = "api", weight = 3 }},
          {{ upstream = "canary", weight = 1 }},
        ]
        "#,
        canary.address, dark.address,
    );
    let proxy = routed(&stable, &text);
    let mut connection = TlsClient::http2().open(proxy.https).await;
    for _ in 0..400 {
        assert_eq!(connection.get("/").await.status, 200);
    }
    let (stable, canary) = (stable.seen().len(), canary.seen().len());
    assert_eq!(stable + canary, 400);
    // A hundred are expected and 8.7 is the deviation: this is seven of them.
    assert!((40..160).contains(&canary), "{canary}");
    assert!(dark.seen().is_empty());
    let counted = "tlsfloor_requests_total{route=\"orders\",protocol=\"h2\",tls_version=\"1.3\",code=\"200\"}";
    assert_eq!(proxy.metric(counted).await, 400.0);
    let sent = "tlsfloor_upstream_requests_total{upstream=\"canary\",outcome=\"success\"}";
    assert_eq!(proxy.metric(sent).await, canary as f64);
}

#[tokio::test]
async fn values_of_header_conditions_are_not_shown() {
    let upstream = Upstream::text("ok").await;
    let proxy = routed(
        &upstream,
        r#"
        [[routes]]
        headers = [{ name = "x-origin-secret", value = "hunter2" }]
        upstream = "api"
        [[routes]]
        headers = [{ name = "x-origin-secret", value = "hunter3" }]
        upstream = "api"
        "#,
    );
    for secret in ["hunter2", "hunter3"] {
        let request = request("GET", "/", &[("x-origin-secret", secret)]);
        assert_eq!(TlsClient::http1().send(proxy.https, request).await.status, 200);
    }
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 404);
    let metrics = proxy.metrics().await;
    let config = client::plain_get(proxy.admin, "/config").await.text();
    assert!(metrics.contains("route=\"*/ x-origin-secret #2\""), "{metrics}");
    assert!(config.contains("x-origin-secret"), "{config}");
    assert!(!metrics.contains("hunter") && !config.contains("hunter"), "{metrics}{config}");
}

/// Hosts with floors of their own, all by the same certificates: "a" and "b" alike, "strict" not.
fn floors(upstream: &Upstream, errors: &str) -> Proxy {
    let text = format!(
        r#"{}
        [[tls.hosts]]
        names = ["strict.localhost"]
        minimum = "1.3"
        certificates = [{{ chain = "strict.pem", key = "strict.key" }}]
        [[tls.hosts]]
        names = ["a.localhost", "*.b.localhost"]
        minimum = "1.3"
        certificates = [{{ chain = "strict.pem", key = "strict.key" }}]
        [[routes]]
        host = "*.localhost"
        upstream = "api"
        [[routes]]
        host = "x.b.localhost"
        upstream = "api"
        [[routes]]
        host = "localhost"
        path = "/v1/"
        upstream = "api"
        {errors}"#,
        proxy::base(upstream.address),
    );
    let names = ["strict.localhost", "a.localhost", "*.b.localhost"];
    Proxy::from_text_with(&text, &[("strict", &names)])
}

/// The status for `host` over a connection that asks for `sni`.
async fn status(client: &TlsClient, proxy: &Proxy, sni: &'static str, host: &str) -> u16 {
    let client = TlsClient { name: sni, ..client.clone() };
    let target = format!("https://{host}/v1/");
    let target = if client.alpn == [b"h2".to_vec()] { &target } else { "/v1/" };
    let fields = [("host", host)];
    let answer = client.send(proxy.https, request("GET", target, &fields)).await;
    if answer.status == 421 {
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert_eq!(answer.field("proxy-status"), "tlsfloor; error=http_request_denied");
    }
    answer.status
}

#[tokio::test]
async fn a_host_of_another_floor_is_not_reached_over_this_connection() {
    let upstream = Upstream::text("ok").await;
    let proxy = floors(&upstream, "");
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let cases = [
            ("localhost", "localhost", 200),
            ("localhost", "LOCALHOST:8443", 200),
            ("localhost", "strict.localhost", 421),
            ("strict.localhost", "localhost", 421),
            ("strict.localhost", "STRICT.localhost.", 200),
            // Another entry of [[tls.hosts]], but the same floor and certificate.
            ("strict.localhost", "a.localhost", 200),
            ("a.localhost", "x.b.localhost", 200),
            // No SNI: the default site.
            ("127.0.0.1", "localhost", 200),
            ("127.0.0.1", "strict.localhost", 421),
            ("localhost", "unknown.example", 404),
            ("strict.localhost", "unknown.example", 421),
        ];
        for (sni, host, expected) in cases {
            assert_eq!(status(&client, &proxy, sni, host).await, expected, "{host} over {sni}");
        }
    }
    // The strict host's own floor is out of reach of TLS 1.2, whatever the request says.
    let old = TlsClient::http1().only(&rustls::version::TLS12);
    assert_eq!(status(&old, &proxy, "localhost", "strict.localhost").await, 421);
    let counted = "tlsfloor_requests_total{route=\"none\",protocol=\"http/1.1\",tls_version=\"1.2\",code=\"421\"}";
    assert_eq!(proxy.metric(counted).await, 1.0);
}

#[tokio::test]
async fn an_unknown_host_is_a_421_where_that_is_asked_for() {
    let upstream = Upstream::text("ok").await;
    let proxy = floors(&upstream, "[errors]\nunknown_host = 421\n");
    let client = TlsClient::http2();
    for (host, expected) in [("unknown.example", 421), ("localhost", 200), ("x.y.localhost", 421)] {
        assert_eq!(status(&client, &proxy, "localhost", host).await, expected, "{host}");
    }
    // A known host whose path no route takes is no unknown host.
    let answer = TlsClient::http1().get(proxy.https, "/v2/").await;
    assert_eq!(answer.status, 404);
}

//! The host where customers test their clients: what it tells, and that it is nothing else.

use hyper::{Method, Request};
use rustls::{
    AlertDescription,
    version::{TLS12, TLS13},
};

use crate::{
    cli::Folder,
    config::{GOOD, problem, with},
    support::{
        client::{Answer, Body, TlsClient, empty, http1},
        proxy::{self, Proxy},
        upstream::Upstream,
    },
};
use tokio::net::TcpStream;

const CHECK: &str = "tls-check.example.com";
const STRICT: &str = "tls13-only.example.com";

const SECTION: &str = r#"
    [self_test]
    host = "tls-check.example.com"
    strict = [{ host = "tls13-only.example.com", minimum = "1.3" }]
    certificates = [{ chain = "check.pem", key = "check.key" }]
"#;

async fn upstream() -> Upstream {
    Upstream::text("the API").await
}

fn start(upstream: &Upstream, more: &str) -> Proxy {
    let text = format!("{}{SECTION}{more}", proxy::base(upstream.address));
    Proxy::from_text_with(&text, &[("check", &[CHECK, STRICT])])
}

fn asks(client: TlsClient, name: &'static str) -> TlsClient {
    TlsClient { name, ..client }
}

fn request(host: &str, path: &str, accept: &str) -> Request<Body> {
    let request = Request::get(path).header("host", host).header("accept", accept);
    request.body(empty()).unwrap()
}

async fn check(proxy: &Proxy, accept: &str) -> Answer {
    let client = asks(TlsClient::http1(), CHECK);
    client.send(proxy.https, request(CHECK, "/", accept)).await
}

#[tokio::test]
async fn it_tells_in_json_what_was_offered_agreed_on_and_has_to_be_done() {
    let upstream = upstream().await;
    let proxy = start(&upstream, "");
    let answer = check(&proxy, "application/json").await;
    assert_eq!((answer.status, answer.field("content-type")), (200, "application/json"));
    assert_eq!((answer.field("cache-control"), answer.field("vary")), ("no-store", "accept"));
    assert!(answer.field("strict-transport-security").starts_with("max-age="));
    let told = answer.json();
    assert_eq!((&told["floor"], &told["passes_floor"]), (&"1.2".into(), &true.into()));
    assert_eq!(told["negotiated"]["version"], "1.3");
    assert_eq!(told["negotiated"]["alpn"], "http/1.1");
    assert_eq!(told["negotiated"]["resumed"], false);
    assert_eq!(told["offered"]["versions"], serde_json::json!(["1.3", "1.2"]));
    assert_eq!(told["offered"]["sni"], CHECK);
    let suites = told["offered"]["suites"].as_array().unwrap();
    let aes = serde_json::json!({ "number": "0x1301", "name": "TLS_AES_128_GCM_SHA256" });
    assert!(suites.contains(&aes), "{suites:?}");
    assert!(told["ja4"].as_str().unwrap().starts_with("t13d"), "{told}");
    assert_eq!(told["stack"]["word"], "current");
    assert!(told["stack"]["looks_like"].as_str().unwrap().starts_with("looks like "));
    assert!(told["remedy"]["fix"].is_string() && told["remedy"]["library"].is_string());
    let names: Vec<_> = told["policies"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["floor", STRICT]);
    assert!(upstream.seen().is_empty());
    let series = "tlsfloor_requests_total{route=\"self_test\",protocol=\"http/1.1\",tls_version=\"1.3\",code=\"200\"}";
    assert_eq!(proxy.metric(series).await, 1.0);
}

#[tokio::test]
async fn a_client_with_tls_1_2_only_passes_today_and_fails_tomorrow() {
    let proxy = start(&upstream().await, "");
    let client = asks(TlsClient::http1().only(&TLS12), CHECK);
    let told = client.send(proxy.https, request(CHECK, "/", "application/json")).await.json();
    assert_eq!((&told["passes_floor"], &told["stack"]["word"]), (&true.into(), &"tls-1.2".into()));
    assert_eq!(told["policies"][0]["verdict"], "pass");
    assert_eq!(
        (&told["policies"][1]["verdict"], &told["policies"][1]["reason"]),
        (&"fail".into(), &"version".into())
    );
    let text = client.send(proxy.https, request(CHECK, "/", "*/*")).await.text();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("but fails what may come: tls13-only.example.com."), "{text}");
}

#[tokio::test]
async fn its_forms_by_accept_and_over_http2() {
    let proxy = start(&upstream().await, "");
    let text = check(&proxy, "*/*").await;
    assert_eq!(text.field("content-type"), "text/plain; charset=utf-8");
    assert!(text.text().contains("Good: your client uses TLS 1.3"), "{}", text.text());
    let page = check(&proxy, "text/html,*/*;q=0.8").await;
    assert_eq!(page.field("content-type"), "text/html; charset=utf-8");
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("</html>"));
    let client = asks(TlsClient::http2(), CHECK);
    let uri = format!("https://{CHECK}/");
    let request = Request::get(uri).header("accept", "application/json").body(empty()).unwrap();
    let answer = client.send(proxy.https, request).await;
    assert_eq!((answer.status, &answer.json()["negotiated"]["alpn"]), (200, &"h2".into()));
}

#[tokio::test]
async fn what_a_client_offers_is_text_in_the_page() {
    let proxy = start(&upstream().await, "");
    let mut client = asks(TlsClient::http1(), CHECK);
    client.alpn = vec![b"http/1.1".to_vec(), b"<script>alert(1)</script>".to_vec()];
    let answer = client.send(proxy.https, request(CHECK, "/", "text/html")).await;
    let page = answer.text();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
}

#[tokio::test]
async fn the_strict_host_refuses_in_the_handshake_whatever_the_rollout_says() {
    let upstream = upstream().await;
    let legacy = Upstream::text("today's terminator").await;
    let proxy = start(
        &upstream,
        &format!("[rollout]\nlegacy = \"{}\"\nlegacy_check = \"0s\"\n", legacy.address),
    );
    let old = asks(TlsClient::http1().only(&TLS12), STRICT);
    let error = old.connect(proxy.https).await.unwrap_err();
    match error.downcast::<rustls::Error>().unwrap() {
        rustls::Error::AlertReceived(alert) => assert_eq!(alert, AlertDescription::ProtocolVersion),
        other => panic!("{other}"),
    }
    assert_eq!(legacy.connections(), 0);
    let new = asks(TlsClient::http1().only(&TLS13), STRICT);
    let answer = new.send(proxy.https, request(STRICT, "/", "application/json")).await;
    assert_eq!((answer.status, &answer.json()["negotiated"]["version"]), (200, &"1.3".into()));
}

#[tokio::test]
async fn it_is_no_way_to_the_api_and_no_other_way_leads_there() {
    let upstream = upstream().await;
    let proxy = start(&upstream, "");
    for (opened_for, asked) in
        [(CHECK, "localhost"), ("localhost", CHECK), (CHECK, STRICT), (STRICT, CHECK)]
    {
        let client = asks(TlsClient::http1(), opened_for);
        let answer = client.send(proxy.https, request(asked, "/", "*/*")).await;
        assert_eq!(answer.status, 421, "{opened_for} {asked}");
        assert_eq!(answer.field("cache-control"), "no-store", "{opened_for} {asked}");
    }
    let client = asks(TlsClient::http1(), CHECK);
    let dotted = client.send(proxy.https, request("TLS-check.example.com.:443", "/", "*/*")).await;
    assert_eq!(dotted.status, 200);
    for (method, path, status) in [
        (Method::GET, "/v1/orders", 404),
        (Method::GET, "/?a=b", 200),
        (Method::HEAD, "/", 200),
        (Method::POST, "/", 405),
        (Method::PUT, "/", 405),
        (Method::OPTIONS, "/", 405),
    ] {
        let mut request = request(CHECK, path, "*/*");
        *request.method_mut() = method.clone();
        let answer = client.send(proxy.https, request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.field("cache-control"), "no-store", "{method} {path}");
        assert_eq!(answer.field("allow"), if status == 405 { "GET, HEAD" } else { "" });
        assert_eq!(answer.body.is_empty(), method == Method::HEAD, "{method} {path}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn in_clear_it_is_redirected_even_where_everything_else_is_forwarded() {
    let upstream = upstream().await;
    let plain = "[plain_http]\naction = \"forward\"\nexempt_paths = [\"/open/\"]\n";
    let proxy = start(&upstream, plain);
    for path in ["/", "/open/x"] {
        let stream = TcpStream::connect(proxy.http).await.unwrap();
        let answer = http1(stream).await.send(request(CHECK, path, "*/*")).await;
        assert_eq!(answer.status, 301, "{path}");
        assert_eq!(answer.field("location"), format!("https://{CHECK}{path}"));
    }
    assert!(upstream.seen().is_empty());
    let stream = TcpStream::connect(proxy.http).await.unwrap();
    let other = http1(stream).await.send(request("localhost", "/", "*/*")).await;
    assert_eq!((other.status, upstream.seen().len()), (200, 1));
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    // The rate is the fleet's: of ten thousand replicas each has one answer a second.
    for rate in ["rate = 1\n", "rate = 10000\n[fleet]\nreplicas = 10000\n"] {
        too_often(rate).await;
    }
}

async fn too_often(rate: &str) {
    let upstream = upstream().await;
    let text = format!("{}{SECTION}{rate}", proxy::base(upstream.address));
    let proxy = Proxy::from_text_with(&text, &[("check", &[CHECK, STRICT])]);
    let mut sender = asks(TlsClient::http2(), CHECK).open(proxy.https).await;
    let uri = format!("https://{CHECK}/");
    let mut refused = None;
    // A second may end between two of them; not between all.
    for _ in 0..1000 {
        let request = Request::get(&uri).body(empty()).unwrap();
        let answer = sender.send(request).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.field("retry-after")), (429, "1"));
    assert_eq!(refused.field("cache-control"), "no-store");
    assert_eq!(refused.json()["type"], "urn:tlsfloor:problem:rate-limited");
    assert_eq!(proxy.metric("tlsfloor_limits_total{limit=\"self_test\"}").await, 1.0);
}

#[tokio::test]
async fn a_reload_that_brings_it_tells_nothing_of_older_connections() {
    let upstream = upstream().await;
    let base = proxy::base(upstream.address);
    let proxy = Proxy::from_text_with(&base, &[("check", &[CHECK, STRICT, "localhost"])]);
    let base = base.replace("chain.pem", "check.pem").replace("key.pem", "check.key");
    proxy.reload_as(&base).await.unwrap();
    let mut sender = asks(TlsClient::http1(), CHECK).open(proxy.https).await;
    assert_eq!(sender.send(request(CHECK, "/", "*/*")).await.status, 200);
    assert_eq!(upstream.seen().len(), 1);
    proxy.reload_as(&format!("{base}{SECTION}")).await.unwrap();
    assert_eq!(check(&proxy, "*/*").await.status, 200);
    let answer = sender.send(request(CHECK, "/", "*/*")).await;
    assert_eq!((answer.status, upstream.seen().len()), (421, 1));
}

#[test]
fn what_is_wrong_with_it() {
    let cases = [
        ("[self_test]\n", "self_test.host: found nothing, expected a host name"),
        ("[self_test]\nhost = \"10.0.0.1\"\n", "found \"10.0.0.1\", expected a host name"),
        ("[self_test]\nhost = \"*.a.com\"\n", "found \"*.a.com\", expected a host name"),
        ("[self_test]\nhost = \"a.com\"\nrate = 0\n", "self_test.rate: found 0"),
        (
            "[self_test]\nhost = \"a.com\"\nstrict = [{ host = \"a.com\", minimum = \"1.3\" }]\n",
            "self_test.strict[0].host: found \"a.com\", expected a name that the section does not have yet",
        ),
        (
            "[self_test]\nhost = \"a.com\"\nstrict = [{ host = \"b.com\" }]\n",
            "self_test.strict[0].minimum: found nothing, expected \"1.2\" or \"1.3\"",
        ),
        (
            "[self_test]\nhost = \"a.com\"\nstrict = [{ host = \"b.com\", minimum = \"1.1\" }]\n",
            "self_test.strict[0].minimum: found \"1.1\", expected \"1.2\" or \"1.3\"",
        ),
        (
            "[[routes]]\nhost = \"a.com\"\nupstream = \"orders\"\n[self_test]\nhost = \"a.com\"\n",
            "t.toml:11:8 self_test.host: found \"a.com\", expected a name that only tests, but routes[0]",
        ),
        (
            "[[tls.hosts]]\nnames = [\"b.com\"]\n[self_test]\nhost = \"a.com\"\nstrict = [{ host = \"b.com\", minimum = \"1.3\" }]\n",
            "self_test.strict[0].host: found \"b.com\", expected a name that only tests, but tls.hosts[0]",
        ),
    ];
    for (piece, words) in cases {
        let said = problem(&format!("{GOOD}{piece}"));
        assert!(said.contains(words), "{said}\n{words}");
    }
    let config = with("[self_test]\nhost = \"A.com.\"\n").unwrap().self_test.unwrap();
    assert_eq!((config.host.as_str(), config.rate), ("a.com", 10));
}

#[test]
fn check_warns_where_no_certificate_has_the_name() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let section = "[self_test]\nhost = \"tls-check.example.com\"\n";
    let folder = Folder::new(&format!("{}{section}", proxy::base(nowhere)));
    let (code, out, err) = folder.check();
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("self_test.host: no certificate has the name tls-check.example.com"),
        "{out}"
    );
}

#[tokio::test]
async fn its_certificate_is_that_of_the_wildcard_that_has_the_name() {
    let upstream = upstream().await;
    let more = r#"
        [[tls.hosts]]
        names = ["*.example.com"]
        minimum = "1.3"
        certificates = [{ chain = "check.pem", key = "check.key" }]
        [self_test]
        host = "tls-check.example.com"
    "#;
    let text = format!("{}{more}", proxy::base(upstream.address));
    let proxy = Proxy::from_text_with(&text, &[("check", &["*.example.com"])]);
    assert!(!proxy.warnings().contains("no certificate"), "{}", proxy.warnings());
    let client = asks(TlsClient::http1().only(&TLS12), CHECK);
    let told = client.send(proxy.https, request(CHECK, "/", "application/json")).await.json();
    assert_eq!(told["negotiated"]["version"], "1.2");
}

#[tokio::test]
async fn it_tells_of_policies_that_only_count() {
    let policies = "[[policies]]\nname = \"next-year\"\nminimum = \"1.3\"\n";
    let proxy = start(&upstream().await, policies);
    let client = asks(TlsClient::http1().only(&TLS12), CHECK);
    let answer = client.send(proxy.https, request(CHECK, "/", "application/json")).await;
    let said = answer.text();
    let told = answer.json()["policies"].as_array().unwrap().iter().any(|policy| {
        policy["name"] == "next-year"
            && policy["verdict"] == "fail"
            && policy["reason"] == "version"
    });
    assert!(told, "{said}");
}

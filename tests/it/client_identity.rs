//! Whose a client certificate is, as upstreams, header rules, sessions and the log are told.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::Request;
use rustls::{HandshakeKind, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    cli,
    client_auth::{asking, each_version, folder, named, start, uri},
    support::{
        client::{TlsClient, empty, http1},
        pki::Pki,
        proxy::{self, Proxy},
        soon,
        upstream::Upstream,
    },
};

fn item(der: &[u8]) -> String {
    format!(":{}:", BASE64_STANDARD.encode(der))
}

/// With copies of our fields in each spelling.
fn forged() -> Request<crate::support::client::Body> {
    let request = Request::get("/")
        .header("Client-Cert", ":AA==:")
        .header("Client_Cert", ":AA==:")
        .header("client-cert_chain", ":AA==:")
        .header("CLIENT-CERT-CHAIN", ":AA==:");
    request.body(empty()).unwrap()
}

/// What an upstream is told under any name that could be taken for one of ours.
fn told(upstream: &Upstream) -> Vec<(String, String)> {
    let seen = upstream.last();
    let all = seen.headers.iter().filter(|(name, _)| name.as_str().starts_with("client"));
    all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn upstreams_are_told_the_certificate_and_never_a_clients_own_word() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let below = ca.intermediate("below");
    let issued = below.client("a", |_| {}).behind(&below);
    let auth = ", mode = \"optional\", forward_chain = true";
    let proxy = start(&upstream, &ca, auth, &[]);
    let [leaf, issuer] = issued.chain().try_into().unwrap();
    let expected =
        [("client-cert".to_owned(), item(&leaf)), ("client-cert-chain".to_owned(), item(&issuer))];
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let mut known = client.clone().showing(&issued).open(proxy.https).await;
        for _ in 0..2 {
            assert_eq!(known.send(forged()).await.status, 200);
            assert_eq!(told(&upstream), expected);
        }
        assert_eq!(client.send(proxy.https, forged()).await.status, 200);
        assert_eq!(told(&upstream), []);
    }
    let plain = start(&upstream, &ca, "", &[]);
    let known = TlsClient::http1().showing(&issued);
    assert_eq!(known.send(plain.https, forged()).await.status, 200);
    assert_eq!(told(&upstream), expected[..1], "no chain unless it is asked for");
}

#[tokio::test]
async fn without_client_auth_a_clients_own_word_goes_too() {
    let upstream = Upstream::text("ok").await;
    let text = proxy::base(upstream.address)
        .replace("workers = 2", "workers = 2\ntrusted_proxies = [\"127.0.0.1\"]")
        + "[plain_http]\naction = \"forward\"\n";
    for proxy in [Proxy::start(upstream.address), Proxy::from_text(&text, |_| {})] {
        for client in [TlsClient::http1(), TlsClient::http2()] {
            assert_eq!(client.send(proxy.https, forged()).await.status, 200);
            assert_eq!(told(&upstream), []);
        }
    }
    let proxy = Proxy::from_text(&text, |_| {});
    let stream = TcpStream::connect(proxy.http).await.unwrap();
    assert_eq!(http1(stream).await.send(forged()).await.status, 200);
    assert_eq!(told(&upstream), []);
}

#[tokio::test]
async fn header_rules_can_say_who_the_client_is() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let folder = folder(&[("clients.pem", ca.authority_pem().as_bytes())]);
    let rules = "[[routes]]\nupstream = \"api\"\nrequest_headers = { set = { \
        X-Dn = \"{client_cert_subject}\", X-San = \"{client_cert_san}\", \
        X-Print = \"sha256:{client_cert_fingerprint}\" } }\n";
    let auth = "ca = \"clients.pem\", mode = \"optional\"";
    let proxy = Proxy::in_folder(&(asking(upstream.address, auth) + rules), folder, |_| {});
    let issued = ca.client("a,\r\nb", named(vec![uri("spiffe://e.com/a")]));
    let forged = || {
        let request = Request::get("/").header("x-dn", "CN=root").header("x-san", "root");
        request.header("x-print", "root").body(empty()).unwrap()
    };
    TlsClient::http2().showing(&issued).send(proxy.https, forged()).await;
    let seen = upstream.last();
    assert_eq!(seen.all("x-dn"), [r"CN=a\,\0d\0ab"]);
    assert_eq!(seen.all("x-san"), ["spiffe://e.com/a"]);
    let print = seen.all("x-print")[0];
    assert!(print.len() == "sha256:".len() + 64, "{print}");
    TlsClient::http2().send(proxy.https, forged()).await;
    for name in ["x-dn", "x-san", "x-print"] {
        assert!(upstream.last().all(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_session_that_is_taken_up_is_still_the_clients() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let proxy = start(&upstream, &ca, "", &[]);
    let issued = ca.client("a", |_| {});
    let expected = [("client-cert".to_owned(), item(&issued.chain()[0]))];
    for (client, version) in each_version() {
        let config = Arc::new(client.showing(&issued).config());
        for expected_kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = TcpStream::connect(proxy.https).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::clone(&config));
            let mut stream = soon(connector.connect(name, stream)).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            let is = matches!(kind, HandshakeKind::Resumed);
            assert_eq!(is, expected_kind == HandshakeKind::Resumed, "{version:?}: {kind:?}");
            assert_eq!(told(&upstream), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_who_came_and_why_somebody_could_not() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let text = asking(upstream.address, "ca = \"clients.pem\"") + "[log]\naccess = true\n";
    let folder = cli::Folder::new(&text);
    std::fs::write(folder.dir.path().join("clients.pem"), ca.authority_pem()).unwrap();
    let mut running = cli::Running::start(&folder);
    let issued = ca.client("a\nb\u{e9}", named(vec![uri("spiffe://e.com/a")]));
    TlsClient::http1().showing(&issued).get(running.https, "/").await;
    let line = running.event("access");
    assert_eq!(line["client_cert_subject"], r"CN=a\0ab\c3\a9", "{line}");
    assert_eq!(line["client_cert_san"], "spiffe://e.com/a");
    assert_eq!(line["client_cert_fingerprint"].as_str().unwrap().len(), 64);
    drop(TlsClient::http1().connect(running.https).await);
    let line = running.event("client_certificate");
    for (key, value) in [("client", "127.0.0.1"), ("sni", "localhost"), ("reason", "missing")] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
}

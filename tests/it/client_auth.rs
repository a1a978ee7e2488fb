//! Client certificates: who is served, who is refused in which words, and what upstreams are told.

use std::{io, net::SocketAddr, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::Request;
use rcgen::{ExtendedKeyUsagePurpose, SanType, SerialNumber, date_time_ymd};
use rustls::{AlertDescription, HandshakeKind, SupportedProtocolVersion, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    certificates, cli,
    config::with,
    support::{
        client::{TlsClient, empty, http1},
        pki::{Issued, Pki},
        proxy::{self, Proxy},
        soon,
        upstream::Upstream,
    },
};

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A configuration whose `[tls]` has this `client_auth`.
fn asking(upstream: SocketAddr, auth: &str) -> String {
    proxy::base(upstream).replace("[tls]", &format!("[tls]\nclient_auth = {{ {auth} }}\n"))
}

/// A proxy that asks for certificates of `ca`, with more files beside its `clients.pem`.
fn start(upstream: &Upstream, ca: &Pki, auth: &str, files: &[(&str, &[u8])]) -> Proxy {
    let folder = folder(files);
    std::fs::write(folder.path().join("clients.pem"), ca.authority_pem()).unwrap();
    let text = asking(upstream.address, &format!("ca = \"clients.pem\"{auth}"));
    Proxy::in_folder(&text, folder, |_| {})
}

fn serial(number: u64) -> impl FnOnce(&mut rcgen::CertificateParams) {
    move |params| params.serial_number = Some(SerialNumber::from(number))
}

fn named(names: Vec<SanType>) -> impl FnOnce(&mut rcgen::CertificateParams) {
    |params| params.subject_alt_names = names
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// The alert that a client is refused with. With TLS 1.3 it is done before it is judged, and has
/// sent a request by then.
async fn alert(client: &TlsClient, proxy: &Proxy) -> AlertDescription {
    let failed = match client.connect(proxy.https).await {
        Err(error) => error,
        Ok(stream) => unanswered(stream).await,
    };
    match failed.downcast().unwrap() {
        rustls::Error::AlertReceived(alert) => alert,
        other => panic!("{other}"),
    }
}

async fn unanswered(mut stream: tokio_rustls::client::TlsStream<TcpStream>) -> io::Error {
    drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    soon(stream.read_to_end(&mut Vec::new())).await.unwrap_err()
}

fn each_version() -> impl Iterator<Item = (TlsClient, &'static SupportedProtocolVersion)> {
    rustls::ALL_VERSIONS.iter().map(|version| (TlsClient::http1().only(version), *version))
}

const FAILURES: &str = "tlsfloor_handshake_failures_total{reason=\"client_certificate\"}";

#[tokio::test]
async fn who_has_no_good_certificate_is_told_so_in_the_handshake() {
    let upstream = Upstream::text("ok").await;
    let (ca, other) = (Pki::called("clients"), Pki::called("others"));
    let proxy = start(&upstream, &ca, "", &[]);
    let good = ca.client("good", |_| {});
    let expired = ca.client("expired", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let server = ca.client("server", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let bad = [
        (other.client("good", |_| {}), AlertDescription::UnknownCA),
        (expired, AlertDescription::CertificateExpired),
        (server, AlertDescription::UnsupportedCertificate),
    ];
    let mut refused = 0.0;
    for (client, version) in each_version() {
        assert_eq!(client.clone().showing(&good).get(proxy.https, "/").await.status, 200);
        // A reset would lose one of them sooner or later.
        for _ in 0..5 {
            assert_eq!(alert(&client, &proxy).await, AlertDescription::CertificateRequired);
            refused += 1.0;
        }
        for (issued, expected) in &bad {
            let got = alert(&client.clone().showing(issued), &proxy).await;
            assert_eq!(got, *expected, "{version:?}");
            refused += 1.0;
        }
    }
    assert_eq!(proxy.metric(FAILURES).await, refused);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn optional_is_none_or_a_good_one() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let proxy = start(&upstream, &ca, ", mode = \"optional\"", &[]);
    for (client, _) in each_version() {
        assert_eq!(client.get(proxy.https, "/").await.status, 200);
        assert!(upstream.last().all("client-cert").is_empty());
        let good = ca.client("good", |_| {});
        assert_eq!(client.clone().showing(&good).get(proxy.https, "/").await.status, 200);
        assert_eq!(upstream.last().all("client-cert").len(), 1);
        let bad = Pki::called("others").client("bad", |_| {});
        assert_eq!(alert(&client.showing(&bad), &proxy).await, AlertDescription::UnknownCA);
    }
}

#[tokio::test]
async fn what_was_revoked_is_refused_and_so_is_what_no_list_is_about() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let below = ca.intermediate("below");
    let list = |issuer: &Pki, serials: &[u64]| {
        pem::encode(&pem::Pem::new("X509 CRL", issuer.revokes(serials, 2040)))
    };
    let lists = list(&ca, &[7]) + &list(&below, &[9]);
    let auth = ", crl = \"clients.crl\"";
    let proxy = start(&upstream, &ca, auth, &[("clients.crl", lists.as_bytes())]);
    let der = start(&upstream, &ca, auth, &[("clients.crl", &ca.revokes(&[7], 2040))]);
    let revoked = AlertDescription::CertificateRevoked;
    for (client, _) in each_version() {
        let shows = |issued: &Issued| client.clone().showing(issued);
        for proxy in [&proxy, &der] {
            assert_eq!(alert(&shows(&ca.client("a", serial(7))), proxy).await, revoked);
            let good = shows(&ca.client("a", serial(8)));
            assert_eq!(good.get(proxy.https, "/").await.status, 200);
        }
        let good = shows(&below.client("a", serial(8)).behind(&below));
        assert_eq!(good.get(proxy.https, "/").await.status, 200);
        assert_eq!(alert(&good, &der).await, AlertDescription::UnknownCA);
        let bad = shows(&below.client("a", serial(9)).behind(&below));
        assert_eq!(alert(&bad, &proxy).await, revoked);
    }
}

#[tokio::test]
async fn a_list_out_of_date_refuses_or_counts_on() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let list = ca.revokes(&[7], 2021);
    let files: &[(&str, &[u8])] = &[("clients.crl", &list)];
    let refuse = start(&upstream, &ca, ", crl = \"clients.crl\"", files);
    let warn = start(&upstream, &ca, ", crl = \"clients.crl\", stale_crl = \"warn\"", files);
    let (good, bad) = (ca.client("a", serial(8)), ca.client("a", serial(7)));
    for (client, _) in each_version() {
        let good = client.clone().showing(&good);
        assert_eq!(alert(&good, &refuse).await, AlertDescription::UnknownCA);
        assert_eq!(good.get(warn.https, "/").await.status, 200);
        let got = alert(&client.showing(&bad), &warn).await;
        assert_eq!(got, AlertDescription::CertificateRevoked);
    }
    let ends = "tlsfloor_certificate_expiry_timestamp_seconds{name=";
    let metrics = warn.metrics().await;
    let list = metrics.lines().find(|line| line.starts_with(ends) && line.contains("clients.crl"));
    assert!(list.unwrap().ends_with(" 1609459200"), "{metrics}");
}

#[tokio::test]
async fn only_allowed_names_are_served() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let names = ", names = [\"*.partner.example\", \"spiffe://e.com/prod/*\", \"a@e.com\"]";
    let proxy = start(&upstream, &ca, names, &[]);
    let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let good = [
        vec![dns("x.example"), dns("b.partner.example")],
        vec![uri("spiffe://e.com/prod/orders")],
        vec![email("a@E.com")],
    ];
    let bad = [
        vec![],
        vec![dns("partner.example"), dns("*.partner.example")],
        vec![dns("spiffe://e.com/prod/orders")],
        vec![uri("spiffe://e.com/prod/../dev"), uri("spiffe://e.com/production")],
        vec![email("b@e.com")],
    ];
    for (client, _) in each_version() {
        for names in good.clone() {
            let client = client.clone().showing(&ca.client("a", named(names)));
            assert_eq!(client.get(proxy.https, "/").await.status, 200);
        }
        for names in bad.clone() {
            let client = client.clone().showing(&ca.client("b.partner.example", named(names)));
            assert_eq!(alert(&client, &proxy).await, AlertDescription::AccessDenied);
        }
    }
}

#[tokio::test]
async fn a_host_that_asks_more_is_not_reached_over_another_ones_connection() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let issued = Pki::shared().issue(&["localhost", "strict.example", "other.example"]);
    let folder = folder(&[
        ("clients.pem", ca.authority_pem().as_bytes()),
        ("all.pem", issued.chain_pem().as_bytes()),
        ("all.key", issued.key_pem().as_bytes()),
    ]);
    let text = asking(upstream.address, "mode = \"required\", ca = \"clients.pem\"")
        .replace("chain.pem", "all.pem")
        .replace("key.pem", "all.key");
    let hosts = "[[tls.hosts]]\nnames = [\"localhost\"]\nclient_auth = { mode = \"none\" }\n\
        [[tls.hosts]]\nnames = [\"other.example\"]\n";
    let proxy = Proxy::in_folder(&(text + hosts), folder, |_| {});
    let lax = TlsClient::http1();
    let strict = TlsClient { name: "strict.example", ..lax.clone() };
    assert_eq!(alert(&strict, &proxy).await, AlertDescription::CertificateRequired);
    let strict = strict.showing(&ca.client("a", |_| {}));
    for (client, host, status) in [
        (&lax, "localhost", 200),
        (&lax, "strict.example", 421),
        (&lax, "other.example", 421),
        (&strict, "strict.example", 200),
        (&strict, "other.example", 200),
        (&strict, "localhost", 421),
    ] {
        let http2 = TlsClient { alpn: vec![b"h2".to_vec()], ..client.clone() };
        let request = Request::get("/").header("host", host).body(empty()).unwrap();
        assert_eq!(client.send(proxy.https, request).await.status, status, "{host}");
        let request = Request::get(format!("https://{host}/")).body(empty()).unwrap();
        assert_eq!(http2.send(proxy.https, request).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn who_came_before_a_host_was_strict_reaches_no_strict_host_after() {
    let upstream = Upstream::text("ok").await;
    let ca = Pki::called("clients");
    let issued = Pki::shared().issue(&["localhost", "strict.example"]);
    let lax =
        proxy::base(upstream.address).replace("chain.pem", "all.pem").replace("key.pem", "all.key");
    for strict in ["client_auth = { ca = \"clients.pem\" }", "minimum = \"1.3\""] {
        let host = |name| format!("[[tls.hosts]]\nnames = [\"{name}\"]\n{strict}\n");
        let first = format!("{lax}{}", host("strict.example"));
        let all_hosts = format!("{first}{}", host("localhost"));
        let all = lax.replace("[tls]", &format!("[tls]\n{strict}"));
        let proxy = Proxy::in_folder(
            &first,
            folder(&[
                ("clients.pem", ca.authority_pem().as_bytes()),
                ("all.pem", issued.chain_pem().as_bytes()),
                ("all.key", issued.key_pem().as_bytes()),
            ]),
            |_| {},
        );
        let mut client = TlsClient::http1().only(&rustls::version::TLS12).open(proxy.https).await;
        for text in [&first, &all_hosts, &all] {
            proxy.reload_as(text).await.unwrap();
            for (host, status) in [("localhost", 200), ("strict.example", 421)] {
                let request = Request::get("/").header("host", host).body(empty()).unwrap();
                assert_eq!(client.send(request).await.status, status, "{host} {strict}");
            }
        }
    }
}

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

#[test]
fn what_is_wrong_with_the_keys() {
    let ca = "ca = \"c.pem\"";
    let names = "expected a host (\"a.example.com\", \"*.example.com\"), a URI \
        (\"spiffe://example.com/a\", \"spiffe://example.com/prod/*\") or a mailbox \
        (\"a@example.com\")";
    let cases = [
        ("mode = \"required\"", "7:1 tls.client_auth.ca: found nothing, expected the PEM file of the authorities".to_owned()),
        ("ca = \"\"", "8:6 tls.client_auth.ca: found \"\", expected the name of a file".to_owned()),
        (
            &format!("mode = \"optinal\"\n{ca}"),
            "8:8 tls.client_auth.mode: found \"optinal\", expected \"optional\"?".to_owned(),
        ),
        (
            &format!("stale_crl = \"warn\"\n{ca}"),
            "8:13 tls.client_auth.stale_crl: found \"warn\", expected a crl beside it, which could be stale".to_owned(),
        ),
        (
            &format!("names = [\"*\"]\n{ca}"),
            format!("8:10 tls.client_auth.names[0]: found \"*\", {names}"),
        ),
    ];
    for (piece, said) in cases {
        let problems = with(&format!("[tls.client_auth]\n{piece}\n")).unwrap_err().to_string();
        assert_eq!(problems, format!("t.toml:{said}"));
    }
    assert!(with("[tls.client_auth]\nmode = \"none\"\n").unwrap().tls.client_auth.is_none());
    let inherits = "[tls.client_auth]\nca = \"c.pem\"\n[[tls.hosts]]\nnames = [\"a\"]\n\
        [[tls.hosts]]\nnames = [\"b\"]\nclient_auth = { mode = \"none\" }\n";
    let tls = with(inherits).unwrap().tls;
    assert_eq!(tls.hosts[0].client_auth, tls.client_auth);
    assert_eq!(tls.hosts[1].client_auth, None);
}

#[test]
fn what_is_wrong_with_the_files() {
    let (ca, other) = (Pki::called("clients"), Pki::called("others"));
    let server = Pki::shared().issue(&["localhost"]);
    let folder = certificates::Folder::new(server.chain_pem(), server.key_pem());
    folder.write("ca.pem", ca.authority_pem());
    folder.write("two.pem", ca.authority_pem() + &other.authority_pem());
    folder.write("none.crl", "x");
    folder.write("der.crl", [0x30, 0x03, 0x02, 0x01, 0x00]);
    folder.write("good.crl", ca.revokes(&[], 2040));
    folder.write("other.crl", other.revokes(&[], 2040));
    folder.write("old.crl", ca.revokes(&[], 2021));
    let build = |keys: &str| folder.build(&format!("[tls.client_auth]\n{keys}\n"));
    let wrong = [
        ("ca = \"gone.pem\"", "7:6 tls.client_auth.ca: gone.pem: the file cannot be read: "),
        (
            "ca = \"k.pem\"",
            "7:6 tls.client_auth.ca: k.pem: found a private key, expected certificates",
        ),
        (
            "ca = \"c.pem\"",
            "7:6 tls.client_auth.ca: c.pem: found no authority, expected the certificates that clients' are signed by",
        ),
        (
            "crl = \"gone.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: gone.crl: the file cannot be read: ",
        ),
        (
            "crl = \"none.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: none.crl: found no PEM block",
        ),
        (
            "crl = \"ca.pem\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: ca.pem: found no revocation list (X509 CRL, or DER)",
        ),
        (
            "crl = \"der.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: der.crl: list 1 in it cannot be understood: ",
        ),
    ];
    for (keys, said) in wrong {
        let problems = build(keys).unwrap_err();
        assert!(problems.starts_with(&format!("t.toml:{said}")), "{said}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    let doubtful = [
        ("good.crl\"", "ca.pem", vec![]),
        (
            "old.crl\"",
            "ca.pem",
            vec![
                "the list of CN=clients is out of date since Jan  1 00:00:00 2021 +00:00; clients with certificates from it are refused until it is renewed",
            ],
        ),
        (
            "old.crl\"\nstale_crl = \"warn\"",
            "ca.pem",
            vec![
                "the list of CN=clients is out of date since Jan  1 00:00:00 2021 +00:00; it counts on until it is renewed",
            ],
        ),
        (
            "other.crl\"",
            "ca.pem",
            vec![
                "the list is of CN=others, which is no authority in ca; it counts only for clients that send that one's certificate",
                "there is no list of CN=clients: clients with certificates from it are refused",
            ],
        ),
        (
            "good.crl\"",
            "two.pem",
            vec!["there is no list of CN=others: clients with certificates from it are refused"],
        ),
    ];
    for (crl, ca, said) in doubtful {
        let warnings = build(&format!("crl = \"{crl}\nca = \"{ca}\"")).unwrap();
        let texts = warnings.lines().filter_map(|line| line.splitn(3, ": ").nth(2));
        let warnings: Vec<_> = texts.collect();
        assert_eq!(warnings, said);
    }
}

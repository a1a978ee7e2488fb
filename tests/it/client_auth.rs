//! Client certificates: who is served, who is refused in which words, and what upstreams are told.

use std::{io, net::SocketAddr};

use hyper::Request;
use rcgen::{ExtendedKeyUsagePurpose, SanType, SerialNumber, date_time_ymd};
use rustls::{AlertDescription, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::{TlsClient, empty},
    pki::{Issued, Pki},
    proxy::{self, Proxy},
    soon,
    upstream::Upstream,
};

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A configuration whose `[tls]` has this `client_auth`.
pub(crate) fn asking(upstream: SocketAddr, auth: &str) -> String {
    proxy::base(upstream).replace("[tls]", &format!("[tls]\nclient_auth = {{ {auth} }}\n"))
}

/// A proxy that asks for certificates of `ca`, with more files beside its `clients.pem`.
pub(crate) fn start(upstream: &Upstream, ca: &Pki, auth: &str, files: &[(&str, &[u8])]) -> Proxy {
    let folder = folder(files);
    std::fs::write(folder.path().join("clients.pem"), ca.authority_pem()).unwrap();
    let text = asking(upstream.address, &format!("ca = \"clients.pem\"{auth}"));
    Proxy::in_folder(&text, folder, |_| {})
}

pub(crate) fn serial(number: u64) -> impl FnOnce(&mut rcgen::CertificateParams) {
    move |params| params.serial_number = Some(SerialNumber::from(number))
}

pub(crate) fn named(names: Vec<SanType>) -> impl FnOnce(&mut rcgen::CertificateParams) {
    |params| params.subject_alt_names = names
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// The alert that a client is refused with. With TLS 1.3 it is done before it is judged, and has
/// sent a request by then.
pub(crate) async fn alert(client: &TlsClient, proxy: &Proxy) -> AlertDescription {
    let failed = match client.connect(proxy.https).await {
        Err(error) => error,
        Ok(stream) => unanswered(stream).await,
    };
    match failed.downcast().unwrap() {
        rustls::Error::AlertReceived(alert) => alert,
        other => panic!("{other}"),
    }
}

pub(crate) async fn unanswered(
    mut stream: tokio_rustls::client::TlsStream<TcpStream>,
) -> io::Error {
    drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    soon(stream.read_to_end(&mut Vec::new())).await.unwrap_err()
}

pub(crate) fn each_version() -> impl Iterator<Item = (TlsClient, &'static SupportedProtocolVersion)>
{
    rustls::ALL_VERSIONS.iter().map(|version| (TlsClient::http1().only(version), *version))
}

pub(crate) const FAILURES: &str =
    "tlsfloor_handshake_failures_total{reason=\"client_certificate\"}";

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

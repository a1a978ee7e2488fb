//! The floor: who is served, who is refused, and the very bytes of the refusal.

use tlsfloor::config::CertificateSource;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::{TlsClient, raw},
    hellos::{self, Hello, families},
    pki::{Issued, Pki},
    proxy::{self, Proxy},
    soon,
    upstream::Upstream,
};

fn memory(name: &str, issued: &Issued) -> CertificateSource {
    let (chain, key) = (issued.chain_pem().to_owned(), issued.key_pem().to_owned());
    CertificateSource::Memory { name: name.to_owned(), chain, key }
}

fn with_certificates(certificates: Vec<CertificateSource>) -> Proxy {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    Proxy::with(nowhere, |config| config.tls.certificates = certificates)
}

/// What the first record of an answer is: `pass` for a ServerHello, else the alert's number.
async fn first_record(proxy: &Proxy, hello: &[u8]) -> Result<&'static str, [u8; 7]> {
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.write_all(hello).await.unwrap();
    let mut start = [0; 7];
    soon(stream.read_exact(&mut start)).await.unwrap();
    if start[0] == 0x16 { Ok("pass") } else { Err(start) }
}

fn tls10() -> Hello {
    Hello::new(0x0301, 0x0301, "002f 0035 000a").extensions("sni 0023")
}

fn number(reason: &str, fallback: bool) -> u8 {
    match reason {
        "version" if fallback => 86,
        "version" => 70,
        _ => 40,
    }
}

#[tokio::test]
async fn each_family_is_served_or_refused_in_its_own_words() {
    let names = ["api.example.com"];
    let rsa = with_certificates(vec![memory("rsa", &Pki::shared().issue_rsa(&names))]);
    let ecdsa = with_certificates(vec![memory("ecdsa", &Pki::shared().issue(&names))]);
    for family in families() {
        for (proxy, verdict) in [(&rsa, family.rsa.as_str()), (&ecdsa, family.ecdsa.as_str())] {
            if family.offered == "sslv2" {
                assert_eq!(raw(proxy.https, &family.bytes).await.unwrap(), b"", "{}", family.name);
                continue;
            }
            let got = first_record(proxy, &family.bytes).await;
            if verdict == "pass" {
                assert_eq!(got, Ok("pass"), "{}", family.name);
                continue;
            }
            let alert = number(verdict, family.name.contains("fell back"));
            let minor = match family.offered.as_str() {
                "ssl3" => 0,
                "1.0" => 1,
                "1.1" => 2,
                _ => 3,
            };
            assert_eq!(got, Err([0x15, 3, minor, 0, 2, 2, alert]), "{}", family.name);
        }
    }
    let text = ecdsa.metrics().await;
    for (offered, reason) in [
        ("ssl3", "version"),
        ("sslv2", "version"),
        ("1.1", "version"),
        ("1.2", "cipher"),
        ("1.2", "group"),
        ("1.2", "signature"),
    ] {
        let series = format!(
            "tlsfloor_client_hellos_total{{offered=\"{offered}\",verdict=\"fail\",reason=\"{reason}\",lane=\"refuse\"}}"
        );
        assert!(text.contains(&series), "{series} not in {text}");
    }
}

#[tokio::test]
async fn a_tls_1_0_hello_gets_exactly_these_bytes_and_then_the_end() {
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap());
    for _ in 0..20 {
        // More than the hello is sent; a reset would lose the alert.
        let mut bytes = tls10().bytes();
        bytes.extend([0x16; 5000]);
        let answer = raw(proxy.https, &bytes).await.unwrap();
        assert_eq!(answer, [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]);
    }
}

#[tokio::test]
async fn a_hello_that_comes_byte_by_byte_is_judged_all_the_same() {
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap());
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in Hello::new(0x0301, 0x0302, "002f").records(7) {
        stream.write_u8(byte).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, [0x15, 3, 2, 0, 2, 2, 70]);
}

#[tokio::test]
async fn a_hello_in_many_records_is_served() {
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap());
    for size in [20, 100, 1000] {
        let got = first_record(&proxy, &hellos::modern().records(size)).await;
        assert_eq!(got, Ok("pass"), "records of {size}");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_so() {
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap());
    let answer = raw(proxy.https, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
    let decode_error = [0x15, 3, 1, 0, 2, 2, 50];
    let huge = [0x16, 3, 1, 0x40, 0, 1, 0, 0x40, 1];
    for bytes in [&b"\0\0\0\0"[..], b"SSH-2.0-x\r\n", &[0x16, 3, 1, 0, 0], &huge] {
        assert_eq!(raw(proxy.https, bytes).await.unwrap(), decode_error, "{bytes:?}");
    }
    let series = "tlsfloor_client_hellos_total{offered=\"none\",verdict=\"fail\",reason=\"malformed\",lane=\"refuse\"}";
    assert_eq!(proxy.metric(series).await, 5.0);
}

#[tokio::test]
async fn both_versions_are_served_and_the_floor_is_per_name() {
    let upstream = Upstream::text("ok").await;
    let text = proxy::base(upstream.address)
        + "[[tls.hosts]]\nnames = [\"127.0.0.1\", \"localhost\"]\nminimum = \"1.3\"\n";
    let open = Proxy::start(upstream.address);
    let strict = Proxy::from_text(&text, |_| {});
    for version in rustls::ALL_VERSIONS {
        let client = TlsClient::http1().only(version);
        assert_eq!(client.get(open.https, "/").await.status, 200);
        let refused = client.connect(strict.https).await.err();
        match version.version {
            rustls::ProtocolVersion::TLSv1_3 => assert!(refused.is_none(), "{refused:?}"),
            _ => assert!(refused.unwrap().to_string().contains("ProtocolVersion")),
        }
    }
    let series = "tlsfloor_handshakes_total{version=\"1.3\",cipher=\"TLS_AES_128_GCM_SHA256\",group=\"X25519MLKEM768\",alpn=\"http/1.1\",resumed=\"false\"}";
    assert_eq!(open.metric(series).await, 1.0, "{}", open.metrics().await);
}

#[tokio::test]
async fn the_certificate_is_one_that_the_client_can_check() {
    let pki = Pki::shared();
    let names = ["localhost"];
    let proxy = with_certificates(vec![
        memory("rsa", &pki.issue_rsa(&names)),
        memory("ecdsa", &pki.issue(&names)),
    ]);
    for family in families() {
        let either = family.rsa == "pass" || family.ecdsa == "pass";
        let got = first_record(&proxy, &family.bytes_or_skip()).await;
        assert_eq!(got.is_ok(), either, "{}", family.name);
    }
    let stream = TlsClient::http1().connect(proxy.https).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap();
    assert!(suite.tls13().is_some());
}

#[tokio::test]
async fn who_can_verify_one_kind_of_signature_only_gets_that_kind() {
    let pki = Pki::shared();
    let names = ["localhost"];
    let (rsa, ecdsa) = (pki.issue_rsa(&names), pki.issue(&names));
    let proxy = with_certificates(vec![memory("rsa", &rsa), memory("ecdsa", &ecdsa)]);
    for version in rustls::ALL_VERSIONS {
        for (word, expected) in [("RSA", &rsa), ("ECDSA", &ecdsa), ("", &ecdsa)] {
            let client = TlsClient::http1().only(version);
            let stream = client.verifying(word).connect(proxy.https).await.unwrap();
            let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let expected = pem::parse(expected.chain_pem()).unwrap().into_contents();
            assert!(shown == expected, "{word} over {version:?}");
        }
    }
}

#[tokio::test]
async fn a_session_is_resumed_where_it_was_made_and_nowhere_else() {
    let pki = Pki::shared();
    let upstream = Upstream::text("ok").await;
    let other = memory("other", &pki.issue(&["other.example"]));
    let proxy = Proxy::with(upstream.address, |config| {
        let place = config.routes[0].place.clone();
        config.tls.hosts.push(tlsfloor::config::TlsHost {
            names: vec![tlsfloor::host::HostPattern::parse("other.example").unwrap()],
            minimum: config.tls.minimum,
            certificates: vec![other],
            client_auth: None,
            place,
        });
    });
    let client = TlsClient::http1();
    let config = std::sync::Arc::new(client.config());
    let connect = async |name: &'static str| {
        let stream = TcpStream::connect(proxy.https).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from(name).unwrap();
        let connector = tokio_rustls::TlsConnector::from(config.clone());
        let mut stream = soon(connector.connect(name, stream)).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap() == rustls::HandshakeKind::Resumed
    };
    assert!(!connect("localhost").await);
    assert!(connect("localhost").await);
    assert!(!connect("other.example").await);
    let text = proxy.metrics().await;
    let sum = |series: &str| {
        let of = |line: &&str| line.starts_with(series) && line.contains("resumed=\"true\"");
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        text.lines().filter(of).map(value).sum::<f64>()
    };
    assert_eq!(sum("tlsfloor_handshakes_total"), 1.0);
    assert_eq!(sum("tlsfloor_handshake_duration_seconds_count"), 1.0);
    assert!(sum("tlsfloor_handshake_duration_seconds_sum") > 0.0);
}

impl hellos::Family {
    /// Its bytes, or for a client that no alert reaches those of one that any does.
    fn bytes_or_skip(&self) -> Vec<u8> {
        if self.offered == "sslv2" { tls10().bytes() } else { self.bytes.clone() }
    }
}

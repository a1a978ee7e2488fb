//! Session tickets: who resumes what, where, and who must not.

use std::sync::Arc;

use rustls::{
    ClientConfig, HandshakeKind, NamedGroup,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
        Tls13ClientSessionValue,
    },
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    cli::{Folder, Running},
    support::{
        client::TlsClient,
        proxy::{self, Proxy},
        soon,
        upstream::Upstream,
    },
};

/// One store for all names: a client that shows a ticket wherever it can.
#[derive(Debug)]
struct Pushy(ClientSessionMemoryCache);

fn one_name() -> ServerName<'static> {
    ServerName::try_from("any.example").unwrap()
}

impl ClientSessionStore for Pushy {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&one_name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one_name())
    }
}

/// A client that remembers sessions.
struct Client(Arc<ClientConfig>);

impl Client {
    fn new(version: &'static rustls::SupportedProtocolVersion) -> Self {
        let mut config = TlsClient::http1().only(version).config();
        config.resumption = Resumption::store(Arc::new(Pushy(ClientSessionMemoryCache::new(32))));
        Self(Arc::new(config))
    }

    /// Whether a connection took up a session; it is used, so that a ticket comes.
    async fn resumes(&self, address: std::net::SocketAddr, name: &'static str) -> bool {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let connecting = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream);
        let mut stream = soon(connecting).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
        stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

fn secret(letter: &str) -> String {
    letter.repeat(64)
}

/// A proxy with these secrets, one a line, and more of its configuration.
fn with_secrets(upstream: &Upstream, secrets: &[&str], more: &str) -> Proxy {
    let folder = TempDir::new().unwrap();
    let lines: Vec<_> = secrets.iter().map(|letter| secret(letter)).collect();
    std::fs::write(folder.path().join("tickets.key"), lines.join("\n")).unwrap();
    let text = proxy::base(upstream.address)
        .replace("[tls]", "[tls]\nticket_secret = \"tickets.key\"")
        + more;
    Proxy::in_folder(&text, folder, |_| {})
}

async fn tickets(proxy: &Proxy, result: &str) -> f64 {
    proxy.metric(&format!("tlsfloor_tickets_total{{result=\"{result}\"}}")).await
}

#[tokio::test]
async fn replicas_with_one_secret_resume_each_others_sessions() {
    let upstream = Upstream::text("ok").await;
    let one = with_secrets(&upstream, &["a"], "");
    let other = with_secrets(&upstream, &["a"], "");
    for version in [&TLS12, &TLS13] {
        let client = Client::new(version);
        assert!(!client.resumes(one.https, "localhost").await);
        for address in [other.https, one.https, other.https] {
            assert!(client.resumes(address, "localhost").await, "{version:?}");
        }
    }
    assert_eq!((tickets(&one, "accepted").await, tickets(&other, "accepted").await), (2.0, 4.0));
    let resumed = other.metrics().await;
    assert!(resumed.contains("resumed=\"true\"} 2"), "{resumed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_one_secret_file_do_so_too() {
    let upstream = Upstream::text("ok").await;
    let config = proxy::base(upstream.address)
        .replace("[tls]", "[tls]\nticket_secret = \"t.key\"\nticket_lifetime = \"5m\"");
    let folder = Folder::new(&config);
    std::fs::write(folder.dir.path().join("t.key"), secret("a")).unwrap();
    let (one, other) = (Running::start(&folder), Running::start(&folder));
    for version in [&TLS12, &TLS13] {
        let client = Client::new(version);
        assert!(!client.resumes(one.https, "localhost").await);
        assert!(client.resumes(other.https, "localhost").await, "{version:?}");
        assert!(client.resumes(one.https, "localhost").await, "{version:?}");
    }
}

#[tokio::test]
async fn with_another_secret_or_none_there_is_a_full_handshake_and_no_error() {
    let upstream = Upstream::text("ok").await;
    let one = with_secrets(&upstream, &["a"], "");
    let wrong = with_secrets(&upstream, &["b"], "");
    let random = Proxy::start(upstream.address);
    for version in [&TLS12, &TLS13] {
        for other in [&wrong, &random] {
            let client = Client::new(version);
            assert!(!client.resumes(one.https, "localhost").await);
            assert!(!client.resumes(other.https, "localhost").await, "{version:?}");
            assert!(client.resumes(other.https, "localhost").await, "its own it does");
        }
    }
    for other in [&wrong, &random] {
        assert_eq!(tickets(other, "unknown_key").await, 2.0);
        assert_eq!(tickets(other, "accepted").await, 2.0);
    }
}

#[tokio::test]
async fn a_fleet_without_a_secret_is_warned() {
    let upstream = Upstream::text("hello").await;
    let fleet = "[fleet]\nreplicas = 3\n";
    let warning = "fleet.replicas: 3 of them without a tls.ticket_secret";
    let without = Proxy::from_text(&format!("{}{fleet}", proxy::base(upstream.address)), |_| {});
    assert!(without.warnings().lines().any(|line| line.starts_with(warning)));
    for good in [with_secrets(&upstream, &["a"], fleet), Proxy::start(upstream.address)] {
        assert!(!good.warnings().contains("fleet.replicas"), "{}", good.warnings());
    }
}

#[tokio::test]
async fn a_secret_is_replaced_with_overlap() {
    let upstream = Upstream::text("ok").await;
    let stages = [&["a"][..], &["a", "b"], &["b", "a"], &["b"]];
    let stages = stages.map(|secrets| with_secrets(&upstream, secrets, ""));
    let client = Client::new(&TLS13);
    assert!(!client.resumes(stages[0].https, "localhost").await);
    for stage in &stages[1..] {
        assert!(client.resumes(stage.https, "localhost").await);
    }
    assert!(!client.resumes(stages[0].https, "localhost").await, "nobody knows the old one");
}

const STRICT: &str = "[[tls.hosts]]\nnames = [\"localhost\"]\nminimum = \"1.3\"\n";

#[tokio::test]
async fn a_host_with_another_floor_never_takes_a_session_up() {
    let upstream = Upstream::text("ok").await;
    // The same name with another floor, as on a replica that has been reloaded already.
    let lax = with_secrets(&upstream, &["a"], "");
    let strict = with_secrets(&upstream, &["a"], STRICT);
    let client = Client::new(&TLS13);
    assert!(!client.resumes(lax.https, "localhost").await);
    assert!(!client.resumes(strict.https, "localhost").await);
    assert!(client.resumes(strict.https, "localhost").await);
    assert!(!client.resumes(lax.https, "localhost").await);
    assert_eq!(tickets(&strict, "unknown_key").await, 1.0);
    assert_eq!(tickets(&lax, "unknown_key").await, 1.0);
}

#[tokio::test]
async fn a_session_never_moves_to_another_name() {
    let upstream = Upstream::text("ok").await;
    let folder = TempDir::new().unwrap();
    let text = proxy::base(upstream.address).replace(
        "[{ chain = \"chain.pem\", key = \"key.pem\" }]",
        "[{ chain = \"both.pem\", key = \"both.key\" }]",
    );
    let issued = crate::support::pki::Pki::shared().issue(&["localhost", "other.example"]);
    std::fs::write(folder.path().join("both.pem"), issued.chain_pem()).unwrap();
    std::fs::write(folder.path().join("both.key"), issued.key_pem()).unwrap();
    let proxy = Proxy::in_folder(&text, folder, |_| {});
    for version in [&TLS12, &TLS13] {
        let client = Client::new(version);
        assert!(!client.resumes(proxy.https, "localhost").await);
        assert!(!client.resumes(proxy.https, "other.example").await, "{version:?}");
    }
    assert_eq!(tickets(&proxy, "accepted").await, 2.0, "both could be opened");
}

#[test]
fn what_is_wrong_with_secrets_and_lifetimes_is_said() {
    let config = proxy::base("127.0.0.1:1".parse().unwrap());
    let said = |tls: &str, content: &str| {
        let folder = Folder::new(&config.replace("[tls]", &format!("[tls]\n{tls}")));
        std::fs::write(folder.dir.path().join("t.key"), content).unwrap();
        let (code, _, error) = folder.check();
        assert_eq!(code, Some(1), "{error}");
        error
    };
    let file = "ticket_secret = \"t.key\"";
    let short = said(file, "short\n");
    assert!(short.contains("tls.ticket_secret: "), "{short}");
    assert!(short.contains("t.key:1: found a secret of 5 characters, expected at least 32"));
    assert!(short.contains("openssl rand -base64 48"));
    assert!(said(file, "").contains("found no secret"));
    assert!(said("ticket_secret = \"no.key\"", "").contains("cannot be read"));
    for lifetime in ["1m", "8d"] {
        let error = said(&format!("ticket_lifetime = \"{lifetime}\""), "");
        assert!(error.contains("tls.ticket_lifetime"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_the_log_says_so_once() {
    let upstream = Upstream::text("ok").await;
    let folder = Folder::new(&proxy::base(upstream.address));
    let mut running = Running::start(&folder);
    let line = running.event("config");
    assert_eq!(line["message"], "no tls.ticket_secret: sessions resume on this replica only");
    assert_eq!(line["level"], "INFO");
}

#[tokio::test]
async fn sessions_go_on_across_reloads_with_a_secret_and_without_and_when_it_is_replaced() {
    let upstream = Upstream::text("ok").await;
    let random = Proxy::start(upstream.address);
    let shared = with_secrets(&upstream, &["a"], "");
    for version in [&TLS12, &TLS13] {
        for proxy in [&random, &shared] {
            let client = Client::new(version);
            assert!(!client.resumes(proxy.https, "localhost").await);
            proxy.reload().await.unwrap();
            assert!(client.resumes(proxy.https, "localhost").await, "{version:?}");
        }
    }
    // One step, without the overlap in the file: who knew the old one goes on knowing it.
    let client = Client::new(&TLS13);
    assert!(!client.resumes(shared.https, "localhost").await);
    shared.write("tickets.key", &secret("b"));
    shared.reload().await.unwrap();
    assert!(client.resumes(shared.https, "localhost").await);
    let stricter = with_secrets(&upstream, &["b"], "");
    assert!(client.resumes(stricter.https, "localhost").await, "new tickets are the new secret's");
    // Another floor is another context.
    let text = std::fs::read_to_string(shared.folder().join("tlsfloor.toml")).unwrap();
    shared.reload_as(&text.replace("[tls]", "[tls]\nminimum = \"1.3\"")).await.unwrap();
    assert!(!client.resumes(shared.https, "localhost").await);
}

//! Clients that ask for no name, or for one that nobody here has.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    cli::{Folder, Running},
    support::{
        client::{TlsClient, raw},
        hellos::Hello,
        proxy::{self, Proxy},
        soon,
    },
};

fn with(keys: &str) -> String {
    let text = proxy::base("127.0.0.1:1".parse().unwrap());
    text.replace("[tls]", &format!("[tls]\n{keys}"))
}

/// A whole hello that asks for api.example.com.
fn stranger() -> Vec<u8> {
    let extensions = "sni points groups=001d signatures=0403 versions=0304,0303 shares=001d";
    Hello::new(0x0301, 0x0303, "1301 c02b").extensions(extensions).bytes()
}

/// What a client gets that asks for `name`, or for none.
async fn answer(proxy: &Proxy, name: Option<&'static str>) -> Result<(), String> {
    let mut config = TlsClient::http1().config();
    config.enable_sni = name.is_some();
    let stream = TcpStream::connect(proxy.https).await.unwrap();
    let name = ServerName::try_from(name.unwrap_or("localhost")).unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    match soon(connector.connect(name, stream)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_alert(answer: &Result<(), String>) -> bool {
    matches!(answer, Err(error) if error.contains("UnrecognisedName"))
}

fn is_certificate(answer: &Result<(), String>) -> bool {
    matches!(answer, Err(error) if error.contains("certificate"))
}

#[tokio::test]
async fn by_default_all_get_the_default_certificate() {
    let proxy = Proxy::from_text(&with(""), |_| {});
    assert_eq!(answer(&proxy, Some("localhost")).await, Ok(()));
    assert_eq!(answer(&proxy, None).await, Ok(()));
    let stranger = answer(&proxy, Some("stranger.example")).await;
    assert!(is_certificate(&stranger), "{stranger:?}");
}

#[tokio::test]
async fn each_kind_can_be_refused_by_itself() {
    let proxy = Proxy::from_text(&with("without_sni = \"refuse\""), |_| {});
    let bare = answer(&proxy, None).await;
    assert!(is_alert(&bare), "{bare:?}");
    assert_eq!(answer(&proxy, Some("localhost")).await, Ok(()));
    assert!(is_certificate(&answer(&proxy, Some("stranger.example")).await));

    let text = with("unknown_sni = \"refuse\"")
        + "[[tls.hosts]]\nnames = [\"*.pay.example\"]\n\
           certificates = [{ chain = \"pay.pem\", key = \"pay.key\" }]\n";
    let proxy = Proxy::from_text_with(&text, &[("pay", &["*.pay.example"])]);
    assert_eq!(answer(&proxy, None).await, Ok(()));
    assert_eq!(answer(&proxy, Some("localhost")).await, Ok(()), "a certificate has it");
    assert_eq!(answer(&proxy, Some("a.pay.example")).await, Ok(()), "a host has it");
    for stranger in ["stranger.example", "pay.example", "a.b.pay.example"] {
        let answer = answer(&proxy, Some(stranger)).await;
        assert!(is_alert(&answer), "{stranger}: {answer:?}");
    }
    let failures = "tlsfloor_handshake_failures_total{reason=\"unrecognized_name\"}";
    assert_eq!(proxy.metric(failures).await, 3.0);
    let hellos = "tlsfloor_client_hellos_total{offered=\"1.3\",verdict=\"pass\",reason=\"none\",lane=\"refuse\"}";
    assert_eq!(proxy.metric(hellos).await, 3.0);
}

#[tokio::test]
async fn the_alert_is_whole_and_comes_behind_the_floor() {
    let proxy = Proxy::from_text(&with("unknown_sni = \"refuse\""), |_| {});
    let refused = raw(proxy.https, &stranger()).await.unwrap();
    assert_eq!(refused, [0x15, 3, 3, 0, 2, 2, 112]);
    let old = Hello::new(0x0301, 0x0301, "002f").extensions("sni").bytes();
    assert_eq!(raw(proxy.https, &old).await.unwrap(), [0x15, 3, 1, 0, 2, 2, 70]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_name_is_logged_as_any_refusal() {
    let folder = Folder::new(&with("unknown_sni = \"refuse\""));
    let mut running = Running::start(&folder);
    raw(running.https, &stranger()).await.unwrap();
    let line = running.event("refused");
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("sni", "api.example.com"),
        ("offered", "1.3"),
        ("reason", "none"),
        ("detail", "unrecognized_name"),
        ("policy", "none"),
        ("lane", "refuse"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
}

#[test]
fn another_word_is_a_problem() {
    let file = std::path::Path::new("t.toml");
    let wrong = tlsfloor::config::parse(&with("unknown_sni = \"refused\""), file).unwrap_err();
    assert!(wrong.to_string().contains("tls.unknown_sni: found \"refused\", expected \"refuse\"?"));
}

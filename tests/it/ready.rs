//! `tlsfloor ready`: what a container's health check asks, and the hash by which replicas that
//! serve the same are told from those that do not.

use std::{net::TcpListener, time::Duration};

use crate::{
    cli::{Folder, Running, output},
    support::{
        client::plain_get,
        eventually,
        proxy::{Proxy, base},
        upstream::Upstream,
    },
};

fn ready(admin: &str) -> (Option<i32>, String, String) {
    output(&["ready", "--admin", admin])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_ready_until_it_drains() {
    let upstream = Upstream::text("ok").await;
    let config = base(upstream.address).replace("delay = \"0s\"", "delay = \"1h\"");
    let running = Running::start(&Folder::new(&config));
    let admin = format!("http://{}", running.admin);
    // Names are looked up before it is.
    eventually(|| async {
        (plain_get(running.admin, "/readyz").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(ready(&admin), (Some(0), "ready\n".to_owned(), String::new()));
    running.signal("TERM");
    eventually(|| async {
        (plain_get(running.admin, "/readyz").await.status == 503).then_some(())
    })
    .await;
    let (code, out, err) = ready(&admin);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let said = format!("tlsfloor: {}: not ready: /readyz says 503", running.admin);
    assert!(err.starts_with(&said), "{err}");
}

#[test]
fn nobody_there_is_1_and_says_why_in_one_line() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", socket.local_addr().unwrap());
    let (code, _, err) = ready(&admin);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("nobody answers within 900ms"), "{err}");
    drop(socket);
    let (code, _, err) = ready(&admin);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("nobody listens there: Connection refused"), "{err}");
    assert_eq!(err.trim().lines().count(), 1, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_admin_port_is_not_ready() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    // A TLS port answers a request in clear with 400.
    let (code, _, err) = ready(&format!("http://{}", proxy.https));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("400 Bad Request"), "{err}");
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    for admin in ["127.0.0.1:9901", "https://127.0.0.1:9901", "http://127.0.0.1:9901/readyz"] {
        let (code, _, err) = ready(admin);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("http://HOST:PORT"), "{err}");
    }
}

#[tokio::test]
async fn replicas_with_the_same_in_force_have_the_same_hash() {
    let upstream = Upstream::text("ok").await;
    let (one, text) = (Proxy::start(upstream.address), base(upstream.address));
    let hash = async |proxy: &Proxy| proxy.metric("tlsfloor_config_hash").await;
    let first = one.reload_as(&text).await.unwrap();
    let config = plain_get(one.admin, "/config").await.json();
    assert_eq!(config["hash"], first.hash.to_string());
    #[expect(clippy::cast_precision_loss, reason = "48 bits fit")]
    let number = first.hash.number() as f64;
    assert_eq!(hash(&one).await, number);
    let changed = one.reload_as(&format!("{text}[reload]\npoll = \"60s\"\n")).await.unwrap();
    assert_ne!(changed.hash, first.hash);
    one.reload_as(&format!("{text}[relaod]\n")).await.unwrap_err();
    assert_ne!(hash(&one).await, number, "a failed reload changes nothing");
    let back = one.reload_as(&text).await.unwrap();
    assert_eq!((back.hash, back.generation), (first.hash, 4), "generations count, hashes do not");
    let chain = std::fs::read_to_string(one.folder().join("chain.pem")).unwrap();
    one.write("chain.pem", &format!("{chain}\n"));
    assert_ne!(one.reload().await.unwrap().hash, first.hash, "every file counts");
    tokio::time::timeout(Duration::from_secs(10), one.drain()).await.unwrap();
}

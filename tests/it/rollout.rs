//! A rollout from outside: who reaches today's terminator untouched, and who gets an alert.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    cli::{Folder, Running, output},
    support::{
        client::{TlsClient, plain_get, raw},
        eventually,
        hellos::{Hello, families},
        legacy::{GREETING, Legacy},
        proxy::{self, Proxy},
        soon,
        upstream::Upstream,
    },
};

const ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];

fn old() -> Vec<u8> {
    Hello::new(0x0301, 0x0301, "002f 0035 000a").extensions("sni 0023").bytes()
}

/// A time so many hours from now, as TOML writes it.
fn hours(from_now: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let second = i64::try_from(now.as_secs()).unwrap() + from_now * 3600;
    Timestamp::from_second(second).unwrap().to_string()
}

/// A brownout of everybody that has begun and goes on.
fn brownout() -> String {
    format!("brownouts = [{{ from = {}, until = {} }}]\n", hours(-1), hours(1))
}

fn text(legacy: SocketAddr, keys: &str) -> String {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    proxy::base(nowhere) + &format!("[rollout]\nlegacy = \"{legacy}\"\n{keys}")
}

fn proxy(legacy: SocketAddr, keys: &str) -> Proxy {
    Proxy::from_text(&text(legacy, keys), |_| {})
}

/// What comes back for a hello, to the end.
async fn answer(proxy: &Proxy, hello: &[u8]) -> Vec<u8> {
    raw(proxy.https, hello).await.unwrap()
}

/// Sends a hello and ends: what the terminator says, and what it got.
async fn through(proxy: &Proxy, legacy: &mut Legacy, hello: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.write_all(hello).await.unwrap();
    let mut greeting = vec![0; GREETING.len()];
    soon(stream.read_exact(&mut greeting)).await.unwrap();
    stream.write_all(b"and more").await.unwrap();
    stream.shutdown().await.unwrap();
    soon(stream.read_to_end(&mut greeting)).await.unwrap();
    (greeting, legacy.took().await)
}

#[tokio::test]
async fn observing_gives_every_failing_hello_untouched_to_the_old_terminator() {
    let mut legacy = Legacy::start().await;
    let proxy = proxy(legacy.address, "");
    let failing: Vec<_> = families().into_iter().filter(|family| family.ecdsa != "pass").collect();
    assert!(failing.len() > 10);
    for family in &failing {
        let (said, took) = through(&proxy, &mut legacy, &family.bytes).await;
        assert_eq!(
            said,
            [GREETING, b"bye"].concat(),
            "{}: its half-close was passed on",
            family.name
        );
        assert_eq!(took, [&family.bytes[..], b"and more"].concat(), "{}", family.name);
    }
    let series = "tlsfloor_client_hellos_total{offered=\"1.0\",verdict=\"fail\",reason=\"version\",lane=\"legacy\"}";
    assert!(proxy.metric(series).await > 0.0);
    let done = failing.len() as f64;
    let counted = async || {
        let now = proxy.metric("tlsfloor_legacy_connections_total{outcome=\"done\"}").await;
        (now == done).then_some(())
    };
    eventually(counted).await;
    assert_eq!(proxy.metric("tlsfloor_rollout_percent").await, 0.0);
    assert_eq!(proxy.metric("tlsfloor_rollout_stage{stage=\"observe\"}").await, 1.0);
}

#[tokio::test]
async fn who_holds_the_floor_never_gets_near_the_old_terminator() {
    let upstream = Upstream::text("new").await;
    let text = proxy::base(upstream.address)
        + &format!("[rollout]\nlegacy = \"127.0.0.1:1\"\ncut = {}\n", hours(-1));
    let proxy = Proxy::from_text(&text, |_| {});
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.text(), "new");
    assert_eq!(answer(&proxy, b"GET / HTTP/1.1\r\n\r\n").await[..12], *b"HTTP/1.1 400");
}

#[tokio::test]
async fn a_brownout_is_an_alert_and_an_exemption_spares() {
    let mut legacy = Legacy::start().await;
    let refusing = proxy(legacy.address, &brownout());
    assert_eq!(answer(&refusing, &old()).await, ALERT);
    assert_eq!(refusing.metric("tlsfloor_rollout_stage{stage=\"brownout\"}").await, 1.0);
    let exemption = |what: &str| {
        let (keys, end) = (brownout(), hours(24));
        format!(
            "{keys}[[rollout.exemptions]]\n{what}\nowner = \"acme\"\nreason = \"r\"\nexpires = {end}\n"
        )
    };
    for what in [
        "clients = [\"127.0.0.0/8\"]",
        "sni = [\"*.example.com\"]",
        "ja4 = [\"t10d030200_75bd4ca8ce22_000000000000\"]\nclients = [\"127.0.0.1\"]",
    ] {
        let sparing = proxy(legacy.address, &exemption(what));
        if what.contains("ja4") {
            assert_eq!(answer(&sparing, &old()).await, ALERT, "another fingerprint");
            continue;
        }
        let (said, _) = through(&sparing, &mut legacy, &old()).await;
        assert!(said.starts_with(GREETING), "{what}");
        let text = sparing.metrics().await;
        assert!(text.contains("tlsfloor_exemption_uses_total{exemption=\"acme "), "{text}");
    }
}

#[tokio::test]
async fn before_a_brownout_and_after_it_all_is_as_today() {
    let mut legacy = Legacy::start().await;
    let keys = format!(
        "cut = {}\nbrownouts = [{{ from = {}, lasts = \"1h\" }}, {{ from = {}, lasts = \"1h\" }}]\n",
        hours(48),
        hours(-2),
        hours(2)
    );
    let proxy = proxy(legacy.address, &keys);
    let (said, _) = through(&proxy, &mut legacy, &old()).await;
    assert!(said.starts_with(GREETING));
}

#[tokio::test]
async fn the_cut_is_an_alert_and_a_pause_takes_it_back_for_a_while() {
    let mut legacy = Legacy::start().await;
    let proxy = proxy(legacy.address, &format!("cut = {}\n", hours(-1)));
    assert_eq!(answer(&proxy, &old()).await, ALERT);
    assert_eq!(proxy.metric("tlsfloor_rollout_percent").await, 100.0);
    let order = br#"{"by": "ann", "why": "payments are down", "for": "1h"}"#;
    proxy.rollouts().pause(order, Timestamp::now()).unwrap();
    let (said, _) = through(&proxy, &mut legacy, &old()).await;
    assert!(said.starts_with(GREETING));
    let order = br#"{"by": "ann", "why": "they are back"}"#;
    proxy.rollouts().resume(order, Timestamp::now()).unwrap();
    assert_eq!(answer(&proxy, &old()).await, ALERT);
}

#[tokio::test]
async fn a_fuse_that_blows_lets_everybody_through_until_it_is_rearmed() {
    let mut legacy = Legacy::start().await;
    let keys = format!("{}fuse = {{ refused = 2, within = \"1h\" }}\n", brownout());
    let text = text(legacy.address, &keys)
        .replace("workers = 2", "workers = 2\n        proxy_protocol_from = [\"127.0.0.1\"]");
    let proxy = Proxy::from_text(&text, |_| {});
    let from = |client: &str| {
        let header = format!("PROXY TCP4 {client} 10.0.0.1 4711 443\r\n");
        [header.as_bytes(), &old()].concat()
    };
    for client in ["203.0.113.1", "203.0.113.1", "203.0.113.2"] {
        assert_eq!(answer(&proxy, &from(client)).await, ALERT, "{client}");
    }
    for client in ["203.0.113.3", "203.0.113.1"] {
        let (said, took) = through(&proxy, &mut legacy, &from(client)).await;
        assert!(said.starts_with(GREETING), "{client}");
        assert!(took.starts_with(&old()), "the PROXY header was for us");
    }
    let blown = async || (proxy.metric("tlsfloor_rollout_fuse_blown").await == 1.0).then_some(());
    eventually(blown).await;
    assert_eq!(proxy.metric("tlsfloor_rollout_percent").await, 0.0);
    proxy.rollouts().rearm(br#"{"by": "ann", "why": "ours"}"#).unwrap();
    assert_eq!(answer(&proxy, &from("203.0.113.1")).await, ALERT);
}

#[tokio::test]
async fn without_an_old_terminator_that_answers_the_client_gets_an_alert() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let proxy = proxy(address, "");
    assert_eq!(answer(&proxy, &old()).await, [0x15, 3, 1, 0, 2, 2, 80]);
    let failed = "tlsfloor_legacy_connections_total{outcome=\"connect_failed\"}";
    let counted = async || (proxy.metric(failed).await == 1.0).then_some(());
    eventually(counted).await;
}

#[tokio::test]
async fn of_several_old_terminators_one_that_answers_takes_the_client() {
    let mut legacy = Legacy::start().await;
    let text = text(legacy.address, "");
    let both = format!("legacy = [\"127.0.0.1:1\", \"localhost:{}\"]", legacy.address.port());
    let text = text.replace(&format!("legacy = \"{}\"", legacy.address), &both);
    let proxy = Proxy::from_text(&text, |_| {});
    let (said, took) = through(&proxy, &mut legacy, &old()).await;
    assert!(said.starts_with(GREETING));
    assert!(took.starts_with(&old()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_decided_it_and_a_stage_is_an_event() {
    let legacy = Legacy::start().await;
    let folder = Folder::new(&text(legacy.address, &brownout()));
    let mut running = Running::start(&folder);
    let stage = running.event("stage");
    for (key, value) in [
        ("rollout", "rollout"),
        ("from", "observe"),
        ("to", "brownout"),
        ("stage", "brownout"),
        ("step", "rollout.brownouts[0]"),
        ("by", "schedule"),
    ] {
        assert_eq!(stage[key], value, "{key} in {stage}");
    }
    assert_eq!(stage["percent"], 100);
    assert_eq!(raw(running.https, &old()).await.unwrap(), ALERT);
    let refused = running.event("refused");
    assert_eq!((&refused["lane"], &refused["why"]), (&"refuse".into(), &"brownout".into()));
}

#[tokio::test]
async fn plain_http_is_forwarded_then_refused_in_words_then_redirected() {
    let upstream = Upstream::text("in clear").await;
    let start = |keys: &str| {
        let text = proxy::base(upstream.address)
            + "[plain_http]\nnotice = \"https://api.example.com/plain\"\nexempt_paths = [\"/acme/\"]\n\
               [plain_http.rollout]\nsalt = \"s\"\n"
            + keys;
        Proxy::from_text(&text, |_| {})
    };
    let observing = start(&format!("cut = {}\n", hours(48)));
    let answer = plain_get(observing.http, "/a").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "in clear"));
    assert!(answer.headers.contains_key("sunset"), "{:?}", answer.headers);

    let end = hours(1);
    let keys = format!("cut = {}\n{}", hours(48), brownout());
    let rehearsing = start(&keys);
    let answer = plain_get(rehearsing.http, "/a").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert!(answer.headers["link"].to_str().unwrap().contains("https://api.example.com/plain"));
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:tlsfloor:problem:plain-http-brownout", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    for word in ["switched off for a while, until 2", "ends for all at 2", "https://", &end[..14]] {
        assert!(detail.contains(word), "{word} in {detail}");
    }
    assert_eq!(plain_get(rehearsing.http, "/acme/x").await.status, 200, "an exempt path");

    let ramp = start(&format!("ramp = [{{ at = {}, percent = 100 }}]\n", hours(-1)));
    let answer = plain_get(ramp.http, "/a").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["type"], "urn:tlsfloor:problem:https-required");
    assert!(answer.json()["detail"].as_str().unwrap().contains("you among them"));

    let cut = start(&format!("cut = {}\n", hours(-1)));
    let answer = plain_get(cut.http, "/a").await;
    assert_eq!(answer.status, 301);
    assert!(answer.headers["location"].to_str().unwrap().starts_with("https://"));
    let refusing = start(&format!("to = \"refuse\"\ncut = {}\n", hours(-1)));
    assert_eq!(plain_get(refusing.http, "/a").await.status, 403);
}

#[tokio::test]
async fn plain_http_decides_per_request_on_a_kept_connection() {
    let upstream = Upstream::text("in clear").await;
    let text =
        proxy::base(upstream.address) + &format!("[plain_http.rollout]\ncut = {}\n", hours(-1));
    let proxy = Proxy::from_text(&text, |_| {});
    let mut stream = TcpStream::connect(proxy.http).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut ask = async || {
        stream.write_all(request).await.unwrap();
        let mut head = [0; 12];
        soon(stream.read_exact(&mut head)).await.unwrap();
        // The rest of a small answer comes with its head.
        let mut rest = vec![0; 4096];
        let read = soon(stream.read(&mut rest)).await.unwrap();
        assert!(read > 0);
        String::from_utf8(head.to_vec()).unwrap()
    };
    assert_eq!(ask().await, "HTTP/1.1 301");
    let order = br#"{"by": "ann", "why": "w", "for": "1h"}"#;
    proxy.rollouts().pause(order, Timestamp::now()).unwrap();
    assert_eq!(ask().await, "HTTP/1.1 200");
}

#[test]
fn check_prints_the_calendar_and_what_may_surprise() {
    let keys = "cut = 2127-03-01T10:00:00+01:00\nbrownouts = [{ from = 2127-01-12T10:00:00Z, lasts = \"1h\" }]\n\
                ramp = [{ at = 2127-02-01T00:00:00Z, percent = 5 }]\n";
    let folder = Folder::new(&text(SocketAddr::from(([10, 0, 0, 9], 443)), keys));
    let path = folder.dir.path().join("tlsfloor.toml");
    let (code, out, err) = output(&["check", "-c", path.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for line in [
        "rollout: whoever is spared goes to 10.0.0.9:443",
        "rollout: it has to expect a PROXY header, version 2 (nginx from 1.23.3 on, before that \"v1\" is needed: `listen 443 ssl proxy_protocol;`, HAProxy: `bind :443 ssl accept-proxy`), unless rollout.proxy_protocol is \"none\"",
        "  2127-01-12T10:00:00Z  brownout  100 %  rollout.brownouts[0]",
        "  2127-01-12T11:00:00Z  observe     0 %",
        "  2127-02-01T00:00:00Z  ramp        5 %  rollout.ramp[0]",
        "  2127-03-01T09:00:00Z  cut       100 %  rollout.cut",
    ] {
        assert!(out.lines().any(|one| one == line), "{line}\nnot in\n{out}");
    }
    assert!(out.contains("warning: ") && out.contains("has shares and no salt"), "{out}");
}

#[tokio::test]
async fn a_drain_ends_what_is_in_the_legacy_lane_after_its_grace() {
    let legacy = Legacy::start().await;
    let proxy = Proxy::from_text(&text(legacy.address, ""), |config| {
        config.drain.grace = Duration::from_millis(100);
    });
    let mut stream = TcpStream::connect(proxy.https).await.unwrap();
    stream.write_all(&old()).await.unwrap();
    let mut greeting = vec![0; GREETING.len()];
    soon(stream.read_exact(&mut greeting)).await.unwrap();
    let drained = soon(proxy.drain()).await;
    assert_eq!((drained.ended, drained.cut), (0, 1));
}

#[tokio::test]
async fn a_reload_that_takes_a_cut_back_has_to_say_so() {
    let upstream = Upstream::text("ok").await;
    let with = |keys: &str| {
        format!("{}[rollout]\nlegacy = \"127.0.0.1:1\"\n{keys}\n", proxy::base(upstream.address))
    };
    let proxy = Proxy::from_text(&with("cut = 2020-01-01T00:00:00Z"), |_| {});
    for loose in ["cut = 2090-01-01T00:00:00Z", ""] {
        let error = proxy.reload_as(&with(loose)).await.unwrap_err();
        let said = error.problems().join("\n");
        assert!(said.contains("rollout.cut: takes back a cut that is in force"), "{said}");
    }
    proxy.reload_as(&with("cut = 2021-01-01T00:00:00Z")).await.unwrap();
    let meant = "cut = 2090-01-01T00:00:00Z\nallow_loosening = true";
    proxy.reload_as(&with(meant)).await.unwrap();
}

//! The census and what-if policies from outside: what is counted, told at the end, and said to who
//! is served still.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    cli::{Folder, Running, tlsfloor},
    support::{
        client::{TlsClient, plain_get, raw},
        hellos::{Hello, families},
        legacy::{GREETING, Legacy},
        proxy::{self, Proxy},
        soon,
        upstream::Upstream,
    },
};

/// What `tlsfloor report` makes of a log.
fn report(log: &str, policy: &str) -> Value {
    let mut command = tlsfloor(&["report", "--format", "json", "--policy", policy]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The counts of a list by name.
fn counts(list: &Value) -> BTreeMap<String, u64> {
    let all = list.as_array().unwrap().iter();
    let all = all.map(|one| {
        (one["name"].as_str().unwrap().to_owned(), one["connections"].as_u64().unwrap())
    });
    all.filter(|(_, count)| *count > 0).collect()
}

const POLICIES: &str = r#"
    [[policies]]
    name = "tls13"
    minimum = "1.3"
    sunset = 2090-01-01T00:00:00Z
    deprecation = 2026-11-01T00:00:00Z
    notice = "https://api.example.com/tls13"
    [[policies]]
    name = "silent"
    ban_suites = ["TLS_AES_256_GCM_SHA384"]
"#;

/// One connection to the legacy lane, to its end.
async fn through(running: &Running, hello: &[u8]) {
    let mut stream = TcpStream::connect(running.https).await.unwrap();
    stream.write_all(hello).await.unwrap();
    let mut greeting = vec![0; GREETING.len()];
    soon(stream.read_exact(&mut greeting)).await.unwrap();
    stream.shutdown().await.unwrap();
    soon(stream.read_to_end(&mut greeting)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_totals_equal_the_connections_made() {
    let upstream = Upstream::text("hello").await;
    let legacy = Legacy::start().await;
    let rollout = format!(
        "{POLICIES}[rollout]\nlegacy = \"{}\"\n[[rollout.exemptions]]\nsni = [\"never.example\"]\n\
         owner = \"acme\"\nreason = \"r\"\nexpires = 2090-01-01T00:00:00Z\n",
        legacy.address
    );
    let folder = Folder::new(&(proxy::base(upstream.address) + &rollout));
    let mut running = Running::start(&folder);
    let mut reasons = BTreeMap::<String, u64>::new();
    let failing: Vec<_> = families().into_iter().filter(|family| family.ecdsa != "pass").collect();
    for (index, family) in failing.iter().enumerate() {
        for _ in 0..=index % 3 {
            through(&running, &family.bytes).await;
            *reasons.entry(family.ecdsa.clone()).or_default() += 1;
        }
    }
    let legacy: u64 = reasons.values().sum();
    for _ in 0..4 {
        raw(running.https, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    reasons.insert("malformed".to_owned(), 4);
    for _ in 0..3 {
        assert_eq!(TlsClient::http1().get(running.https, "/").await.status, 200);
    }
    let old = TlsClient::http2().only(&rustls::version::TLS12);
    for _ in 0..2 {
        assert_eq!(old.get(running.https, "/").await.status, 200);
    }
    // A handshake that is begun and left.
    let begun = Hello::new(0x0301, 0x0303, "c02b")
        .extensions("sni=localhost points groups=0017 signatures=0403");
    raw(running.https, &begun.bytes()).await.unwrap();
    running.signal("TERM");
    let mut log: String = running.early.iter().map(|line| format!("{line}\n")).collect();
    running.lines.read_to_string(&mut log).unwrap();

    let told = report(&log, "floor");
    assert_eq!(told["connections"], legacy + 4 + 3 + 2 + 1, "{told}");
    assert_eq!((&told["below"], &told["failed"]), (&(legacy + 4).into(), &(legacy + 4).into()));
    assert_eq!(counts(&told["reasons"]), reasons);
    let lanes = [("legacy".to_owned(), legacy), ("refuse".to_owned(), 4)].into();
    assert_eq!(counts(&told["lanes"]), lanes);
    assert_eq!(told["exemptions"][0]["uses"], 0, "an exemption that nobody needs is listed");
    let rows = log.lines().filter(|line| line.contains("\"event\":\"census\""));
    let seen: Vec<Value> = rows.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(seen.iter().all(|row| row["client"] == "127.0.0.1"), "{seen:?}");

    let tls13 = report(&log, "tls13");
    // Everybody with a hello who fails the floor fails what is stricter, and three more are served.
    assert_eq!(tls13["below"], legacy + 3, "{tls13}");
    assert_eq!(counts(&tls13["lanes"])["serve"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_a_policy_with_a_sunset_is_told_and_nobody_else() {
    let upstream = Upstream::text("hello").await;
    let text = proxy::base(upstream.address) + POLICIES;
    let proxy = Proxy::from_text(&text, |_| {});
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let old = client.clone().only(&rustls::version::TLS12);
        let mut open = old.open(proxy.https).await;
        for _ in 0..2 {
            let answer = open.get("/").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.field("deprecation"), "@1793491200");
            assert_eq!(answer.field("sunset"), "Sun, 01 Jan 2090 00:00:00 GMT");
            let link = answer.field("link");
            assert!(
                link.contains("<https://api.example.com/tls13>; rel=\"deprecation\""),
                "{link}"
            );
            assert!(link.contains("rel=\"sunset\""), "{link}");
        }
        let good = client.get(proxy.https, "/").await;
        for field in ["deprecation", "sunset", "link"] {
            assert_eq!(good.field(field), "", "{field}");
        }
    }
    let series = "tlsfloor_whatif_failures_total{policy=\"tls13\",reason=\"version\"}";
    assert!((proxy.metric(series).await - 2.0).abs() < 0.1, "once a connection");

    // Policies follow reloads, for connections that come after.
    let without = text.replace("name = \"tls13\"", "name = \"later\"");
    proxy.reload_as(&without.replace("sunset = 2090", "sunset = 2091")).await.unwrap();
    let old = TlsClient::http1().only(&rustls::version::TLS12);
    assert!(old.get(proxy.https, "/").await.field("sunset").contains("2091"));
    let series = "tlsfloor_whatif_failures_total{policy=\"later\",reason=\"version\"}";
    assert!((proxy.metric(series).await - 1.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_census_is_shown_live_with_filters() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::from_text(&(proxy::base(upstream.address) + POLICIES), |_| {});
    let old = Hello::new(0x0301, 0x0301, "002f").extension("sni=api.example.com").bytes();
    for _ in 0..3 {
        raw(proxy.https, &old).await.unwrap();
    }
    let page = plain_get(proxy.admin, "/census?policy=floor&client=127.0.0.0%2F8&limit=5").await;
    assert_eq!(page.status, 200);
    let page = page.json();
    let [row] = &page["clients"].as_array().unwrap()[..] else { panic!("{page}") };
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("sni", "api.example.com"),
        ("offered_max", "1.0"),
        ("policy", "floor"),
        ("reason", "version"),
        ("lane", "refuse"),
    ] {
        assert_eq!(row[key], value, "{key} in {row}");
    }
    assert_eq!((&row["count"], &row["error"]), (&3.into(), &0.into()));
    assert_eq!(row["ports"].as_array().unwrap().len(), 3);
    assert!(row["phrase"].as_str().unwrap().starts_with("looks like"), "{row}");
    assert_eq!(page["matched"]["count"], 3);
    assert!((proxy.metric("tlsfloor_census_rows").await - 3.0).abs() < 0.1, "floor, tls13, silent");
    let wrong = plain_get(proxy.admin, "/census?clint=x").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("expected client, sni"), "{}", wrong.text());

    // A reload keeps the table; another form of addresses begins a new one.
    let text = proxy::base(upstream.address) + POLICIES;
    proxy.reload_as(&text).await.unwrap();
    assert_eq!(plain_get(proxy.admin, "/census").await.json()["rows"], 3);
    let hashed = "[census]\nprivacy = \"hashed\"\nhash_key = \"census.key\"\n";
    proxy.write("census.key", "0123456789abcdef");
    proxy.reload_as(&(text + hashed)).await.unwrap();
    raw(proxy.https, &old).await.unwrap();
    let page = plain_get(proxy.admin, "/census").await.text();
    assert!(page.contains("\"hashed\"") && !page.contains("127.0.0"), "{page}");
}

#[tokio::test]
async fn clients_of_plain_http_are_in_it_once_a_connection_while_that_has_a_rollout() {
    let upstream = Upstream::text("ok").await;
    let rollout = "[plain_http.rollout]\ncut = 2020-01-01T00:00:00Z\n[rollout]\n";
    for (rollout, count) in [(rollout, 1), ("", 0)] {
        let text = format!("{}{rollout}", proxy::base(upstream.address));
        let proxy = Proxy::from_text(&text, |_| {});
        let twice = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answers = raw(proxy.http, twice).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1 301").count(), 2);
        let page = plain_get(proxy.admin, "/census?policy=plain_http").await.json();
        let rows = page["clients"].as_array().unwrap();
        assert_eq!(rows.len(), count, "{page}");
        for row in rows {
            assert_eq!((&row["reason"], &row["lane"]), (&"plaintext".into(), &"refuse".into()));
            assert_eq!((&row["client"], &row["count"]), (&"127.0.0.1".into(), &1.into()));
        }
    }
}

/// Without the PROXY protocol everybody has the load balancer's address. That it is said is no
/// damaged row of the census either.
#[tokio::test(flavor = "multi_thread")]
async fn a_census_of_one_address_is_doubted_once_in_the_log() {
    let upstream = Upstream::text("never").await;
    let folder = Folder::new(&proxy::base(upstream.address));
    let mut running = Running::start(&folder);
    let hellos = families();
    let names = ["Java 7", "OpenSSL 0.9.8", "Android 2.3"];
    let old = names.map(|name| hellos.iter().find(|hello| hello.name == name).unwrap());
    for number in 0..1005 {
        drop(raw(running.https, &old[number % old.len()].bytes).await);
    }
    running.signal("TERM");
    let mut log = String::new();
    running.lines.read_to_string(&mut log).unwrap();
    let said = log.lines().filter(|line| line.contains("listen.proxy_protocol_from"));
    let said: Vec<Value> = said.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert_eq!((&said[0]["event"], &said[0]["level"]), (&"config".into(), &"WARN".into()));
    let answer = report(&log, "floor");
    assert_eq!(answer["damaged"]["count"], 0, "{}", answer["damaged"]);
}

//! The report of many replicas: the same connections, once to one proxy and once spread over three,
//! give the same figures, and logs give them in any order.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
};

use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    cli::{Folder, Running, tlsfloor},
    support::{
        client::{TlsClient, http1},
        hellos::families,
        legacy::Legacy,
        proxy, soon,
        upstream::Upstream,
    },
};

/// After the cut, with one network that is spared, a policy that only counts, and one that serves.
fn text(upstream: SocketAddr, legacy: SocketAddr) -> String {
    let base = proxy::base(upstream);
    let base = base.replace("[listen]\n", "[listen]\nproxy_protocol_from = [\"127.0.0.1\"]\n");
    assert!(base.contains("proxy_protocol_from"), "{base}");
    base + &format!(
        r#"
        [[policies]]
        name = "tls13"
        minimum = "1.3"
        [fleet]
        replicas = 3
        [rollout]
        legacy = "{legacy}"
        salt = "fleet"
        cut = 2020-01-01T00:00:00Z
        [[rollout.exemptions]]
        clients = ["203.0.113.0/24"]
        owner = "acme"
        reason = "contract 4711"
        expires = 2090-01-01T00:00:00Z
        [[rollout.exemptions]]
        sni = ["never.example"]
        owner = "nobody"
        reason = "unused"
        expires = 2090-01-01T00:00:00Z
        "#
    )
}

/// One connection to be made.
enum Visit {
    /// A hello, and what follows until the other side ends it.
    Bytes(String, Vec<u8>),
    /// A handshake and one request.
    Good(String, TlsClient),
}

/// Every family of clients, no two of them equally often, and two kinds of good ones. Neighbours in
/// the list are unlike, so each replica sees something of everybody.
fn visits() -> Vec<Visit> {
    let mut all = Vec::new();
    let families = families();
    let rounds = families.len();
    for round in 0..rounds {
        for (index, family) in families.iter().enumerate().filter(|(index, _)| *index >= round) {
            let network = if index % 4 == 0 { "203.0.113" } else { "198.51.100" };
            all.push(Visit::Bytes(format!("{network}.{index}"), family.bytes.clone()));
        }
    }
    let old = TlsClient::http1().only(&rustls::version::TLS12);
    for round in 0..7 {
        all.push(Visit::Good("192.0.2.1".to_owned(), TlsClient::http1()));
        if round < 4 {
            all.push(Visit::Good("192.0.2.2".to_owned(), old.clone()));
        }
    }
    all
}

async fn pay(visit: &Visit, proxy: SocketAddr) {
    let (Visit::Bytes(client, _) | Visit::Good(client, _)) = visit;
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let header = format!("PROXY TCP4 {client} 192.0.2.254 49152 443\r\n");
    stream.write_all(header.as_bytes()).await.unwrap();
    match visit {
        Visit::Bytes(_, hello) => {
            stream.write_all(hello).await.unwrap();
            stream.shutdown().await.unwrap();
            // What passes the floor is a handshake that is begun and left.
            soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
        }
        Visit::Good(_, client) => {
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(client.config()));
            let stream = soon(connector.connect(name, stream)).await.unwrap();
            assert_eq!(http1(stream).await.get("/").await.status, 200);
        }
    }
}

/// Ends it and gives its whole log.
fn log(mut running: Running) -> String {
    running.signal("TERM");
    let mut log: String = running.early.iter().map(|line| format!("{line}\n")).collect();
    log += &format!("{}\n", running.start);
    running.lines.read_to_string(&mut log).unwrap();
    log
}

/// What `tlsfloor report` makes of a log on standard input.
fn report(options: &[&str], log: &str) -> Value {
    let mut command = tlsfloor(&[&["report", "--format", "json"], options].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{log}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Without the fields in `times`, and without examples: where a list has several names or fingerprints
/// of one client, the report says one of them and `...`, the first that it has read.
fn without(mut value: Value, times: &[&str]) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| !times.contains(&name.as_str()));
            fields.values_mut().for_each(|field| *field = without(field.take(), times));
        }
        Value::Array(all) => all.iter_mut().for_each(|one| *one = without(one.take(), times)),
        Value::String(text) if text.ends_with(" ...") => "...".clone_into(text),
        _ => {}
    }
    value
}

/// Without what tells the time of day. The two fleets are asked one after the other, so when a client
/// was seen is not the same; how often, by whom, why and in which lane is. `days` keep their sums,
/// and lose their dates and their number: the clock may pass midnight on the way.
fn timeless(mut report: Value) -> Value {
    if let Value::Array(days) = report["days"].take() {
        let sum = |key: &str| -> u64 { days.iter().map(|day| day[key].as_u64().unwrap()).sum() };
        report["days"] = Value::from(vec![sum("connections"), sum("below")]);
    }
    without(
        report,
        &["from", "to", "since", "first", "last", "first_seen", "last_seen", "last_used"],
    )
}

/// The lines of all logs in turn, as a log collector that merges streams has them.
fn interleaved(logs: &[String]) -> String {
    let mut all: Vec<_> = logs.iter().map(|log| log.lines()).collect();
    let mut merged = String::new();
    loop {
        let lines: Vec<_> = all.iter_mut().filter_map(Iterator::next).collect();
        if lines.is_empty() {
            return merged;
        }
        lines.iter().for_each(|line| merged += &format!("[pod/tlsfloor/tlsfloor] {line}\n"));
    }
}

/// All clients fit the table here. Where they do not, each replica keeps the heaviest it has seen, so
/// which rows are named may differ from one that saw everything; the sums of all rows do not.
#[tokio::test(flavor = "multi_thread")]
async fn merged_replicas_equal_one_that_saw_everything() {
    let upstream = Upstream::text("hello").await;
    let legacy = Legacy::start().await;
    let text = text(upstream.address, legacy.address);
    let start = || Running::start(&Folder::new(&text));
    let (one, three) = (start(), [start(), start(), start()]);
    let visits = visits();
    for (index, visit) in visits.iter().enumerate() {
        pay(visit, one.https).await;
        pay(visit, three[index % 3].https).await;
    }
    let (one, three) = (log(one), three.map(log));
    for options in [
        &["--by", "client"][..],
        &["--by", "network", "--top", "2"],
        &["--by", "sni"],
        &["--by", "stack"],
        &["--policy", "tls13"],
        &["--evidence"],
    ] {
        let (whole, merged) = (report(options, &one), report(options, &three.concat()));
        assert_eq!(whole["connections"], visits.len(), "{whole}");
        let [a, b, c] = &three;
        let orders =
            [[b, c, a], [c, b, a], [c, a, b]].map(|order| order.map(String::as_str).concat());
        let merged = without(merged, &[]);
        for order in [&orders[..], &[interleaved(&three)]].concat() {
            // Times and all: whose log is read first makes no difference.
            assert_eq!(without(report(options, &order), &[]), merged, "{options:?}");
        }
        assert_eq!(timeless(whole), timeless(merged), "{options:?}");
    }
    let parts = three.map(|log| report(&[], &log)["connections"].as_u64().unwrap());
    assert!(parts.iter().all(|part| *part > 0), "each saw some: {parts:?}");
}

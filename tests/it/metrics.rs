//! Every metric by name, kind and labels, and whether the whole is OpenMetrics.
//!
//! Dashboards and alerts are written against this list: a change here is a change for operators.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tlsfloor::metrics::{Metrics, Protocol, RetryReason, ServedVersion, UpstreamOutcome};

use crate::support::{
    client::{TlsClient, plain_get, raw},
    eventually,
    hellos::families,
    proxy::{Proxy, base_with},
    upstream::Upstream,
};

/// Families by name (without `tlsfloor_`), kind and labels in order.
const CONTRACT: &[(&str, &str, &[&str])] = &[
    ("accept_failures", "counter", &[]),
    ("build_info", "gauge", &["version", "rustls", "features"]),
    ("census_evictions", "counter", &[]),
    ("census_rows", "gauge", &[]),
    ("certificate_expiry_timestamp_seconds", "gauge", &["name"]),
    ("client_hellos", "counter", &["offered", "verdict", "reason", "lane"]),
    ("config_generation", "gauge", &[]),
    ("config_hash", "gauge", &[]),
    ("config_last_reload_success", "gauge", &[]),
    ("config_last_reload_success_timestamp_seconds", "gauge", &[]),
    ("config_loads", "counter", &["result"]),
    ("connections_open", "gauge", &["listener"]),
    ("connections_parked", "gauge", &[]),
    ("drain_cut", "counter", &[]),
    ("exemption_expiry_timestamp_seconds", "gauge", &["exemption"]),
    ("exemption_uses", "counter", &["exemption"]),
    ("handshake_duration_seconds", "histogram", &["resumed"]),
    ("handshake_failures", "counter", &["reason"]),
    ("handshakes", "counter", &["version", "cipher", "group", "alpn", "resumed"]),
    ("http2_abuse", "counter", &["kind"]),
    ("legacy_connections", "counter", &["outcome"]),
    ("limits", "counter", &["limit"]),
    ("log_lines_dropped", "counter", &[]),
    ("panics", "counter", &[]),
    ("plain_http_requests", "counter", &["action", "credentials"]),
    ("plain_http_rollout_fuse_blown", "gauge", &[]),
    ("plain_http_rollout_percent", "gauge", &[]),
    ("plain_http_rollout_stage", "gauge", &["stage"]),
    ("process_cpu_seconds", "counter", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
    ("process_threads", "gauge", &[]),
    ("proxy_headers", "counter", &["result"]),
    ("request_duration_seconds", "histogram", &["route"]),
    ("requests", "counter", &["route", "protocol", "tls_version", "code"]),
    ("requests_malformed", "counter", &[]),
    ("rollout_fuse_blown", "gauge", &[]),
    ("rollout_percent", "gauge", &[]),
    ("rollout_stage", "gauge", &["stage"]),
    ("tickets", "counter", &["result"]),
    ("trace_spans_dropped", "counter", &[]),
    ("upstream_duration_seconds", "histogram", &["upstream"]),
    ("upstream_ejections", "counter", &["upstream"]),
    ("upstream_health_checks", "counter", &["upstream", "outcome"]),
    ("upstream_healthy", "gauge", &["upstream", "server"]),
    ("upstream_requests", "counter", &["upstream", "outcome"]),
    ("upstream_resolve_failures", "counter", &["upstream"]),
    ("upstream_retries", "counter", &["upstream", "reason"]),
    ("whatif_failures", "counter", &["policy", "reason"]),
    ("workers", "gauge", &[]),
];

/// Families that the traffic below gives no sample; `abuse` holds its labels.
const RARE: &[&str] = &["http2_abuse"];

/// One sample: suffix of the name, labels, value.
type Sample = (String, Vec<(String, String)>, f64);

/// One family as it was written.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    samples: Vec<Sample>,
}

/// Reads OpenMetrics, strictly: each family in one piece and declared first, no series twice.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("no # EOF at the end");
    let mut families = BTreeMap::<String, Family>::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (what, rest) = comment.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert!(name == current || family.samples.is_empty(), "{name} is torn apart");
            name.clone_into(&mut current);
            let field = match what {
                "TYPE" => &mut family.kind,
                "HELP" => &mut family.help,
                other => panic!("{other} in {line}"),
            };
            assert!(field.is_empty(), "{what} twice for {name}");
            said.clone_into(field);
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(series.insert(name.to_owned()), "{name} twice");
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{name} in {current}"));
        let labels = labels.strip_suffix('}').unwrap();
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        let value = value.parse().unwrap_or_else(|_| panic!("no number in {line}"));
        families.get_mut(&current).unwrap().samples.push((
            suffix.to_owned(),
            pairs.collect(),
            value,
        ));
    }
    families
}

/// Both have a cut; the one for TLS sends old clients to nobody until then.
const ROLLOUTS: &str = r#"
    [plain_http]
    action = "forward"
    [plain_http.rollout]
    cut = 2020-01-01T00:00:00Z
    [rollout]
    legacy = "127.0.0.1:1"
    cut = 2090-01-01T00:00:00Z
    [[rollout.exemptions]]
    clients = ["192.0.2.0/24"]
    owner = "acme"
    reason = "contract 4711"
    expires = 2089-01-01T00:00:00Z
    [[policies]]
    name = "tls13"
    minimum = "1.3"
"#;

/// A proxy that has seen what gives nearly every family a sample.
async fn seasoned() -> Proxy {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::from_text(
        &base_with(&format!(
            "servers = [\"http://{}\", \"http://127.0.0.1:1\"]\n\
             balance = \"round_robin\"\n\
             health = {{ path = \"/\", interval = \"1h\", unhealthy = 100 }}\n{ROLLOUTS}",
            upstream.address
        )),
        |_| {},
    );
    // Two of each: the server that is not there is met, and the other one tried.
    for client in [TlsClient::http1(), TlsClient::http2()] {
        for _ in 0..2 {
            assert_eq!(client.get(proxy.https, "/").await.status, 200);
        }
    }
    assert_eq!(TlsClient::http1().get(proxy.https, &"/a".repeat(5000)).await.status, 414);
    assert_eq!(plain_get(proxy.http, "/").await.status, 301);
    let old = families().into_iter().find(|family| family.offered == "1.0").unwrap();
    raw(proxy.https, &old.bytes).await.unwrap();
    raw(proxy.https, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").await.unwrap();
    let mut eof = tokio::net::TcpStream::connect(proxy.https).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut eof, &[0x16, 3, 1]).await.unwrap();
    drop(eof);
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_the_contract() {
    let proxy = seasoned().await;
    let has_all = || async {
        let families = parse(&proxy.metrics().await);
        let sampled = |name: &&str| {
            families.get(&format!("tlsfloor_{name}")).is_some_and(|one| !one.samples.is_empty())
        };
        let names = CONTRACT.iter().map(|(name, ..)| *name);
        names.filter(|name| !RARE.contains(name)).all(|name| sampled(&name)).then_some(families)
    };
    let families = eventually(has_all).await;
    let names: Vec<String> = CONTRACT.iter().map(|(name, ..)| format!("tlsfloor_{name}")).collect();
    assert_eq!(families.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    for (name, kind, labels) in CONTRACT {
        let family = &families[&format!("tlsfloor_{name}")];
        assert_eq!(family.kind, *kind, "{name}");
        for (suffix, pairs, value) in &family.samples {
            let names = pairs.iter().map(|(name, _)| name.as_str());
            let names: Vec<&str> = names.filter(|name| *name != "le").collect();
            assert_eq!(names, *labels, "{name}{suffix}");
            assert!(value.is_finite() && *value >= 0.0, "{name}{suffix} is {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_open_metrics() {
    let proxy = seasoned().await;
    let families = parse(&proxy.metrics().await);
    for (name, family) in &families {
        assert!(family.help.len() > 5, "{name} has no help");
        assert!(!name.ends_with("_total"), "{name}: the suffix is the sample's");
        let suffixes: BTreeSet<&str> =
            family.samples.iter().map(|(suffix, ..)| suffix.as_str()).collect();
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{name} is a {other}"),
        };
        assert!(suffixes.iter().all(|suffix| allowed.contains(suffix)), "{name}: {suffixes:?}");
        if family.kind == "histogram" {
            whole(name, family);
        }
    }
}

/// The buckets of each series rise to its count.
fn whole(name: &str, family: &Family) {
    let mut buckets = BTreeMap::<_, Vec<(String, f64)>>::new();
    let mut counts = BTreeMap::new();
    for (suffix, pairs, value) in &family.samples {
        let (le, labels): (Vec<_>, Vec<_>) =
            pairs.iter().cloned().partition(|(name, _)| name == "le");
        match suffix.as_str() {
            "_bucket" => buckets.entry(labels).or_default().push((le[0].1.clone(), *value)),
            "_count" => drop(counts.insert(labels, *value)),
            _ => {}
        }
    }
    assert!(!buckets.is_empty() || family.samples.is_empty(), "{name}");
    for (labels, buckets) in buckets {
        assert!(buckets.is_sorted_by(|one, next| one.1 <= next.1), "{name}: {buckets:?}");
        let (le, most) = buckets.last().unwrap();
        assert_eq!((le.as_str(), *most), ("+Inf", counts[&labels]), "{name}");
        assert_eq!(buckets.len(), 16, "{name}");
    }
}

/// Of 100 routes with traffic of every kind in ten codes, and 20 upstreams, by 8 workers.
fn busy() -> std::sync::Arc<Metrics> {
    let metrics = Metrics::new(8);
    let took = Duration::from_millis(7);
    for route in 0..100 {
        let route = metrics.route(&format!("api-{route}.example.com/v1/"));
        for shard in (0..8).filter_map(|worker| route.shard(worker)) {
            for code in [200, 201, 204, 301, 304, 400, 401, 404, 500, 503] {
                for protocol in [Protocol::Http11, Protocol::Http2] {
                    for version in [ServedVersion::Tls12, ServedVersion::Tls13] {
                        shard.observe(protocol, version, code, took);
                    }
                }
            }
        }
    }
    for upstream in 0..20 {
        let upstream = metrics.upstream(&format!("upstream-{upstream}"));
        for shard in (0..8).filter_map(|worker| upstream.shard(worker)) {
            shard.observe(UpstreamOutcome::Success, took);
            shard.observe(UpstreamOutcome::ConnectFailed, took);
            shard.retry(RetryReason::Connect);
        }
    }
    metrics
}

#[test]
#[ignore = "a measurement: cargo test --release --locked --test it scrape -- --ignored --nocapture"]
#[expect(clippy::print_stderr, reason = "a measurement says what it measured")]
fn a_scrape_of_100_busy_routes_takes_under_5_ms() {
    let metrics = busy();
    let mut took: Vec<Duration> = (0..50)
        .map(|_| {
            let started = tokio::time::Instant::now();
            assert!(metrics.encode().ends_with("# EOF\n"));
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    let bytes = metrics.encode().len();
    eprintln!("{bytes} bytes: median {:?}, longest {:?}", took[25], took[49]);
    assert!(took[25] < Duration::from_millis(5), "{took:?}");
}

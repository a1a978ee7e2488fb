//! What all of it costs a handshake, measured by hand:
//! `cargo test --release --locked --lib census_costs -- --ignored --nocapture`

use super::{Census, Duration, Hello, LaneKind, Mask, Metrics, Sighting, black_box};
use super::{Outcome, client, read, samples, settings};
use crate::{
    config::{self, Config},
    files::Files,
    hello::Ja4,
    policy::{Auth, KeyKind, Policy, Reason, Served, Suite, judge},
    rollout::{Clock, Control, Facts, Rollouts, lane},
    version::TlsVersion,
    what_if::WhatIfs,
};

const POLICIES: &str = r#"
    [tls]
    certificates = [{ chain = "a", key = "b" }]
    [[upstreams]]
    name = "api"
    servers = ["http://127.0.0.1:1"]
    [rollout]
    legacy = "192.0.2.1:443"
    cut = 2090-01-01T00:00:00Z
    [[policies]]
    name = "tls13"
    minimum = "1.3"
    [[policies]]
    name = "pq"
    post_quantum = true
    [[policies]]
    name = "no-rsa"
    without_certificates = "rsa"
    [[policies]]
    name = "aes256"
    ban_suites = ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    [[policies]]
    name = "nist"
    groups = ["secp256r1", "secp384r1"]
"#;

/// As a site with an ECDSA and an RSA certificate asks.
fn floor() -> Policy {
    let suite = |number, version, auth| Suite { number, version, auth };
    let (tls12, tls13) = (TlsVersion::Tls12, TlsVersion::Tls13);
    let mut suites: Vec<_> = [0x1301, 0x1302, 0x1303].map(|n| suite(n, tls13, Auth::Any)).into();
    suites.extend([0xc02b, 0xc02c, 0xcca9].map(|n| suite(n, tls12, Auth::Ecdsa)));
    suites.extend([0xc02f, 0xc030, 0xcca8].map(|n| suite(n, tls12, Auth::Rsa)));
    let groups = vec![0x11ec, 0x1d, 0x17, 0x18];
    let keys = vec![KeyKind::P256, KeyKind::Rsa];
    Policy { minimum: tls12, served: Served { suites, groups, keys } }
}

/// Everything that is asked.
struct Bench {
    config: Config,
    floor: Policy,
    under: Vec<Policy>,
    what_ifs: WhatIfs,
    rollouts: Rollouts,
    census: Census,
}

impl Bench {
    fn new() -> Self {
        let config = config::parse(POLICIES, std::path::Path::new("t.toml"));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let metrics = Metrics::new(1);
        let files = Files::default();
        let built = Rollouts::build(&config, &Control::new(&metrics), (&files, &metrics));
        let (rollouts, _) = built.unwrap_or_else(|problems| panic!("{problems:?}"));
        let floor = floor();
        let under = config.policies.iter().map(|policy| floor.under(policy)).collect();
        let what_ifs = WhatIfs::new(&config.policies, &metrics, Clock::System.wall());
        let census = Census::new(&settings(10_000, Mask::Full), &metrics);
        Self { config, floor, under, what_ifs, rollouts, census }
    }

    /// Nanoseconds of one call, the best of several rounds: others share the machine.
    fn nanos(&self, mut call: impl FnMut(u32)) -> u128 {
        const TIMES: u32 = 50_000;
        let round = |start: u32| {
            let started = tokio::time::Instant::now();
            (start..start + TIMES).for_each(&mut call);
            started.elapsed()
        };
        let best: Duration = (0..9).map(|n| n * TIMES).map(round).min().unwrap();
        best.as_nanos() / u128::from(TIMES)
    }
}

fn parsed(bytes: &[u8]) -> Hello {
    match read(bytes) {
        Outcome::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement says what it measured")]
fn census_costs_under_2_us_a_handshake_and_five_policies_under_1() {
    let bench = Bench::new();
    assert_eq!(bench.config.policies.len(), 5);
    let families = samples::families();
    let good = families.iter().max_by_key(|family| family.bytes.len()).unwrap();
    let old = families.iter().find(|family| family.offered == "1.0").unwrap();
    let (good, old) = (parsed(&good.bytes), parsed(&old.bytes));
    let decide = |hello: &Hello| {
        let facts = Facts::new(client(7).ip, Some(hello));
        lane(&bench.rollouts.tls, || Clock::System.now(), &facts, judge(&bench.floor, hello))
    };
    let note = |(hello, ja4): (&Hello, Ja4), number: u32, floor| {
        let failing = bench.what_ifs.failing(&bench.under, hello);
        let failed = failing.iter().map(|(what_if, reason)| {
            what_if.metrics.failed(0, *reason);
            (&what_if.name, *reason)
        });
        let sighting =
            Sighting { client: client(number), hello: Some((hello, ja4)), lane: LaneKind::Serve };
        bench.census.note(&sighting, floor, failed);
    };
    let total = |name: &str, hello: &Hello, floor: Option<Reason>, spread: u32| {
        // Made once a handshake anyway, for upstreams and logs.
        let fingerprint = hello.ja4();
        let judged = bench.nanos(|_| {
            black_box(decide(black_box(hello)));
        });
        let policies = bench.nanos(|_| {
            drop(black_box(bench.what_ifs.failing(&bench.under, black_box(hello))));
        });
        let noted =
            bench.nanos(|number| note((black_box(hello), fingerprint), number % spread, floor));
        let ja4 = bench.nanos(|_| {
            black_box(black_box(hello).ja4());
        });
        let failing = bench.what_ifs.failing(&bench.under, hello).len();
        eprintln!(
            "{name}, fails {failing} of 5: floor and lane {judged} ns, five policies {policies} ns, \
             policies and census {noted} ns, together {} ns; (JA4 {ja4} ns)",
            judged + noted,
        );
        (policies, judged + noted)
    };
    let version = Some(Reason::Version);
    // The last is an attack: each hello displaces six rows.
    for (name, hello, floor, spread, most) in [
        ("a good hello", &good, None, 1000, 2_000),
        ("an old hello", &old, version, 1000, 2_000),
        ("a flood of new clients with old hellos", &old, version, u32::MAX, 20_000),
    ] {
        let (policies, all) = total(name, hello, floor, spread);
        assert!(policies < 1000 && all < most, "{name}");
    }
}

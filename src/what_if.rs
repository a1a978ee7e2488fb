//! Policies that only count: what if more were asked of clients.
//!
//! Built with each snapshot, asked by `greet` once a hello. It must never have an effect on whether
//! a client is served; the most that a client hears of it is a notice on its responses.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    config,
    hello::Hello,
    metrics::{Metrics, WhatIfMetrics},
    notice::Notice,
    policy::{Policy, Reason, Verdict, judge},
};

/// One of `[[policies]]` in force.
#[derive(Debug)]
pub struct WhatIf {
    /// Its name in rows.
    pub name: Arc<str>,
    /// Where its failures are counted.
    pub metrics: Arc<WhatIfMetrics>,
    /// When it ends for who fails it, and what they are told until then.
    pub notice: Option<(Timestamp, Arc<Notice>)>,
}

/// All of them, in the order of the configuration.
#[derive(Debug)]
pub struct WhatIfs(Vec<WhatIf>);

impl WhatIfs {
    /// As configured and read at `now`.
    #[must_use]
    pub fn new(config: &[config::WhatIf], metrics: &Metrics, now: Timestamp) -> Self {
        let one = |written: &config::WhatIf| WhatIf {
            name: written.name.as_str().into(),
            metrics: metrics.what_if(&written.name),
            notice: notice(written, now),
        };
        Self(config.iter().map(one).collect())
    }

    /// Those that a hello fails, with the first reason of each; `policies` are the site's own forms
    /// of them.
    #[must_use]
    pub fn failing(&self, policies: &[Policy], hello: &Hello) -> Vec<(&WhatIf, Reason)> {
        let judged = self.0.iter().zip(policies).filter_map(|(what_if, policy)| {
            match judge(policy, hello) {
                Verdict::Pass => None,
                Verdict::Fail(failure) => Some((what_if, failure.reason)),
            }
        });
        judged.collect()
    }
}

/// Of several that a client fails it is told of the one that ends first.
#[must_use]
pub fn first_notice(failing: &[(&WhatIf, Reason)]) -> Option<Arc<Notice>> {
    let notices = failing.iter().filter_map(|(what_if, _)| what_if.notice.as_ref());
    notices.min_by_key(|(sunset, _)| *sunset).map(|(_, notice)| Arc::clone(notice))
}

/// Without a date of its own, a policy is known to end since the day on which it was read, which is
/// the same on all replicas that read it on one day.
fn notice(written: &config::WhatIf, now: Timestamp) -> Option<(Timestamp, Arc<Notice>)> {
    const DAY: i64 = SignedDuration::from_hours(24).as_secs();
    let sunset = written.sunset?;
    let day = now.as_second().div_euclid(DAY) * DAY;
    let day = Timestamp::from_second(day).unwrap_or(now).min(sunset);
    let deprecation = Some(written.deprecation.unwrap_or(day));
    let notice = Notice::new(deprecation, Some(sunset), written.notice.as_deref())?;
    Some((sunset, Arc::new(notice)))
}

#[cfg(test)]
mod tests {
    use super::{WhatIfs, first_notice};
    use crate::{
        config::WhatIf,
        hello::{Hello, Outcome, read, samples},
        metrics::Metrics,
        policy::{Auth, KeyKind, Policy, Served, Suite},
        version::TlsVersion,
    };

    /// Serves 1.2 and 1.3 with an RSA and an ECDSA certificate.
    fn floor() -> Policy {
        let suite = |number, version, auth| Suite { number, version, auth };
        let suites = vec![
            suite(0x1301, TlsVersion::Tls13, Auth::Any),
            suite(0x1302, TlsVersion::Tls13, Auth::Any),
            suite(0xc02b, TlsVersion::Tls12, Auth::Ecdsa),
            suite(0xc02f, TlsVersion::Tls12, Auth::Rsa),
        ];
        let groups = vec![0x11ec, 0x1d, 0x17];
        let keys = vec![KeyKind::P256, KeyKind::Rsa];
        Policy { minimum: TlsVersion::Tls12, served: Served { suites, groups, keys } }
    }

    fn hello(bytes: &[u8]) -> Hello {
        match read(bytes) {
            Outcome::Hello(hello) => *hello,
            other => panic!("{other:?}"),
        }
    }

    /// The policies of a configuration that a hello fails, as `name reason`.
    fn fails(text: &str, hello: &Hello) -> Vec<String> {
        let least = "[tls]\ncertificates = [{ chain = \"a\", key = \"b\" }]\n[[upstreams]]\n\
                     name = \"a\"\nservers = [\"http://127.0.0.1:1\"]\n";
        let config =
            crate::config::parse(&format!("{least}{text}"), std::path::Path::new("t.toml"));
        let policies = config.unwrap_or_else(|problems| panic!("{problems}")).policies;
        let under: Vec<_> = policies.iter().map(|policy| floor().under(policy)).collect();
        let now = "2026-11-24T12:30:00Z".parse().unwrap();
        let what_ifs = WhatIfs::new(&policies, &Metrics::new(1), now);
        let failing = what_ifs.failing(&under, hello);
        failing.iter().map(|(what_if, reason)| format!("{} {reason}", what_if.name)).collect()
    }

    const ALL: &str = r#"
        [[policies]]
        name = "tls13"
        minimum = "1.3"
        [[policies]]
        name = "pq"
        post_quantum = true
        [[policies]]
        name = "aes256"
        ban_suites = ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
        [[policies]]
        name = "no-rsa"
        without_certificates = "rsa"
        [[policies]]
        name = "nist"
        groups = ["secp256r1"]
    "#;

    #[test]
    fn each_kind_of_policy_by_the_hello_that_fails_it() {
        let tls13 = |rest: &str| {
            let with = format!("versions=0304,0303 {rest}");
            hello(&samples::Hello::new(0x0301, 0x0303, "1301 c02b").extensions(&with).bytes())
        };
        let good = "groups=11ec,001d,0017 signatures=0403,0804 shares=11ec";
        assert_eq!(fails(ALL, &tls13(good)), ["aes256 cipher"]);
        let classic = "groups=001d signatures=0403,0804 shares=001d";
        let expected = ["pq group", "aes256 cipher", "nist group"];
        assert_eq!(fails(ALL, &tls13(classic)), expected);
        let rsa_only = "groups=001d,0017 signatures=0804 shares=001d";
        let expected = ["pq group", "aes256 cipher", "no-rsa signature"];
        assert_eq!(fails(ALL, &tls13(rsa_only)), expected);
        let old = samples::Hello::new(0x0301, 0x0303, "c02f");
        let old = hello(&old.extensions("groups=0017 signatures=0401").bytes());
        let expected = ["tls13 version", "pq group", "aes256 cipher", "no-rsa cipher"];
        assert_eq!(fails(ALL, &old), expected);
        let oldest = hello(&samples::Hello::new(0x0301, 0x0301, "002f").bytes());
        assert_eq!(fails(ALL, &oldest).len(), 5, "what fails the floor fails all that is stricter");
    }

    #[test]
    fn what_ends_first_is_told_and_the_day_of_reading_stands_in() {
        let policy = |name: &str, sunset: Option<&str>| WhatIf {
            name: name.into(),
            minimum: Some(TlsVersion::Tls13),
            sunset: sunset.map(|at| at.parse().unwrap()),
            notice: Some(format!("https://a/{name}")),
            ..WhatIf::default()
        };
        let all = [
            policy("silent", None),
            policy("late", Some("2029-01-01T00:00:00Z")),
            policy("early", Some("2028-01-01T00:00:00Z")),
        ];
        let under: Vec<_> = all.iter().map(|policy| floor().under(policy)).collect();
        let now = "2026-11-24T12:30:00Z".parse().unwrap();
        let what_ifs = WhatIfs::new(&all, &Metrics::new(1), now);
        let old = samples::Hello::new(0x0301, 0x0303, "c02f");
        let old = hello(&old.extensions("groups=0017 signatures=0401").bytes());
        let failing = what_ifs.failing(&under, &old);
        assert_eq!(failing.len(), 3);
        let mut headers = hyper::HeaderMap::new();
        first_notice(&failing).unwrap().put(&mut headers);
        // Midnight of the day.
        assert_eq!(headers["deprecation"], "@1795478400");
        assert_eq!(headers["sunset"], "Sat, 01 Jan 2028 00:00:00 GMT");
        assert!(headers["link"].to_str().unwrap().contains("https://a/early"));
        assert!(first_notice(&failing[..1]).is_none(), "without a sunset nobody is told");
    }
}

//! What a host that only tests clients judges by, and how often one client may ask.
//!
//! Built by `snapshot` from `[self_test]`, asked by `http`. A judgement is what a client is told
//! and never decides about it: what a strict host refuses, its site refuses.

use std::{net::IpAddr, time::Duration};

use tokio::time::Instant;

use crate::{
    config,
    hello::Hello,
    policy::{Policy, Verdict, judge},
    refusals::RefusalLog,
    tls::Sites,
};

/// The word for today's floor among the policies.
pub const FLOOR: &str = "floor";

/// The hosts of `[self_test]`.
#[derive(Debug)]
pub struct SelfTest {
    /// By what a client is judged, today's floor first.
    policies: Vec<(String, Policy)>,
    quota: RefusalLog,
}

impl SelfTest {
    /// Today's floor, the floor of each strict host, and then `what_if`, policies that only count.
    #[must_use]
    pub fn new(
        written: &config::SelfTest,
        fleet: &config::Fleet,
        sites: &Sites,
        what_if: Vec<(String, Policy)>,
    ) -> Self {
        let of = |host| sites.find(Some(host)).policy.clone();
        let strict = written.strict.iter().map(|one| (one.host.to_string(), of(&one.host)));
        let today = (FLOOR.to_owned(), of(&written.host));
        let policies = [today].into_iter().chain(strict).chain(what_if).collect();
        let rate = fleet.share(written.rate);
        Self { policies, quota: RefusalLog::within(Duration::from_secs(1), rate) }
    }

    /// Whether `client` may have one more answer in this second.
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        self.quota.admit(client, Instant::now()).is_some()
    }

    /// What each policy says of a hello.
    pub fn verdicts(&self, hello: &Hello) -> impl Iterator<Item = (&str, &Policy, Verdict)> {
        self.policies.iter().map(|(name, policy)| (name.as_str(), policy, judge(policy, hello)))
    }
}

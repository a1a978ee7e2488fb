//! Who is spared: exemptions by network, name and fingerprint, looked up for clients that fail.
//!
//! All kinds of conditions that an exemption has must hold. Where several do, that of the smallest
//! network wins, then that of the most exact name, then that with a fingerprint. Tables all the
//! way, so ten thousand cost no more than ten. One that has ended is inert; uses are counted by
//! owner and conditions, across reloads.

use std::{cell::OnceCell, collections::HashMap, net::IpAddr, sync::Arc};

use jiff::Timestamp;

use crate::{
    config::Exemption,
    hello::{Hello, Ja4},
    host::{Host, HostPattern},
    keyed_hash::KeyedHash,
    metrics::{ExemptionMetrics, RolloutMetrics},
    network::Network,
};

/// A label is cut there, and what it stands for added as a hash.
const LONGEST_LABEL: usize = 100;

/// What of a client an exemption can ask for.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Its address.
    pub client: IpAddr,
    hello: Option<&'a Hello>,
    ja4: OnceCell<Option<Ja4>>,
}

impl<'a> Facts<'a> {
    /// Of a client; on plain ports there is no hello.
    #[must_use]
    pub fn new(client: IpAddr, hello: Option<&'a Hello>) -> Self {
        Self { client, hello, ja4: OnceCell::new() }
    }

    fn sni(&self) -> Option<&Host> {
        self.hello?.sni.as_ref()
    }

    /// Made when it is first asked for.
    fn ja4(&self) -> Option<&str> {
        self.ja4.get_or_init(|| self.hello.map(Hello::ja4)).as_ref().map(Ja4::as_str)
    }
}

/// One exemption.
#[derive(Debug)]
pub struct Entry {
    /// As configured.
    pub written: Exemption,
    /// Its uses.
    pub metrics: Arc<ExemptionMetrics>,
}

impl Entry {
    /// Whether it holds.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        now < self.written.expires
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Exemptions {
    entries: Vec<Entry>,
    /// By the prefixes that there are, longest first.
    v4: Vec<u8>,
    v6: Vec<u8>,
    networks: HashMap<Network, Names>,
    anywhere: Names,
}

#[derive(Debug, Default)]
struct Names {
    exact: HashMap<Host, Prints>,
    /// By the suffix behind the star.
    wildcard: HashMap<Box<str>, Prints>,
    any: Prints,
}

#[derive(Debug, Default)]
struct Prints {
    exact: HashMap<Box<str>, Vec<usize>>,
    any: Vec<usize>,
}

impl Exemptions {
    /// As configured; `scope` tells those of plain HTTP from the others.
    #[must_use]
    pub fn new(written: Vec<Exemption>, scope: &str, metrics: &RolloutMetrics) -> Self {
        let mut all = Self::default();
        for (index, one) in written.into_iter().enumerate() {
            let networks: Vec<_> = one.clients.iter().copied().map(Some).collect();
            for network in if networks.is_empty() { vec![None] } else { networks } {
                let names = match network {
                    Some(network) => all.networks.entry(network).or_default(),
                    None => &mut all.anywhere,
                };
                names.add(&one, index);
            }
            let metrics = metrics.exemption(&label(&format!("{scope}{}", one.identity())));
            all.entries.push(Entry { written: one, metrics });
        }
        let prefixes = |v4| {
            let of_kind = all.networks.keys().filter(|network| network.address().is_ipv4() == v4);
            let mut found: Vec<u8> = of_kind.map(|network| network.bits()).collect();
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.dedup();
            found
        };
        (all.v4, all.v6) = (prefixes(true), prefixes(false));
        all
    }

    /// The exemption that spares a client; none where it has none.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>, now: Timestamp) -> Option<&Entry> {
        if self.entries.is_empty() {
            return None;
        }
        let prefixes = if facts.client.is_ipv4() { &self.v4 } else { &self.v6 };
        let networks = prefixes
            .iter()
            .filter_map(|prefix| self.networks.get(&Network::around(facts.client, *prefix)));
        let active = |index: usize| self.entries.get(index).filter(|entry| entry.is_active(now));
        networks.chain([&self.anywhere]).find_map(|names| names.find(facts, &active))
    }

    /// Each, as listed.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

impl Names {
    fn add(&mut self, written: &Exemption, index: usize) {
        if written.sni.is_empty() {
            self.any.add(&written.ja4, index);
        }
        for name in &written.sni {
            match name {
                HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
                HostPattern::Wildcard(host) => {
                    self.wildcard.entry(host.as_str().into()).or_default()
                }
                HostPattern::Any => &mut self.any,
            }
            .add(&written.ja4, index);
        }
    }

    fn find<'e>(
        &self,
        facts: &Facts<'_>,
        active: &impl Fn(usize) -> Option<&'e Entry>,
    ) -> Option<&'e Entry> {
        let sni = facts.sni();
        let exact = sni.and_then(|host| self.exact.get(host));
        let parent = sni.and_then(|host| host.as_str().split_once('.')).map(|(_, parent)| parent);
        let wildcard = parent.and_then(|parent| self.wildcard.get(parent));
        let all = exact.into_iter().chain(wildcard).chain([&self.any]);
        all.into_iter().find_map(|prints| prints.find(facts, active))
    }
}

impl Prints {
    fn add(&mut self, ja4: &[String], index: usize) {
        if ja4.is_empty() {
            self.any.push(index);
        }
        for print in ja4 {
            self.exact.entry(print.as_str().into()).or_default().push(index);
        }
    }

    fn find<'e>(
        &self,
        facts: &Facts<'_>,
        active: &impl Fn(usize) -> Option<&'e Entry>,
    ) -> Option<&'e Entry> {
        let exact = (!self.exact.is_empty()).then(|| facts.ja4()).flatten();
        let exact = exact.and_then(|print| self.exact.get(print));
        exact.into_iter().flatten().chain(&self.any).find_map(|index| active(*index))
    }
}

/// Owner and conditions, short enough for a label.
fn label(identity: &str) -> String {
    match identity.char_indices().nth(LONGEST_LABEL) {
        None => identity.to_owned(),
        Some((end, _)) => {
            let short = identity.get(..end).unwrap_or_default();
            format!("{short}... #{}", KeyedHash::new(b"exemption").name(identity.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use jiff::Timestamp;

    use super::{Exemptions, Facts, label};
    use crate::{
        config,
        hello::{Hello, Outcome, read, samples},
        metrics::RolloutMetrics,
    };

    const NOW: &str = "2027-01-01T00:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn exemptions(items: &[&str]) -> Exemptions {
        let each = items.iter().enumerate().map(|(index, conditions)| {
            let ends =
                if conditions.contains("expires") { "" } else { "expires = 2027-06-01T00:00:00Z" };
            format!("[[exemptions]]\nowner = \"o{index}\"\nreason = \"r\"\n{conditions}\n{ends}\n")
        });
        let text: String = each.collect();
        let written = config::exemptions(&text, std::path::Path::new("e.toml"), true);
        let written = written.unwrap_or_else(|problems| panic!("{problems}"));
        Exemptions::new(written, "", &RolloutMetrics::default())
    }

    fn hello(sni: &str) -> Hello {
        let bare = samples::Hello::new(0x0301, 0x0301, "002f 0035");
        let bare = if sni.is_empty() { bare } else { bare.extension(&format!("sni={sni}")) };
        match read(&bare.bytes()) {
            Outcome::Hello(hello) => *hello,
            other => panic!("{other:?}"),
        }
    }

    fn owner(all: &Exemptions, client: &str, sni: &str) -> Option<String> {
        let hello = hello(sni);
        let facts = Facts::new(client.parse().unwrap(), Some(&hello));
        all.find(&facts, now()).map(|entry| entry.written.owner.clone())
    }

    #[test]
    fn the_smallest_network_wins_and_then_the_most_exact_name() {
        let all = exemptions(&[
            r#"clients = ["203.0.113.0/24", "2001:db8::/32"]"#,
            r#"clients = ["203.0.113.64/26"]"#,
            r#"sni = ["*.example.com"]"#,
            r#"sni = ["pay.example.com"]"#,
            r#"clients = ["203.0.113.64/26"]
               sni = ["old.example.com"]"#,
        ]);
        for (client, sni, expected) in [
            ("203.0.113.7", "pay.example.com", Some("o0")),
            ("203.0.113.70", "pay.example.com", Some("o1")),
            ("203.0.113.70", "old.example.com", Some("o4")),
            ("203.0.113.70", "", Some("o1")),
            ("198.51.100.1", "pay.example.com", Some("o3")),
            ("198.51.100.1", "PAY.example.com", Some("o3")),
            ("198.51.100.1", "old.example.com", Some("o2")),
            ("198.51.100.1", "a.old.example.com", None),
            ("198.51.100.1", "", None),
            ("2001:db8::1", "", Some("o0")),
            ("2001:db9::1", "", None),
        ] {
            assert_eq!(owner(&all, client, sni).as_deref(), expected, "{client} {sni}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let print = hello("a.example.com").ja4();
        let all = exemptions(&[
            &format!(
                "clients = [\"10.0.0.0/8\"]\nsni = [\"a.example.com\"]\nja4 = [\"{}\"]",
                print.as_str()
            ),
            "ja4 = [\"t13d1516h2_8daaf6152771_e5627efa2ab1\"]",
        ]);
        assert_eq!(owner(&all, "10.1.1.1", "a.example.com").as_deref(), Some("o0"));
        assert_eq!(owner(&all, "11.1.1.1", "a.example.com"), None);
        assert_eq!(owner(&all, "10.1.1.1", "b.example.com"), None);
        let other = samples::Hello::new(0x0301, 0x0301, "000a").extension("sni=a.example.com");
        let Outcome::Hello(other) = read(&other.bytes()) else { panic!() };
        let facts = Facts::new("10.1.1.1".parse().unwrap(), Some(&other));
        assert!(all.find(&facts, now()).is_none());
        let plain = Facts::new("10.1.1.1".parse().unwrap(), None);
        assert!(all.find(&plain, now()).is_none(), "no hello, no name and no fingerprint");
    }

    #[test]
    fn one_that_has_ended_is_inert_and_hides_none() {
        let all = exemptions(&[
            "clients = [\"10.0.0.0/24\"]\nexpires = 2027-01-01T00:00:00Z",
            "clients = [\"10.0.0.0/24\"]\nexpires = 2027-01-01T00:00:01Z",
        ]);
        assert_eq!(owner(&all, "10.0.0.1", "").as_deref(), Some("o1"));
        let later = now().checked_add(Duration::from_secs(1)).unwrap();
        let facts = Facts::new("10.0.0.1".parse().unwrap(), None);
        assert!(all.find(&facts, later).is_none());
    }

    #[test]
    fn ten_thousand_are_found_each_by_its_client() {
        let items: Vec<String> = (0..10_000u32)
            .map(|n| format!("clients = [\"10.{}.{}.0/24\"]", n >> 8, n & 0xff))
            .collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let all = exemptions(&items);
        for n in (0..10_000u32).step_by(97) {
            let client: IpAddr = format!("10.{}.{}.9", n >> 8, n & 0xff).parse().unwrap();
            let found = all.find(&Facts::new(client, None), now()).unwrap();
            assert_eq!(found.written.owner, format!("o{n}"));
        }
        assert_eq!(all.networks.len(), 10_000);
        assert_eq!(all.v4, [24]);
    }

    #[test]
    fn long_labels_are_cut_and_stay_apart() {
        assert_eq!(label("acme 10.0.0.0/8"), "acme 10.0.0.0/8");
        let long = |end: &str| label(&format!("acme {}{end}", "\u{e9}".repeat(150)));
        assert!(long("a").chars().count() < 130);
        assert_ne!(long("a"), long("b"));
    }
}

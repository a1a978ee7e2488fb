//! A running rehearsal: moves the clock, has everybody come, and compares what each saw, what was
//! counted and what was logged with what the programme says.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tlsfloor::rollout::{Clock, Share, Simulated};
use tokio::task::JoinSet;

use super::{
    clients::{self, Client, Fate, Seen, say},
    lines::Lines,
    programme::{Phase, Programme},
};
use crate::{
    admin::ask,
    support::{
        client::{TlsClient, plain_get},
        log::Log,
        proxy::Proxy,
        soon,
        terminator::Terminator,
        upstream::Upstream,
    },
};

/// Connections at one time.
const AT_ONCE: usize = 32;

/// Hellos by offered version, verdict, reason and lane.
type Counts = BTreeMap<String, f64>;

pub(super) struct Rehearsal {
    pub(super) programme: Programme,
    pub(super) proxy: Proxy,
    pub(super) terminator: Terminator,
    pub(super) lines: Lines,
    /// Connections to the TLS port so far.
    pub(super) made: usize,
    clients: Vec<Client>,
    /// What each sees where it talks to the terminator itself.
    direct: Vec<Vec<u8>>,
    clock: Simulated,
    now: Timestamp,
    share: Share,
    /// By failing client's address: connections so far, and how many of them were refused.
    pub(super) tally: BTreeMap<String, (u64, u64)>,
    /// Whether the configuration is read again before each round.
    reloads: bool,
}

impl Rehearsal {
    pub(super) async fn start(programme: Programme, terminator: Terminator, reloads: bool) -> Self {
        let log = Log::listen();
        let upstream = Upstream::text("new").await;
        let now = programme.at("01-01T00:00:00");
        let clock = Simulated::at(now);
        let text = programme.text(&upstream, &terminator);
        let proxy = Proxy::by_clock(&text, Clock::Simulated(clock.clone()));
        let clients = clients::all(programme);
        let mut direct = Vec::new();
        for client in &clients {
            let seen = say(terminator.address, client.address, &client.hello).await;
            direct.push(seen.shape().to_vec());
        }
        Self {
            programme,
            proxy,
            terminator,
            lines: Lines::new(programme, log),
            made: 0,
            clients,
            direct,
            clock,
            now,
            share: Programme::share(),
            tally: BTreeMap::new(),
            reloads,
        }
    }

    /// Clients that a stage refuses, by name.
    pub(super) fn refused(&self, phase: Phase) -> Vec<&str> {
        let is_refused =
            |one: &&Client| matches!(one.fate(phase, self.now, &self.share), Fate::Refused(_));
        self.clients.iter().filter(is_refused).map(|one| one.name.as_str()).collect()
    }

    /// How many see a ServerHello of the terminator.
    pub(super) fn greeted_by_terminator(&self) -> usize {
        let fail = self.clients.iter().zip(&self.direct).filter(|(one, _)| one.fails.is_some());
        fail.filter(|(_, direct)| direct.first() == Some(&0x16)).count()
    }

    /// A second before a boundary, at it, and a second after it.
    pub(super) async fn boundary(&mut self, when: &str, before: Phase, after: Phase) {
        let at = self.programme.at(when);
        for (seconds, phase) in [(-1, before), (0, after), (1, after)] {
            self.round(at + SignedDuration::from_secs(seconds), phase).await;
        }
    }

    /// It is this time.
    pub(super) async fn moves(&mut self, at: Timestamp) {
        assert!(at >= self.now, "{at} has passed");
        self.now = at;
        self.clock.set(at);
        if self.reloads {
            self.proxy.reload().await.unwrap();
        }
        self.proxy.rollouts().look();
    }

    /// Everybody comes once, and nobody sees anything but what the programme says.
    pub(super) async fn round(&mut self, at: Timestamp, phase: Phase) {
        self.moves(at).await;
        let before = self.counts().await;
        // Others have come since the last round.
        self.proxy.census().flush().await;
        self.lines.keep();
        let seen = self.come().await;
        self.has_seen(phase, &seen);
        let new = self.flush().await;
        self.has_logged(phase, &seen, &new);
        self.says(phase, &new);
        self.has_counted(phase, &before).await;
        self.shows(phase).await;
        self.control_group(phase).await;
    }

    /// The lines of this round, with the census's rows of all who fail. The control thread flushes
    /// too, so some of them may be on their way still.
    async fn flush(&mut self) -> Vec<Value> {
        let failing = self.clients.iter().filter(|one| one.fails.is_some()).count();
        let mut new = Vec::new();
        soon(async {
            while self.rows(&new).count() < failing {
                self.proxy.census().flush().await;
                new.extend(self.lines.keep());
            }
        })
        .await;
        new
    }

    /// Rows about clients of each round; others come in between.
    fn rows<'a>(&self, lines: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        let known: HashSet<_> = self.clients.iter().map(|one| one.address.to_string()).collect();
        let of_floor = |row: &&Value| row["event"] == "census" && row["policy"] == "floor";
        let rows = lines.iter().filter(of_floor);
        rows.filter(move |row| known.contains(row["client"].as_str().unwrap()))
    }

    async fn come(&mut self) -> Vec<Seen> {
        let all: Vec<_> = self.clients.iter().map(|one| (one.address, one.hello.clone())).collect();
        self.say_all(all).await
    }

    /// Each hello from its address, in whatever order.
    pub(super) async fn say_all(&mut self, all: Vec<(Ipv4Addr, Vec<u8>)>) -> Vec<Seen> {
        self.made += all.len();
        let (to, mut seen) = (self.proxy.https, Vec::new());
        let mut rest = all.into_iter().enumerate();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((index, (from, hello))) = rest.next()
            {
                running.spawn(async move { (index, say(to, from, &hello).await) });
            }
            match running.join_next().await {
                None => break,
                Some(one) => seen.push(one.unwrap()),
            }
        }
        seen.sort_by_key(|(index, _)| *index);
        seen.into_iter().map(|(_, seen)| seen).collect()
    }

    fn fates(&self, phase: Phase) -> impl Iterator<Item = (&Client, Fate)> {
        self.clients.iter().map(move |one| (one, one.fate(phase, self.now, &self.share)))
    }

    fn has_seen(&self, phase: Phase, seen: &[Seen]) {
        for (((client, fate), seen), direct) in self.fates(phase).zip(seen).zip(&self.direct) {
            let expected = match fate {
                Fate::Served => &[0x16, 3, 3],
                Fate::Spared => direct.as_slice(),
                Fate::Refused(_) => client.refusal.as_slice(),
            };
            let (name, now) = (&client.name, self.now);
            assert_eq!(seen.shape(), expected, "{name} at {now} in {phase:?}: {fate:?}");
        }
    }

    /// Each refusal has its line, and nobody else has one.
    fn has_logged(&self, phase: Phase, seen: &[Seen], lines: &[Value]) {
        let key = |line: &Value| {
            (line["client"].as_str().unwrap().to_owned(), line["port"].as_u64().unwrap())
        };
        let lines = lines.iter().filter(|line| line["event"] == "refused");
        let lines: HashMap<_, _> = lines.map(|line| (key(line), line)).collect();
        let mut refused = 0;
        for ((client, fate), seen) in self.fates(phase).zip(seen) {
            let line = lines.get(&(client.address.to_string(), seen.port.into()));
            let Fate::Refused(why) = fate else {
                assert!(line.is_none(), "{line:?} in {phase:?}");
                continue;
            };
            refused += 1;
            let line = line.unwrap_or_else(|| panic!("{} has no line", client.name));
            let reason = client.fails.as_deref().unwrap();
            for (key, value) in [
                ("why", why),
                ("lane", "refuse"),
                ("policy", "floor"),
                ("reason", reason),
                ("offered", client.offered.as_str()),
            ] {
                assert_eq!(line[key], value, "{key} of {} at {}: {line}", client.name, self.now);
            }
        }
        assert_eq!(lines.len(), refused, "{phase:?}");
    }

    /// The census has each failing client once, in its lane, and nobody else.
    fn says(&mut self, phase: Phase, lines: &[Value]) {
        let (mut said, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for row in self.rows(lines) {
            let word = |key: &str| row[key].as_str().unwrap().to_owned();
            let key = (word("client"), word("offered_max"), word("reason"), word("lane"));
            *said.entry(key).or_default() += row["count"].as_u64().unwrap();
        }
        for (client, fate) in self.fates(phase) {
            let Some(reason) = client.fails.clone() else { continue };
            let lane = if fate == Fate::Spared { "legacy" } else { "refuse" };
            let (address, offered) = (client.address.to_string(), client.offered.clone());
            expected.insert((address, offered, reason, lane.to_owned()), 1u64);
        }
        assert_eq!(said, expected, "{} in {phase:?}", self.now);
        for (client, _, _, lane) in expected.into_keys() {
            let (connections, refused) = self.tally.entry(client).or_default();
            *connections += 1;
            *refused += u64::from(lane == "refuse");
        }
    }

    async fn has_counted(&self, phase: Phase, before: &Counts) {
        let mut expected = before.clone();
        for (client, fate) in self.fates(phase) {
            let (verdict, lane) = match fate {
                Fate::Served => ("pass", "serve"),
                Fate::Spared => ("fail", "legacy"),
                Fate::Refused(_) => ("fail", "refuse"),
            };
            let (offered, reason) = (&client.offered, client.fails.as_deref().unwrap_or("none"));
            let labels = format!(
                "offered=\"{offered}\",verdict=\"{verdict}\",reason=\"{reason}\",lane=\"{lane}\""
            );
            *expected.entry(labels).or_default() += 1.0;
        }
        assert_eq!(self.counts().await, expected, "{} in {phase:?}", self.now);
    }

    pub(super) async fn counts(&self) -> Counts {
        let text = self.proxy.metrics().await;
        let samples = text.lines().filter_map(|line| {
            let (labels, value) =
                line.strip_prefix("tlsfloor_client_hellos_total{")?.split_once("} ")?;
            Some((labels.to_owned(), value.parse().unwrap()))
        });
        samples.collect()
    }

    /// The gauges.
    async fn shows(&self, phase: Phase) {
        let (percent, stage) = phase.refused();
        let metric = async |name: &str| self.proxy.metric(name).await;
        assert_eq!(metric("tlsfloor_rollout_percent").await, f64::from(percent), "{phase:?}");
        let series = format!("tlsfloor_rollout_stage{{stage=\"{stage}\"}}");
        assert_eq!(metric(&series).await, 1.0, "{phase:?}");
        let blown = f64::from(u8::from(phase == Phase::Fuse));
        assert_eq!(metric("tlsfloor_rollout_fuse_blown").await, blown, "{phase:?}");
    }

    /// Clients that hold the floor are served whatever the stage; those in clear go by their own.
    async fn control_group(&mut self, phase: Phase) {
        let only_12 = TlsClient::http1().only(&rustls::version::TLS12);
        for client in [only_12, TlsClient::http2()] {
            let answer = client.get(self.proxy.https, "/").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "new"), "{}", self.now);
            self.made += 1;
        }
        let plain = plain_get(self.proxy.http, "/a").await;
        assert_eq!(plain.status, phase.plain(), "in clear at {} in {phase:?}", self.now);
        match plain.status {
            200 => {
                assert_eq!(plain.text(), "new");
                let year = self.programme.year;
                assert!(plain.field("sunset").contains(&format!("25 Mar {year} 09:00:00 GMT")));
                assert!(plain.field("deprecation").starts_with('@'));
            }
            403 => {
                let until = format!("until {}-01-22T10:30:00Z", self.programme.year);
                assert!(plain.json()["detail"].as_str().unwrap().contains(&until));
            }
            _ => assert!(plain.field("location").starts_with("https://localhost")),
        }
    }

    /// An order as an operator gives it.
    pub(super) async fn order(&self, what: &str, body: &'static str) {
        let page = format!("/rollout/{what}");
        let answer = ask(self.proxy.admin, "POST", &page, &[], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.proxy.rollouts().look();
    }
}

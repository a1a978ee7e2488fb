//! The sums of all rows, in bounded memory: rows go in, nothing of them stays.
//!
//! Replicas simply add up, in any order. What is asked at the end (`answer`) is decided before the
//! first row only as far as it would cost memory: the policy, and by what clients are grouped.

use std::collections::{BTreeMap, HashSet};

use super::{
    By,
    exemptions::Exemptions,
    inventory::Inventory,
    programs::Programs,
    reading::Rows,
    record::{Record, Set, Texts},
    row::{Census, Lane, Row, text},
    series::Series,
    stages::Stages,
    table::Table,
    words::Words,
};
use crate::{label::Label, policy::Reason, stack::Stack, version::Offered};

/// The row that a census writes for what its own table could not hold.
const OTHER: &str = "other";
/// Clients that are told apart.
const CLIENTS: usize = 1 << 21;
/// Host names and fingerprints that are told apart.
const TEXTS: usize = 1 << 18;
/// Policies; they come from configurations.
const POLICIES: usize = 1 << 10;
/// Pairs of a client and a host name.
const PAIRS: usize = 1 << 22;

/// Everything that rows said.
pub(super) struct Tally {
    policy: String,
    by: By,
    pub(super) clients: Table,
    /// By host name, if that is asked; with the clients of each.
    pub(super) hosts: Table,
    pairs: HashSet<(u32, u32)>,
    pub(super) host_clients: Vec<u64>,
    pub(super) snis: Words,
    pub(super) ja4s: Words,
    pub(super) stacks: Vec<Record>,
    pub(super) reasons: Vec<u64>,
    pub(super) offered: Vec<u64>,
    pub(super) lanes: Vec<u64>,
    /// What fails each policy, the one asked for too.
    pub(super) policies: BTreeMap<String, u64>,
    pub(super) series: Series,
    pub(super) inventory: Inventory,
    pub(super) stages: Stages,
    pub(super) exemptions: Exemptions,
    pub(super) programs: Programs,
    /// Rows that counted: of the census and of totals.
    pub(super) rows: u64,
}

impl Rows for Tally {
    fn add(&mut self, row: &Row<'_>) {
        match row {
            Row::Census(census) => self.census(census),
            Row::Totals(totals) => {
                self.rows += 1;
                self.series.connections(totals.from, totals.to, totals.count);
                self.inventory.add(totals);
            }
            Row::Stage(stage) => self.stages.add(stage),
            Row::Exemption(exemption) => self.exemptions.add(exemption),
            Row::Legacy(legacy) => {
                if let Some(program) = &legacy.user_agent {
                    self.programs.add(legacy.client.as_str(), program.as_str());
                }
            }
            Row::Other => {}
        }
    }
}

impl Tally {
    pub(super) fn new(policy: &str, by: By) -> Self {
        Self {
            policy: policy.to_owned(),
            by,
            clients: Table::new(CLIENTS),
            hosts: Table::new(TEXTS),
            pairs: HashSet::new(),
            host_clients: Vec::new(),
            snis: Words::new(TEXTS),
            ja4s: Words::new(TEXTS),
            stacks: vec![Record::default(); Stack::ALL.len()],
            reasons: vec![0; Reason::ALL.len()],
            offered: vec![0; Offered::ALL.len()],
            lanes: vec![0; Lane::ALL.len()],
            policies: BTreeMap::new(),
            series: Series::default(),
            inventory: Inventory::new(),
            stages: Stages::default(),
            exemptions: Exemptions::default(),
            programs: Programs::default(),
            rows: 0,
        }
    }

    fn census(&mut self, row: &Census<'_>) {
        self.rows += 1;
        let policy = row.policy.as_str();
        if let Some(sum) = self.policies.get_mut(policy) {
            *sum = sum.saturating_add(row.count);
        } else if self.policies.len() < POLICIES {
            self.policies.insert(policy.to_owned(), row.count);
        }
        if policy != self.policy {
            return;
        }
        self.series.below(row.from, row.to, row.reason.0, row.count);
        add(&mut self.reasons, row.reason.0, row.count);
        add(&mut self.offered, row.offered_max.0, row.count);
        add(&mut self.lanes, row.lane.0, row.count);
        let stack = text(&row.stack).map_or(Stack::Unknown, Stack::from_word);
        let sni = text(&row.sni).and_then(|name| self.snis.number(name));
        let ja4 = text(&row.ja4).and_then(|ja4| self.ja4s.number(ja4));
        let texts = Texts { sni, ja4, stack };
        if let Some(record) = self.stacks.get_mut(stack.index()) {
            record.add(row, texts);
        }
        let client = self.client(row, texts);
        if self.by == By::Sni {
            self.host(row, texts, client);
        }
    }

    fn client(&mut self, row: &Census<'_>, texts: Texts) -> Option<u32> {
        if row.client.as_str() == OTHER {
            self.clients.other.add(row, texts);
            return None;
        }
        let (number, record) = self.clients.entry(row.client.as_str());
        record.add(row, texts);
        number
    }

    fn host(&mut self, row: &Census<'_>, texts: Texts, client: Option<u32>) {
        let (host, record) = self.hosts.entry(text(&row.sni).unwrap_or_default());
        record.add(row, texts);
        let (Some(host), Some(client)) = (host, client) else { return };
        self.host_clients.resize(self.hosts.len(), 0);
        if self.pairs.len() < PAIRS && self.pairs.insert((host, client)) {
            let at = usize::try_from(host).unwrap_or(usize::MAX);
            if let Some(clients) = self.host_clients.get_mut(at) {
                *clients += 1;
            }
        }
    }

    /// All that fails the policy.
    pub(super) fn below(&self) -> u64 {
        self.reasons.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Moves what stands behind a device that encrypts for many to that stack.
    pub(super) fn find_middleboxes(&mut self) {
        if self.programs.is_empty() {
            return;
        }
        for number in self.clients.order(|_every| true) {
            let programs = self.programs.of(self.clients.word(number));
            let Some(record) = self.clients.record_mut(number) else { continue };
            let mut stacks = record.stacks.of::<Stack>();
            // Only where the client has one hello is it sure what its programs share.
            let (Some(stack), None) = (stacks.next(), stacks.next()) else { continue };
            if stack.behind(programs) == stack {
                continue;
            }
            drop(stacks);
            record.stacks = Set::default();
            record.stacks.add(Stack::Middlebox);
            let moved = *record;
            if let Some(sum) = self.stacks.get_mut(stack.index()) {
                sum.leave(&moved);
            }
            if let Some(sum) = self.stacks.get_mut(Stack::Middlebox.index()) {
                sum.join(&moved);
            }
        }
    }
}

fn add<L: Label>(sums: &mut [u64], of: L, count: u64) {
    if let Some(sum) = sums.get_mut(of.index()) {
        *sum = sum.saturating_add(count);
    }
}

//! Who fails: clients, or what they are grouped by, with everything that is known of each.
//!
//! A line is made when it is written, from records of fixed size: there may be a million.

use std::{collections::HashMap, net::IpAddr};

use serde::{Serialize, Serializer};

use super::{
    By,
    moment::Moment,
    names::Names,
    record::{Record, Seen},
    table::Table,
    tally::Tally,
    words::Words,
};
use crate::{
    document::figures, label::Label, network::Network, policy::Reason, stack::Stack,
    version::Offered,
};

/// The blocks that addresses are grouped by, as a census with `privacy = "network"` has them.
const IPV4_BITS: u8 = 24;
const IPV6_BITS: u8 = 48;

/// Clients in groups; for clients themselves there is nothing to group.
pub(super) struct Groups {
    table: Option<Table>,
    /// How many clients each has.
    clients: Vec<u64>,
}

impl Groups {
    pub(super) fn of(tally: &mut Tally, by: By) -> Self {
        match by {
            By::Client => Self { table: None, clients: Vec::new() },
            By::Sni => {
                let table = std::mem::replace(&mut tally.hosts, Table::new(0));
                Self { table: Some(table), clients: std::mem::take(&mut tally.host_clients) }
            }
            By::Network => Self::networks(&tally.clients),
            By::Stack => Self::stacks(tally),
        }
    }

    fn networks(clients: &Table) -> Self {
        let mut table = Table::new(clients.len());
        let mut counts: HashMap<u32, u64> = HashMap::new();
        for (number, record) in clients.iter() {
            let (group, sum) = table.entry(&network(clients.word(number)));
            sum.join(record);
            if let Some(group) = group {
                *counts.entry(group).or_default() += 1;
            }
        }
        table.other.join(&clients.other);
        let numbers = table.iter().map(|(number, _)| number);
        let clients = numbers.map(|n| counts.get(&n).copied().unwrap_or(0)).collect();
        Self { table: Some(table), clients }
    }

    fn stacks(tally: &Tally) -> Self {
        let mut table = Table::new(Stack::ALL.len());
        let counts = clients_by_stack(&tally.clients);
        let mut clients = Vec::new();
        let sums = Stack::ALL.iter().zip(&tally.stacks).zip(counts);
        for ((stack, record), count) in sums.filter(|((_, record), _)| record.count > 0) {
            table.entry(stack.as_str()).1.join(record);
            clients.push(count);
        }
        Self { table: Some(table), clients }
    }
}

/// How many clients look like each stack; one with several hellos is with each of them.
pub(super) fn clients_by_stack(clients: &Table) -> Vec<u64> {
    let mut counts = vec![0; Stack::ALL.len()];
    for (_, record) in clients.iter() {
        for (count, stack) in counts.iter_mut().zip(Stack::ALL) {
            *count += u64::from(record.stacks.has(*stack));
        }
    }
    counts
}

/// The network of a client; a client that is none stays what it is.
fn network(client: &str) -> String {
    let Ok(block) = Network::parse(client) else {
        return client.to_owned();
    };
    let most = match block.address() {
        IpAddr::V4(_) => IPV4_BITS,
        IpAddr::V6(_) => IPV6_BITS,
    };
    Network::around(block.address(), block.bits().min(most)).to_string()
}

/// Everyone who fails, heaviest first.
pub(super) struct Who<'a> {
    by: By,
    table: &'a Table,
    groups: &'a Groups,
    texts: (&'a Words, &'a Words),
    names: &'a Names,
    order: Vec<u32>,
    top: Option<usize>,
    below: u64,
}

impl<'a> Who<'a> {
    pub(super) fn new(tally: &'a Tally, groups: &'a Groups, names: &'a Names, by: By) -> Self {
        let table = groups.table.as_ref().unwrap_or(&tally.clients);
        let order = table.order(|record| record.count > 0);
        Self {
            by,
            table,
            groups,
            texts: (&tally.snis, &tally.ja4s),
            names,
            order,
            top: None,
            below: tally.below(),
        }
    }

    /// Only so many of them in JSON and CSV.
    pub(super) fn limit(&mut self, top: Option<usize>) {
        self.top = top;
    }

    /// The customer's name of a client, or nothing.
    pub(super) fn name(&self, client: &str) -> &'a str {
        self.names.find(client).map_or("", |customer| &customer.name)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Those asked for, or all; the sum of the others as the last one, so that it adds up.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.first(self.top.unwrap_or(usize::MAX)).chain(self.rest())
    }

    /// The heaviest.
    pub(super) fn first(&self, top: usize) -> impl Iterator<Item = Line<'_>> {
        self.order.iter().take(top).map(|number| self.line(*number))
    }

    /// What is not among the lines.
    fn rest(&self) -> Option<Line<'_>> {
        let mut rest = self.table.other;
        let mut clients = 0;
        for number in self.order.iter().skip(self.top.unwrap_or(usize::MAX)) {
            rest.join(self.table.record(*number));
            clients += self.clients(*number);
        }
        (rest.count > 0).then(|| Line { key: "other", ..self.of(&rest, clients) })
    }

    fn line(&self, number: u32) -> Line<'_> {
        let key = self.table.word(number);
        let customer = match self.by {
            By::Client | By::Network => self.names.find(key),
            By::Sni | By::Stack => None,
        };
        Line {
            key,
            name: customer.map_or("", |customer| &customer.name),
            contact: customer.map_or("", |customer| &customer.contact),
            ..self.of(self.table.record(number), self.clients(number))
        }
    }

    fn clients(&self, number: u32) -> u64 {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        match self.by {
            By::Client => 1,
            _ => self.groups.clients.get(at).copied().unwrap_or(0),
        }
    }

    fn of(&self, record: &Record, clients: u64) -> Line<'a> {
        let (snis, ja4s) = self.texts;
        let stacks: Vec<Stack> = record.stacks.of().collect();
        Line {
            key: "",
            name: "",
            contact: "",
            clients,
            connections: record.count,
            share: figures::share(record.count, self.below),
            refused: record.refused,
            legacy: record.legacy,
            first_seen: record.first,
            last_seen: record.last,
            offered: record.offered.words::<Offered>(),
            reasons: record.reasons.words::<Reason>(),
            sni: several(snis, record.sni),
            ja4: several(ja4s, record.ja4),
            stack: record.stacks.words::<Stack>(),
            looks: looks(&stacks),
            remedy: stacks.first().map_or("", |stack| &stack.remedy().fix),
        }
    }
}

/// The first text, and whether there are more.
fn several(words: &Words, seen: Seen) -> String {
    let first = seen.first().map_or("", |number| words.word(number));
    match seen {
        Seen::Several(_) => format!("{first} ..."),
        _ => first.to_owned(),
    }
}

fn looks(stacks: &[Stack]) -> String {
    match stacks {
        [] => String::new(),
        [stack] => stack.phrase().to_owned(),
        [first, rest @ ..] => format!("{}, and {} more", first.phrase(), rest.len()),
    }
}

/// One who fails.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "who")]
    pub(super) key: &'a str,
    pub(super) name: &'a str,
    pub(super) contact: &'a str,
    pub(super) clients: u64,
    pub(super) connections: u64,
    /// Of all that fail.
    pub(super) share: f64,
    pub(super) refused: u64,
    pub(super) legacy: u64,
    pub(super) first_seen: Moment,
    pub(super) last_seen: Moment,
    pub(super) offered: String,
    pub(super) reasons: String,
    pub(super) sni: String,
    pub(super) ja4: String,
    pub(super) stack: String,
    #[serde(rename = "looks_like")]
    pub(super) looks: String,
    pub(super) remedy: &'a str,
}

impl Serialize for Who<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn networks_of_clients() {
        for (client, expected) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.0.0/16", "203.0.0.0/16"),
            ("2001:db8:1:2::7", "2001:db8:1::/48"),
            ("9f0c4e", "9f0c4e"),
        ] {
            assert_eq!(network(client), expected);
        }
    }
}

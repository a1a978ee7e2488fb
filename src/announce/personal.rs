//! What logs know of one customer: which addresses, which software, when, and by what refused.
//!
//! Takes rows one by one and keeps sums of bounded size. Only rows of the floor count; what a log
//! says of anybody else is passed over and can never get into the text.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    calendar::{Windows, date},
    pages::Subject,
};
use crate::{
    config::Config,
    document::{
        Document, Section, Table,
        figures::{counted, thousands},
    },
    label::Label,
    network::Network,
    report::{Census, FLOOR, Lane, Moment, Row, Rows, field},
    stack::{Layer, Stack},
    version::Offered,
};

/// Clients, host names and kinds of software that are told apart.
const LINES: usize = 1000;
/// Brownouts that are named.
const BROWNOUTS: usize = 200;

/// What makes a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    client: String,
    sni: String,
    offered: Offered,
    stack: Stack,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    refused: u64,
    first: Option<Moment>,
    last: Option<Moment>,
}

impl Sum {
    fn add(&mut self, row: &Census<'_>) {
        self.count = self.count.saturating_add(row.count);
        if row.lane.0 == Lane::Refuse {
            self.refused = self.refused.saturating_add(row.count);
        }
        self.first = Some(self.first.map_or(row.from, |first| first.min(row.from)));
        self.last = Some(self.last.map_or(row.to, |last| last.max(row.to)));
    }
}

/// One customer's rows.
pub(super) struct Customer<'a> {
    network: Network,
    config: &'a Config,
    lines: BTreeMap<Key, Sum>,
    /// Rows beyond the lines that there is room for.
    others: Sum,
    all: Sum,
    brownouts: BTreeMap<(i64, i64), u64>,
}

impl Rows for Customer<'_> {
    fn add(&mut self, row: &Row<'_>) {
        match row {
            Row::Census(census) if census.policy.as_str() == FLOOR && self.has(census) => {
                self.census(census);
            }
            _ => {}
        }
    }
}

impl<'a> Customer<'a> {
    pub(super) fn new(network: Network, config: &'a Config) -> Self {
        let (others, all) = (Sum::default(), Sum::default());
        Self { network, config, lines: BTreeMap::new(), others, all, brownouts: BTreeMap::new() }
    }

    /// Whether there is anything to tell.
    pub(super) fn is_known(&self) -> bool {
        self.all.count > 0
    }

    /// An address, or the block that a census with `privacy = "network"` has.
    fn has(&self, row: &Census<'_>) -> bool {
        let client = row.client.as_str();
        match client.parse::<IpAddr>() {
            Ok(address) => self.network.contains(address.to_canonical()),
            Err(_) => Network::parse(client).is_ok_and(|block| {
                block.bits() >= self.network.bits() && self.network.contains(block.address())
            }),
        }
    }

    fn census(&mut self, row: &Census<'_>) {
        let key = Key {
            client: row.client.as_str().to_owned(),
            sni: field(&row.sni).unwrap_or_default().to_owned(),
            offered: row.offered_max.0,
            stack: Stack::from_word(field(&row.stack).unwrap_or_default()),
        };
        self.all.add(row);
        if self.lines.len() < LINES || self.lines.contains_key(&key) {
            self.lines.entry(key).or_default().add(row);
        } else {
            self.others.add(row);
        }
        if row.lane.0 == Lane::Refuse {
            self.hit(row);
        }
    }

    /// A row may span more than a brownout, so this says "while", never "by".
    fn hit(&mut self, row: &Census<'_>) {
        let schedule = &self.config.rollout.schedule;
        let (from, to) = (i64::from(row.from.0), i64::from(row.to.0));
        let windows = schedule.brownouts.iter().filter_map(|one| Windows::of(one, schedule));
        let Some(window) = windows.filter_map(|windows| windows.meeting(from, to)).min() else {
            return;
        };
        if self.brownouts.len() < BROWNOUTS || self.brownouts.contains_key(&window) {
            let count = self.brownouts.entry(window).or_default();
            *count = count.saturating_add(row.count);
        }
    }

    /// The notice of this customer.
    pub(super) fn document(&self, subject: &Subject<'_>) -> Document {
        let last = self.all.last.map_or_else(String::new, |last| date(i64::from(last.0)));
        let mut sections = vec![self.seen(), self.refused()];
        sections.extend(self.stacks());
        sections.extend([subject.when(), subject.test(), subject.contact()]);
        sections.retain(|section| section.heading != REFUSED || !section.table.rows.is_empty());
        Document {
            title: format!("{} end: what it means for {}", subject.versions(), self.network),
            headline: format!(
                "{} from {} in your network could not have been served by TLS {}; the last on {last}.",
                counted(self.all.count, "connection"),
                self.addresses(),
                self.config.tls.minimum
            ),
            notes: vec![
                "All times are UTC. What software it is, is guessed from its hello.".into(),
            ],
            sections,
        }
    }

    /// Those that there was room for.
    fn addresses(&self) -> String {
        let mut clients: Vec<_> = self.lines.keys().map(|key| &key.client).collect();
        clients.dedup();
        match (clients.len(), self.others.count) {
            (1, 0) => "1 address".to_owned(),
            (count, 0) => format!("{count} addresses"),
            (count, _) => format!("at least {count} addresses"),
        }
    }

    fn seen(&self) -> Section {
        let moment = |at: Option<Moment>| at.map_or_else(String::new, |at| date(i64::from(at.0)));
        let cells = |sum: &Sum| {
            let (count, refused) = (thousands(sum.count), thousands(sum.refused));
            [count, refused, moment(sum.first), moment(sum.last)]
        };
        let line = |(key, sum): (&Key, &Sum)| {
            let name = key.stack.phrase().to_owned();
            let offered = key.offered.as_str().to_owned();
            let mut row = vec![key.client.clone(), key.sni.clone(), offered, name];
            row.extend(cells(sum));
            row
        };
        let mut rows: Vec<_> = self.lines.iter().map(line).collect();
        if self.others.count > 0 {
            let mut row =
                vec!["all others".to_owned(), String::new(), String::new(), String::new()];
            row.extend(cells(&self.others));
            rows.push(row);
        }
        let titles = [
            "address",
            "host",
            "offers at most",
            "software",
            "#connections",
            "#refused",
            "first seen",
            "last seen",
        ];
        let table = Table::new(&titles).with(rows).without_empty();
        Section { heading: "What we have seen of you".to_owned(), table, ..Section::default() }
    }

    fn refused(&self) -> Section {
        let row = |((from, until), count): (&(i64, i64), &u64)| {
            vec![format!("{} to {}", date(*from), date(*until)), thousands(*count)]
        };
        let table = Table::new(&["brownout", "#refused while it lasted"]);
        let table = table.with(self.brownouts.iter().map(row));
        Section { heading: REFUSED.to_owned(), table, ..Section::default() }
    }

    fn stacks(&self) -> impl Iterator<Item = Section> {
        let mut stacks: Vec<Stack> = self.lines.keys().map(|key| key.stack).collect();
        stacks.sort();
        stacks.dedup();
        stacks.into_iter().map(|stack| {
            let remedy = stack.remedy();
            let row =
                |layer: &Layer| vec![layer.title().to_owned(), remedy.layer(*layer).to_owned()];
            let name = remedy.phrase.trim_start_matches("looks like ");
            Section {
                heading: format!("What to do: {name}"),
                sentences: vec![remedy.what.clone(), format!("In short: {}.", remedy.fix)],
                table: Table::new(&["layer", "what to do"]).with(Layer::ALL.iter().map(row)),
                links: remedy.links.clone(),
                ..Section::default()
            }
        })
    }
}

const REFUSED: &str = "When you were refused";

//! The inventory of protocols and cipher suites in use, as PCI DSS 4.0.1 requirement 12.3.3 asks
//! for one that is reviewed every year.
//!
//! It says what connections had, not what is configured: what nobody uses does not stand in it.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::Serialize;

use super::{inventory::InUse, moment::Moment, row::Lane};
use crate::document::{
    Document, Section, Table,
    figures::{percent, short, thousands},
};

/// The inventory.
#[derive(Serialize)]
pub(super) struct Evidence<'a> {
    pub(super) from: Moment,
    pub(super) to: Moment,
    pub(super) connections: u64,
    pub(super) in_use: Vec<InUse<'a>>,
}

impl Evidence<'_> {
    /// The inventory in words.
    pub(super) fn pages(&self) -> Document {
        let lane = |lane| self.in_use.iter().filter(move |used: &&InUse<'_>| is(used, lane));
        let served: u64 = lane(Lane::Serve).map(|used| used.connections).sum();
        let sections = [
            self.section(Lane::Serve, "Protocols and cipher suites in use", "Terminated here."),
            self.section(
                Lane::Legacy,
                "Passed on to the legacy terminator",
                "What is agreed on there is not seen here; its own inventory has to say it.",
            ),
            self.section(Lane::Refuse, "Refused", "No data was exchanged over these."),
        ];
        let filled = sections.into_iter().filter(|section| !section.table.rows.is_empty());
        Document {
            title: "Inventory of TLS protocols and cipher suites in use".to_owned(),
            headline: format!(
                "{} of {} connections were terminated here, with the protocols and suites below.",
                short(served),
                short(self.connections)
            ),
            notes: vec![
                format!("From {} to {} UTC.", self.from.short(), self.to.short()),
                "For PCI DSS 4.0.1 requirement 12.3.3: review it at least every 12 months, and add \
                 purpose and place of use."
                    .to_owned(),
            ],
            sections: filled.collect(),
        }
    }

    /// What is agreed on where it is agreed on here, else what was offered.
    fn section(&self, lane: Lane, heading: &str, sentence: &str) -> Section {
        let mut sums: BTreeMap<[&str; 2], InUse<'_>> = BTreeMap::new();
        for used in self.in_use.iter().filter(|used| is(used, lane)) {
            let key =
                if lane == Lane::Serve { [used.version, used.cipher] } else { [used.offered, ""] };
            match sums.entry(key) {
                Entry::Vacant(place) => drop(place.insert(used.clone())),
                Entry::Occupied(mut sum) => sum.get_mut().join(used),
            }
        }
        let rows = sums.iter().rev().map(|([version, cipher], used)| {
            let [version, cipher] = [version, cipher].map(|word| (*word).to_owned());
            let numbers =
                [thousands(used.connections), percent(used.connections, self.connections)];
            let [connections, share] = numbers;
            vec![version, cipher, connections, share, used.first.date(), used.last.date()]
        });
        let version = if lane == Lane::Serve { "TLS" } else { "highest offered" };
        let titles = [version, "cipher suite", "#connections", "#share", "first seen", "last seen"];
        Section {
            heading: heading.to_owned(),
            sentences: vec![sentence.to_owned()],
            table: Table::new(&titles).with(rows).without_empty(),
            ..Section::default()
        }
    }
}

fn is(used: &InUse<'_>, lane: Lane) -> bool {
    used.lane == lane.as_str()
}

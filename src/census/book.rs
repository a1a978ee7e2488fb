//! The table with its sums: nothing that was noted is ever lost, it is only told less precisely.
//!
//! One a census, behind its lock. What a row has not told yet when it is driven out goes to the sums
//! of all others, so that what is flushed adds up to what was noted.

use std::{collections::HashMap, sync::Arc};

use super::{
    row::{Circumstances, Client, Key, LANES, Row, short},
    settings::Settings,
    table::{Place, Table},
};
use crate::{
    hello::{Hello, Ja4},
    io::ClientAddr,
    label::Label,
    metrics::LaneKind,
    policy::Reason,
    stack::Stack,
    version::Offered,
};

/// A client that fails something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    /// Who.
    pub client: ClientAddr,
    /// What it sent, where that could be read; with its fingerprint.
    pub hello: Option<(&'a Hello, Ja4)>,
    /// What happens to it.
    pub lane: LaneKind,
}

/// What is summed up beside the rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub policy: Arc<str>,
    pub reason: Reason,
    pub lane: LaneKind,
    pub offered: Offered,
}

/// A group's sightings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// All of them.
    pub noted: u64,
    /// Those that no row tells, since the last flush.
    pub fresh: u64,
}

/// Everything that was noted by one set of settings.
#[derive(Debug)]
pub(super) struct Book {
    pub settings: Arc<Settings>,
    table: Table,
    sums: HashMap<Group, Sum>,
    /// How many rows were driven out.
    pub evicted: u64,
}

/// A row as it is told: what has been noted since it was told last, in one lane.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// None: all that no row tells.
    pub row: Option<Row>,
    pub group: Group,
    pub count: u64,
}

impl Book {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let table = Table::new(settings.rows);
        Self { settings, table, sums: HashMap::new(), evicted: 0 }
    }

    /// Notes what a client fails, at this second.
    pub(super) fn note<'p>(
        &mut self,
        sighting: &Sighting<'_>,
        at: u32,
        failed: impl Iterator<Item = (&'p Arc<str>, Reason)>,
    ) {
        let Sighting { client, hello, lane } = *sighting;
        let offered = hello.map_or(Offered::None, |(hello, _)| hello.offered());
        let sni = hello.and_then(|(hello, _)| hello.sni.as_ref());
        let sni = sni.map(|name| short(name.as_str()));
        let ja4 = hello.map(|(_, ja4)| ja4);
        let stack = || hello.map_or(Stack::Unknown, |(hello, _)| Stack::guess(hello));
        let seen = Circumstances { lane, port: client.port, at };
        let client = self.settings.mask.client(client.ip);
        for (policy, reason) in failed {
            let group = Group { policy: Arc::clone(policy), reason, lane, offered };
            let key = Key { client, sni, ja4, offered, policy, reason };
            let place = self.table.see(&key, policy, seen, stack);
            let sum = self.sums.entry(group).or_default();
            sum.noted += 1;
            match place {
                Place::Row(None) => {}
                Place::None => sum.fresh += 1,
                Place::Row(Some(gone)) => {
                    self.evicted += 1;
                    self.give_up(&gone);
                }
            }
        }
    }

    fn give_up(&mut self, row: &Row) {
        for (lane, fresh) in LaneKind::ALL.iter().zip(row.fresh).filter(|(_, fresh)| *fresh > 0) {
            self.sums.entry(group(row, *lane)).or_default().fresh += u64::from(fresh);
        }
    }

    /// What `length` rows from a place on have to tell since they were asked last.
    pub(super) fn tell(&mut self, from: usize, length: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for (row, _) in self.table.part(from, length) {
            let fresh = std::mem::replace(&mut row.fresh, [0; LANES]);
            for (lane, fresh) in LaneKind::ALL.iter().zip(fresh).filter(|(_, fresh)| *fresh > 0) {
                let (group, count) = (group(row, *lane), fresh.into());
                told.push(Told { row: Some(row.clone()), group, count });
            }
        }
        told
    }

    /// What no row tells, since it was asked last.
    pub(super) fn tell_others(&mut self) -> Vec<Told> {
        let with_news = self.sums.iter_mut().filter(|(_, sum)| sum.fresh > 0);
        let told = with_news.map(|(group, sum)| {
            let count = std::mem::take(&mut sum.fresh);
            Told { row: None, group: group.clone(), count }
        });
        told.collect()
    }

    /// Copies of rows from a place on, with their counts.
    pub(super) fn rows(&mut self, from: usize, length: usize) -> Vec<(Row, u64)> {
        self.table.part(from, length).map(|(row, count)| (row.clone(), count)).collect()
    }

    /// Each row's client and fingerprint, and how often it was seen for sure.
    pub(super) fn weights(&mut self) -> Vec<(Client, Option<Ja4>, u64)> {
        let all = self.table.part(0, usize::MAX);
        all.map(|(row, count)| (row.client, row.ja4, count.saturating_sub(row.error))).collect()
    }

    /// Everything that was noted.
    pub(super) fn sums(&self) -> Vec<(Group, Sum)> {
        self.sums.iter().map(|(group, sum)| (group.clone(), *sum)).collect()
    }

    /// How many rows there are, and how many there can be.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.table.len(), self.table.most())
    }

    /// What it takes of memory at the most; the sums are as many as policies make.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.sums.capacity() * size_of::<(Group, Sum)>() * 8 / 7
    }
}

fn group(row: &Row, lane: LaneKind) -> Group {
    let Row { policy, reason, offered, .. } = row;
    Group { policy: Arc::clone(policy), reason: *reason, lane, offered: *offered }
}

//! What the rows of a fleet answer, in figures: the JSON form is this and nothing else.
//!
//! Made once all rows are read; `pages` puts it into words.

use serde::Serialize;

use super::{
    By, Damaged,
    exemptions::Exemption,
    moment::Moment,
    row::Lane,
    series::Sums,
    stages::Brownout,
    tally::Tally,
    who::{Who, clients_by_stack},
};
use crate::{document::figures, label::Label, policy::Reason, stack::Stack, version::Offered};

/// The longest time before and after a brownout that is compared.
const WINDOW: u32 = super::moment::DAY;

/// Everything.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub(super) policy: &'a str,
    pub(super) from: Moment,
    pub(super) to: Moment,
    /// All connections, from `totals` rows; nothing where a log has none.
    pub(super) connections: Option<u64>,
    /// Those that fail the floor by `totals` rows, to be held against `below`.
    pub(super) failed: Option<u64>,
    /// Those that fail the policy, from `census` rows.
    pub(super) below: u64,
    /// Of them from clients that no table had room for.
    pub(super) below_other: u64,
    pub(super) clients: u64,
    pub(super) lanes: Vec<Count<'a>>,
    pub(super) reasons: Vec<Count<'a>>,
    pub(super) offered: Vec<Count<'a>>,
    pub(super) days: Vec<Day>,
    pub(super) stacks: Vec<StackSum>,
    pub(super) stage: Option<StageNow<'a>>,
    pub(super) since_brownout: Option<Since<'a>>,
    pub(super) exemptions: Vec<Exemption>,
    pub(super) policies: Vec<Count<'a>>,
    pub(super) by: By,
    pub(super) who: Who<'a>,
    pub(super) damaged: &'a Damaged,
}

/// So many of one word.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Count<'a> {
    #[serde(rename = "name")]
    pub(super) word: &'a str,
    pub(super) connections: u64,
}

/// One day.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Day {
    pub(super) day: String,
    pub(super) connections: u64,
    pub(super) below: u64,
    pub(super) reasons: Vec<Count<'static>>,
}

/// Who looks like one stack.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StackSum {
    #[serde(serialize_with = "word")]
    pub(super) stack: Stack,
    pub(super) looks_like: &'static str,
    pub(super) evidence: Option<&'static str>,
    pub(super) clients: u64,
    pub(super) connections: u64,
    pub(super) remedy: &'static crate::stack::Remedy,
}

fn word<S: serde::Serializer>(stack: &Stack, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(stack.as_str())
}

/// Where the rollout stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StageNow<'a> {
    pub(super) stage: &'a str,
    pub(super) since: Moment,
}

/// What changed since the last brownout.
#[derive(Serialize)]
pub(super) struct Since<'a> {
    pub(super) brownout: Brownout,
    pub(super) before: Window,
    pub(super) after: Window,
    /// Clients seen before it, and not since its end.
    pub(super) vanished: u64,
    /// Clients seen before it, and again since its end.
    pub(super) back: u64,
    /// Clients first seen since its end.
    pub(super) new: u64,
    pub(super) most_vanished: Vec<Client<'a>>,
    pub(super) most_back: Vec<Client<'a>>,
}

/// A client by name.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Client<'a> {
    pub(super) client: &'a str,
    pub(super) name: &'a str,
    pub(super) connections: u64,
    pub(super) last_seen: Moment,
}

/// A time that is compared with another one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Window {
    pub(super) from: Moment,
    pub(super) to: Moment,
    pub(super) connections: u64,
    pub(super) below: u64,
    pub(super) below_per_hour: f64,
}

impl<'a> Answer<'a> {
    /// From a tally that is complete; `top` clients are named where clients are.
    pub(super) fn of(
        policy: &'a str,
        tally: &'a Tally,
        exemptions: Vec<Exemption>,
        who: Who<'a>,
        by: By,
        damaged: &'a Damaged,
        top: usize,
    ) -> Self {
        let (from, to) = tally.series.all().unwrap_or_default();
        let sums = tally.inventory.sums();
        Self {
            policy,
            from,
            to,
            connections: sums.map(|(all, _)| all),
            failed: sums.map(|(_, failed)| failed),
            below: tally.below(),
            below_other: tally.clients.other.count,
            clients: u64::try_from(tally.clients.len()).unwrap_or(u64::MAX),
            lanes: counts::<Lane>(&tally.lanes),
            reasons: counts::<Reason>(&tally.reasons),
            offered: counts::<Offered>(&tally.offered),
            days: days(tally),
            stacks: stacks(tally),
            stage: tally.stages.latest().map(|(since, stage)| StageNow { stage, since }),
            since_brownout: since(tally, &who, top),
            exemptions,
            policies: policies(tally),
            by,
            who,
            damaged,
        }
    }
}

fn counts<'a, L: Label>(sums: &[u64]) -> Vec<Count<'a>> {
    let pairs = L::ALL.iter().zip(sums).filter(|(_, count)| **count > 0);
    pairs.map(|(of, count)| Count { word: of.as_str(), connections: *count }).collect()
}

fn policies(tally: &Tally) -> Vec<Count<'_>> {
    let all = tally.policies.iter();
    all.map(|(word, connections)| Count { word, connections: *connections }).collect()
}

fn days(tally: &Tally) -> Vec<Day> {
    let day = |(at, Sums { connections, below }, reasons): (Moment, Sums, &[u64])| Day {
        day: at.date(),
        connections,
        below,
        reasons: counts::<Reason>(reasons),
    };
    tally.series.days().map(day).collect()
}

fn stacks(tally: &Tally) -> Vec<StackSum> {
    let clients = clients_by_stack(&tally.clients);
    let all = Stack::ALL.iter().zip(&tally.stacks).zip(clients);
    let sum = |((stack, record), clients): ((&Stack, &super::record::Record), u64)| StackSum {
        stack: *stack,
        looks_like: stack.phrase(),
        evidence: stack.evidence(),
        clients,
        connections: record.count,
        remedy: stack.remedy(),
    };
    let mut sums: Vec<_> = all.map(sum).filter(|sum| sum.connections > 0).collect();
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.connections));
    sums
}

/// Compares the times around the last brownout: as long after it as before it, at most a day, and
/// nothing that another brownout colours.
fn since<'a>(tally: &'a Tally, who: &Who<'a>, top: usize) -> Option<Since<'a>> {
    let all = tally.stages.brownouts();
    let (last, earlier) = all.split_last()?;
    let (start, data_end) = (last.from, tally.series.all()?.1);
    let end = last.to.unwrap_or(data_end);
    let previous = earlier.last().and_then(|brownout| brownout.to).unwrap_or_default();
    let after = data_end.0.saturating_sub(end.0).min(WINDOW);
    let before = if after == 0 { WINDOW } else { after };
    let before = before.min(start.0.saturating_sub(previous.0));
    let clients = &tally.clients;
    let named = |choose: &dyn Fn(&super::record::Record) -> bool| {
        let order = clients.order(choose);
        let first = order.iter().take(top).map(|number| {
            let (client, record) = (clients.word(*number), clients.record(*number));
            let (connections, last_seen) = (record.count, record.last);
            Client { client, name: who.name(client), connections, last_seen }
        });
        (u64::try_from(order.len()).unwrap_or(u64::MAX), first.collect())
    };
    let (vanished, most_vanished) = named(&|record| record.first < start && record.again < end);
    let (back, most_back) = named(&|record| record.first < start && record.again >= end);
    let new = clients.iter().filter(|(_, record)| record.first >= end).count();
    Some(Since {
        brownout: *last,
        before: window(tally, Moment(start.0.saturating_sub(before)), start),
        after: window(tally, end, Moment(end.0.saturating_add(after))),
        vanished,
        back,
        new: u64::try_from(new).unwrap_or(u64::MAX),
        most_vanished,
        most_back,
    })
}

fn window(tally: &Tally, from: Moment, to: Moment) -> Window {
    let Sums { connections, below } = tally.series.window(from, to);
    let below_per_hour = figures::per_hour(below, to.0.saturating_sub(from.0));
    Window { from, to, connections, below, below_per_hour }
}

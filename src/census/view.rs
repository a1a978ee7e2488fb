//! The census as `/census` shows it: the heaviest rows that a query asks for, and the sums.
//!
//! Asked by the admin port, on its thread. The book is locked for a part of the rows at a time.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Census, doubt,
    flush::PART,
    locked,
    row::{Client, Row},
};
use crate::{
    hello::Ja4,
    label::Label,
    metrics::LaneKind,
    network::{self, Network},
    policy::Reason,
    stack::Stack,
};

/// Rows that are shown where nothing is asked.
const LIMIT: usize = 100;

/// Why a query shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum BadFilter {
    /// A name that there is not.
    #[error(
        "found the filter \"{0}\", expected client, sni, ja4, policy, reason, lane, stack or limit"
    )]
    Unknown(String),
    /// A word that none of its kind is.
    #[error("found {0} = \"{1}\", expected one of {2}")]
    Word(&'static str, String, String),
    /// No number of rows.
    #[error("found limit = \"{0}\", expected a number of rows")]
    Limit(String),
}

/// Which rows are asked for.
#[derive(Debug)]
struct Filter {
    client: Option<(String, Option<Network>)>,
    sni: Option<String>,
    ja4: Option<String>,
    policy: Option<String>,
    reason: Option<Reason>,
    lane: Option<LaneKind>,
    stack: Option<Stack>,
    limit: usize,
}

impl Filter {
    /// Of pairs of a name and a value.
    fn new(pairs: &[(String, String)]) -> Result<Self, BadFilter> {
        let mut filter = Self {
            client: None,
            sni: None,
            ja4: None,
            policy: None,
            reason: None,
            lane: None,
            stack: None,
            limit: LIMIT,
        };
        for (name, value) in pairs {
            let text = || Some(value.to_owned());
            match name.as_str() {
                "client" => filter.client = Some((value.clone(), Network::parse(value).ok())),
                "sni" => filter.sni = Some(value.to_ascii_lowercase()),
                "ja4" => filter.ja4 = text(),
                "policy" => filter.policy = text(),
                "reason" => filter.reason = Some(word("reason", value)?),
                "lane" => filter.lane = Some(word("lane", value)?),
                "stack" => filter.stack = Some(word("stack", value)?),
                "limit" => {
                    let bad = |_no_number| BadFilter::Limit(value.clone());
                    filter.limit = value.parse().map_err(bad)?;
                }
                _ => return Err(BadFilter::Unknown(name.clone())),
            }
        }
        Ok(filter)
    }

    fn takes(&self, row: &Row) -> bool {
        fn is<T: PartialEq>(asked: Option<T>, has: T) -> bool {
            asked.is_none_or(|asked| asked == has)
        }
        self.client.as_ref().is_none_or(|(text, network)| is_of(row.client, text, *network))
            && is(self.sni.as_deref(), row.sni.as_deref().unwrap_or_default())
            && is(self.ja4.as_deref(), row.ja4.as_ref().map_or("", Ja4::as_str))
            && is(self.policy.as_deref(), &row.policy)
            && is(self.reason, row.reason)
            && is(self.lane, row.lane)
            && is(self.stack, row.stack)
    }
}

/// By its name, or by a network that has it.
fn is_of(client: Client, text: &str, network: Option<Network>) -> bool {
    match (client, network) {
        (Client::Block(block), Some(network)) => {
            network.bits() <= block.bits() && network::any_has(&[network], block.address())
                || block.bits() <= network.bits() && block.contains(network.address())
        }
        _ => client.to_string() == text,
    }
}

fn word<L: Label>(name: &'static str, value: &str) -> Result<L, BadFilter> {
    L::named(value).ok_or_else(|| {
        let words: Vec<_> = L::ALL.iter().map(|one| one.as_str()).collect();
        BadFilter::Word(name, value.to_owned(), words.join(", "))
    })
}

impl Census {
    /// What `/census` shows of the rows that `pairs` ask for.
    ///
    /// # Errors
    /// Where a pair asks for what there is not.
    pub fn view(&self, pairs: &[(String, String)]) -> Result<Value, BadFilter> {
        let filter = Filter::new(pairs)?;
        let (mut found, mut from) = (Vec::new(), 0);
        loop {
            let part = locked(&self.book).rows(from, PART);
            if part.is_empty() {
                break;
            }
            from += PART;
            found.extend(part.into_iter().filter(|(row, _)| filter.takes(row)));
        }
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let matched: u64 = found.iter().map(|(row, count)| count.saturating_sub(row.error)).sum();
        let shown: Vec<_> = found.iter().take(filter.limit).map(shown).collect();
        let mut page = self.frame();
        if let Value::Object(page) = &mut page {
            page.insert("matched".into(), json!({ "rows": found.len(), "count": matched }));
            page.insert("clients".into(), json!(shown));
        }
        Ok(page)
    }

    /// What there is to say of it as a whole.
    fn frame(&self) -> Value {
        let mut book = locked(&self.book);
        let (rows, most) = book.size();
        let warning = doubt::find(&mut book).map(|doubt| doubt.to_string());
        let (sums, evicted) = (book.sums(), book.evicted);
        let (bytes, privacy) = (book.bytes(), book.settings.mask.as_str());
        drop(book);
        let flushed = *locked(&self.since);
        let mut totals: Vec<_> = sums
            .iter()
            .map(|(group, sum)| {
                json!({
                    "policy": &*group.policy,
                    "reason": group.reason.as_str(),
                    "lane": group.lane.as_str(),
                    "offered_max": group.offered.as_str(),
                    "count": sum.noted,
                })
            })
            .collect();
        totals.sort_by_key(|total| std::cmp::Reverse(total["count"].as_u64()));
        json!({
            "since": self.began.to_string(),
            "flushed": flushed.to_string(),
            "privacy": privacy,
            "rows": rows,
            "most": most,
            "bytes": bytes,
            "evicted": evicted,
            "warning": warning,
            "totals": totals,
        })
    }
}

fn shown((row, count): &(Row, u64)) -> Value {
    let moment = |second: u32| Timestamp::from_second(second.into()).ok();
    let moment = |second| moment(second).map(|at| at.to_string());
    json!({
        "client": row.client.to_string(),
        "sni": row.sni,
        "offered_max": row.offered.as_str(),
        "ja4": row.ja4.as_ref().map(Ja4::as_str),
        "policy": &*row.policy,
        "reason": row.reason.as_str(),
        "lane": row.lane.as_str(),
        "count": count,
        // The count may be too high by so much.
        "error": row.error,
        "first": moment(row.first),
        "last": moment(row.last),
        "ports": row.ports().collect::<Vec<_>>(),
        "stack": row.stack.as_str(),
        "phrase": row.stack.phrase(),
    })
}

//! Whether the census counts clients at all: without PROXY protocol, a load balancer in front makes
//! everybody come from its own address.
//!
//! Pure; asked at each flush and for each page.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{book::Book, row::Client};
use crate::network::Network;

/// Fewer sightings say nothing.
const ENOUGH: u64 = 1000;

/// So many of a hundred from one network.
const NEARLY_ALL: u64 = 95;

/// One customer has fewer kinds of clients.
const KINDS: usize = 3;

/// Nearly everybody comes from one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    from: Client,
    percent: u64,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, percent } = self;
        write!(
            f,
            "{percent} of a hundred failing clients, of several kinds, come from {from}: if that is \
             a load balancer, the census counts it and not its clients; have it send the PROXY \
             protocol and name it in listen.proxy_protocol_from"
        )
    }
}

pub(super) fn find(book: &mut Book) -> Option<Doubt> {
    if book.settings.is_told {
        return None;
    }
    let (mut counts, mut sum) = (HashMap::<Client, u64>::new(), 0);
    let weights = book.weights();
    for (client, _, weight) in &weights {
        *counts.entry(wide(*client)).or_default() += weight;
        sum += weight;
    }
    let (from, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let percent = (count * 100).checked_div(sum)?;
    let own = weights.iter().filter(|(client, ..)| wide(*client) == from);
    let kinds: HashSet<_> = own.map(|(_, ja4, _)| ja4).collect();
    let is_one = sum >= ENOUGH && percent >= NEARLY_ALL && kinds.len() >= KINDS;
    is_one.then_some(Doubt { from, percent })
}

/// Its /24 or /48; of a hash there is nothing wider.
fn wide(client: Client) -> Client {
    match client {
        Client::Block(block) => {
            let bits = if block.address().is_ipv4() { 24 } else { 48 };
            Client::Block(Network::around(block.address(), bits))
        }
        Client::Hashed(_) => client,
    }
}

//! One row of the census: who fails what, and what is known of it.
//!
//! Made by `table` from a [`Key`] that borrows; a row has no more bytes than [`Row::MOST`], whatever
//! a client sends.

use std::{fmt, sync::Arc};

use crate::{
    hello::Ja4, label::Label, metrics::LaneKind, network::Network, policy::Reason, stack::Stack,
    version::Offered,
};

/// What a client is called, as far as `census.privacy` lets it be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Its address or network.
    Block(Network),
    /// The first eight bytes of a keyed hash.
    Hashed(u64),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(block) if block.address().is_ipv4() && block.bits() == 32 => {
                write!(f, "{}", block.address())
            }
            Self::Block(block) => write!(f, "{block}"),
            Self::Hashed(name) => write!(f, "{name:016x}"),
        }
    }
}

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    pub client: Client,
    pub sni: Option<&'a str>,
    pub ja4: Option<Ja4>,
    pub offered: Offered,
    pub policy: &'a str,
    pub reason: Reason,
}

/// Lanes that there are.
pub(super) const LANES: usize = LaneKind::ALL.len();

/// Ports that are kept of a row.
const PORTS: usize = 4;

/// What is known under one key.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Of its key.
    pub hash: u64,
    pub client: Client,
    pub sni: Option<Box<str>>,
    pub ja4: Option<Ja4>,
    pub offered: Offered,
    pub policy: Arc<str>,
    pub reason: Reason,
    pub stack: Stack,
    /// Of the last sighting.
    pub lane: LaneKind,
    /// Sightings since the last flush, by lane.
    pub fresh: [u32; LANES],
    /// How much its count may be too high: what its predecessor was seen.
    pub error: u64,
    /// Seconds since 1970.
    pub first: u32,
    pub last: u32,
    ports: [u16; PORTS],
    next_port: u8,
}

/// A sighting's part that is not the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub lane: LaneKind,
    pub port: Option<u16>,
    /// Seconds since 1970.
    pub at: u32,
}

impl Row {
    /// What a row can take of memory: itself, and a name with its allocation.
    pub(super) const MOST: usize = size_of::<Self>() + SNI_MOST + 16;

    pub(super) fn new(hash: u64, key: &Key<'_>, policy: &Arc<str>, stack: Stack) -> Self {
        Self {
            hash,
            client: key.client,
            sni: key.sni.map(Into::into),
            ja4: key.ja4,
            offered: key.offered,
            policy: Arc::clone(policy),
            reason: key.reason,
            stack,
            lane: LaneKind::Serve,
            fresh: [0; LANES],
            error: 0,
            first: 0,
            last: 0,
            ports: [0; PORTS],
            next_port: 0,
        }
    }

    pub(super) fn key(&self) -> Key<'_> {
        Key {
            client: self.client,
            sni: self.sni.as_deref(),
            ja4: self.ja4,
            offered: self.offered,
            policy: &self.policy,
            reason: self.reason,
        }
    }

    /// It is seen once more.
    pub(super) fn saw(&mut self, seen: Circumstances) {
        self.lane = seen.lane;
        self.last = seen.at;
        if self.first == 0 {
            self.first = seen.at;
        }
        if let Some(fresh) = self.fresh.get_mut(seen.lane.index()) {
            *fresh = fresh.saturating_add(1);
        }
        // The latest ones, which are easiest to find in other logs.
        if let Some(port) = seen.port.filter(|port| !self.ports.contains(port)) {
            if let Some(place) = self.ports.get_mut(usize::from(self.next_port)) {
                *place = port;
            }
            self.next_port = (self.next_port + 1) % 4;
        }
    }

    /// Some of its source ports.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().copied().filter(|port| *port != 0)
    }
}

/// The longest name that is kept whole; most are shorter by far.
pub(super) const SNI_MOST: usize = 128;

/// A name as rows keep it: of a longer one the end, which says whose it is. Names are ASCII.
pub(super) fn short(name: &str) -> &str {
    name.len().checked_sub(SNI_MOST).and_then(|from| name.get(from..)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        assert_eq!(short("api.example.com"), "api.example.com");
        let long = format!("{}.example.com", "a".repeat(200));
        assert_eq!(short(&long).len(), 128);
        assert!(short(&long).ends_with("aa.example.com"));
    }
}

//! Consistent hashing: the same key to the same server, and few keys move when a server goes.
//!
//! A Maglev table (Eisenbud et al., NSDI 2016), built by `fleet` when addresses change, read by
//! `pool` once a request. It is the same on every worker and replica, whatever order a name's
//! addresses come in; it must never depend on anything random.

use std::net::IpAddr;

use hyper::HeaderMap;

use crate::{chance::mix, config::HashKey};

/// Who gets which keys, as indexes of the members it was built from.
#[derive(Debug)]
pub(super) struct Table {
    places: Box<[u16]>,
    members: usize,
}

/// Primes: places for up to so many members, more than a hundred each.
const SIZES: [(usize, u64); 3] = [(32, 4093), (128, 16_381), (usize::MAX, 65_521)];

const EMPTY: u16 = u16::MAX;

/// Other places that a key tries when its own server is out.
const TRIES: u64 = 16;

impl Table {
    /// Of members by name and weight.
    pub(super) fn new(members: &[(String, u32)]) -> Self {
        let size = SIZES.iter().find(|(most, _)| members.len() <= *most);
        let size = size.map_or(65_521, |(_, size)| *size);
        let heaviest = members.iter().map(|(_, weight)| *weight).max().unwrap_or(1).max(1);
        let mut turns: Vec<Turns<'_>> = members
            .iter()
            .enumerate()
            .take(usize::from(EMPTY))
            .filter_map(|(index, (name, weight))| Turns::new(index, name, *weight, size))
            .collect();
        // Who comes first takes a place that two want: it must be the same one everywhere.
        turns.sort_by(|one, other| one.name.cmp(other.name));
        let size = if turns.is_empty() { 0 } else { size };
        let places = vec![EMPTY; usize::try_from(size).unwrap_or(0)];
        Self { places: fill(places, &mut turns, heaviest), members: members.len() }
    }

    /// The member for `key`; where that is not `eligible`, another, and always the same one.
    pub(super) fn find(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let size = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
        let at = |key: u64| {
            let place = usize::try_from(key.checked_rem(size)?).ok()?;
            self.places.get(place).map(|index| usize::from(*index))
        };
        let others = (1..=TRIES).map(|step| mix(key.wrapping_add(step)));
        let mut found = std::iter::once(key).chain(others).filter_map(at);
        found.find(|index| eligible(*index)).or_else(|| {
            // Hardly anybody is left.
            (0..self.members).find(|index| eligible(*index))
        })
    }
}

/// One member while the table is filled.
struct Turns<'a> {
    index: u16,
    name: &'a str,
    weight: u64,
    /// What it has had, in weights.
    had: u64,
    next: u64,
    step: u64,
}

impl<'a> Turns<'a> {
    fn new(index: usize, name: &'a str, weight: u32, size: u64) -> Option<Self> {
        let hash = bytes(name.as_bytes());
        let step = mix(hash ^ 0x9e37_79b9_7f4a_7c15) % (size - 1) + 1;
        let index = u16::try_from(index).ok()?;
        Some(Self { index, name, weight: weight.into(), had: 0, next: hash % size, step })
    }

    /// Takes the first free place in its own order.
    fn take(&mut self, places: &mut [u16]) -> bool {
        let size = u64::try_from(places.len()).unwrap_or(u64::MAX);
        for _ in 0..size {
            let place = usize::try_from(self.next).ok().and_then(|at| places.get_mut(at));
            self.next = (self.next + self.step) % size;
            if let Some(place) = place.filter(|place| **place == EMPTY) {
                *place = self.index;
                return true;
            }
        }
        false
    }
}

/// Members take places round by round, lighter ones not in every round.
fn fill(mut places: Vec<u16>, turns: &mut [Turns<'_>], heaviest: u32) -> Box<[u16]> {
    let (mut free, mut round) = (places.len(), 0u64);
    while free > 0 {
        round += 1;
        for member in turns.iter_mut() {
            if free == 0 || round * member.weight < member.had + u64::from(heaviest) {
                continue;
            }
            member.had += u64::from(heaviest);
            free -= usize::from(member.take(&mut places));
        }
    }
    places.into_boxed_slice()
}

/// What a request is hashed by.
pub(super) fn key(of: &HashKey, headers: &HeaderMap, client: IpAddr) -> u64 {
    let header = match of {
        HashKey::Client => None,
        HashKey::Header(name) => headers.get(name.as_str()),
    };
    match (header, client.to_canonical()) {
        (Some(value), _) => bytes(value.as_bytes()),
        (None, IpAddr::V4(ip)) => bytes(&ip.octets()),
        (None, IpAddr::V6(ip)) => bytes(&ip.octets()),
    }
}

/// FNV-1a, mixed: short keys that differ in one bit differ everywhere.
fn bytes(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use hyper::HeaderMap;

    use super::{Table, key};
    use crate::config::HashKey;

    fn members(count: usize, weight: impl Fn(usize) -> u32) -> Vec<(String, u32)> {
        (0..count).map(|at| (format!("10.0.0.{at}:8080"), weight(at))).collect()
    }

    fn keys() -> impl Iterator<Item = u64> {
        (0..20_000u32)
            .map(|n| key(&HashKey::Client, &HeaderMap::new(), IpAddr::from(n.to_be_bytes())))
    }

    fn spread(table: &Table, count: usize) -> Vec<usize> {
        let mut got = vec![0; count];
        keys().for_each(|key| got[table.find(key, |_| true).unwrap()] += 1);
        got
    }

    #[test]
    fn keys_are_spread_evenly_and_by_weight() {
        for count in [1, 2, 10, 40, 200] {
            let got = spread(&Table::new(&members(count, |_| 7)), count);
            let even = 20_000 / count;
            let within = got.iter().all(|got| (even * 6 / 10..=even * 14 / 10).contains(got));
            assert!(within, "{count}: {got:?}");
        }
        let got = spread(&Table::new(&members(4, |at| if at == 0 { 3 } else { 1 })), 4);
        assert!((9_500..=10_500).contains(&got[0]), "{got:?}");
    }

    #[test]
    fn few_keys_move_when_a_server_goes() {
        let all = members(10, |_| 1);
        let mut less = all.clone();
        less.remove(4);
        let (before, after) = (Table::new(&all), Table::new(&less));
        let name = |members: &[(String, u32)], at: usize| members[at].0.clone();
        let moved = keys().filter(|key| {
            let was = name(&all, before.find(*key, |_| true).unwrap());
            let is = name(&less, after.find(*key, |_| true).unwrap());
            was != all[4].0 && was != is
        });
        let moved = moved.count();
        assert!(moved < 20_000 / 20, "{moved} keys of others moved");
    }

    #[test]
    fn while_a_server_is_out_only_its_keys_go_elsewhere_and_everywhere() {
        let table = Table::new(&members(10, |_| 1));
        let mut got = [0; 10];
        for key in keys() {
            let (own, now) = (table.find(key, |_| true), table.find(key, |at| at != 4));
            if own == Some(4) {
                got[now.unwrap()] += 1;
            } else {
                assert_eq!(own, now);
            }
        }
        assert!(got[4] == 0 && got.iter().filter(|got| **got > 100).count() == 9, "{got:?}");
        assert!(keys().take(100).all(|key| table.find(key, |at| at == 7) == Some(7)));
        assert_eq!(table.find(5, |_| false), None);
        assert_eq!(Table::new(&[]).find(5, |_| true), None);
    }

    #[test]
    fn the_order_of_the_members_does_not_matter() {
        let one = members(5, |_| 1);
        let other: Vec<_> = one.iter().rev().cloned().collect();
        let (a, b) = (Table::new(&one), Table::new(&other));
        assert!(keys().all(|key| a.find(key, |_| true) == b.find(key, |_| true).map(|at| 4 - at)));
    }

    #[test]
    fn a_key_is_the_header_or_else_the_client() {
        let (client, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let by_header = HashKey::Header("x-tenant".into());
        let mut headers = HeaderMap::new();
        assert_eq!(key(&by_header, &headers, client), key(&HashKey::Client, &headers, client));
        headers.insert("x-tenant", "acme".parse().unwrap());
        assert_eq!(key(&by_header, &headers, client), key(&by_header, &headers, other));
        assert_ne!(key(&HashKey::Client, &headers, client), key(&HashKey::Client, &headers, other));
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(
            key(&HashKey::Client, &headers, client),
            key(&HashKey::Client, &headers, mapped)
        );
    }
}

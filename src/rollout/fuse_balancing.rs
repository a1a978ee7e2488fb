//! What uneven balancing does to a fuse that is shared out: a fleet, simulated.
//!
//! Replicas do not talk, so each counts the clients that it refuses itself. Clients come one after
//! another and all of them fail; a balancer sends their connections to replicas in one of several
//! ways, by numbers that are the same in each run. What comes out stands in `docs/fleet.md`, and is
//! held against it here.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use tokio::time::Instant;

use super::Fuse;
use crate::{chance::Chance, config::Fleet};

const WITHIN: Duration = Duration::from_secs(600);
/// `fuse.refused`, as configured for the fleet.
const MOST: u32 = 3000;

/// How a balancer chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Balancing {
    /// A replica for each connection, and so many connections of each client.
    ByConnection(u32),
    /// A replica for each client; the same as one connection of each.
    ByClient,
    /// As that, and half of the clients at one replica: a node that the balancer prefers.
    HalfAtOne,
}

const ALL: [(Balancing, &str); 4] = [
    (Balancing::ByClient, "each client to one replica"),
    (Balancing::HalfAtOne, "the same, and half of them to one"),
    (Balancing::ByConnection(5), "each connection anywhere, five a client"),
    (Balancing::ByConnection(50), "the same, fifty a client"),
];

/// Clients that the fleet had refused when its first fuse blew, and when its last one did.
#[derive(Clone, Copy, Debug)]
struct Blown {
    first: u32,
    last: u32,
}

fn simulate(balancing: Balancing, replicas: u32) -> Blown {
    let share = usize::try_from(Fleet { replicas }.share(MOST)).unwrap();
    // None: it has blown, and refuses nobody any more.
    let mut fuses: Vec<_> = (0..replicas).map(|_| Some(Fuse::default())).collect();
    let (chance, now) = (Chance::seeded(2027), Instant::now());
    let (mut refused, mut first) = (0, None);
    for number in 0.. {
        let client = IpAddr::V4(Ipv4Addr::from_bits(number));
        let mut was_refused = false;
        for _ in 0..balancing.connections() {
            let place = &mut fuses[balancing.replica(&chance, replicas)];
            let Some(fuse) = place else { continue };
            if fuse.is_blown_by(client, now, share, WITHIN) {
                *place = None;
                first.get_or_insert(refused);
            } else if !was_refused {
                was_refused = true;
                refused += 1;
            }
        }
        if fuses.iter().all(Option::is_none) {
            break;
        }
    }
    Blown { first: first.unwrap(), last: refused }
}

impl Balancing {
    fn connections(self) -> u32 {
        if let Self::ByConnection(connections) = self { connections } else { 1 }
    }

    fn replica(self, chance: &Chance, replicas: u32) -> usize {
        let replica = match self {
            Self::HalfAtOne if chance.percent(50) => 0,
            Self::HalfAtOne => 1 + chance.below(replicas - 1),
            Self::ByClient | Self::ByConnection(_) => chance.below(replicas),
        };
        usize::try_from(replica).unwrap()
    }
}

/// As a factor of the threshold.
fn factor(clients: u32) -> f64 {
    f64::from(clients) / f64::from(MOST)
}

const FLEETS: [u32; 3] = [3, 10, 100];

#[test]
fn a_shared_fuse_never_refuses_more_than_the_whole_and_uneven_balancing_makes_it_blow_early() {
    for replicas in FLEETS {
        let share = Fleet { replicas }.share(MOST);
        for (balancing, _) in ALL {
            let Blown { first, last } = simulate(balancing, replicas);
            let what = format!("{balancing:?}, {replicas} replicas: {first} {last}");
            // Whatever a balancer does: a replica has to have refused its share itself, and none
            // refuses more than that.
            assert!((share..=replicas * share).contains(&first), "{what}");
            assert!((first..=replicas * share).contains(&last), "{what}");
            let (least, most) = match balancing {
                // As evenly as chance is: the fewer clients a share has, the less even.
                Balancing::ByClient => (0.59, 1.0),
                // The one that gets half has its share after twice as many clients.
                Balancing::HalfAtOne => (1.8 * factor(share), 2.2 * factor(share)),
                // A client that comes back is counted by each replica that it meets.
                Balancing::ByConnection(5) => (factor(share), 0.6),
                Balancing::ByConnection(_) => (factor(share), 2.5 * factor(share)),
            };
            assert!((least..=most).contains(&factor(first)), "{what}");
            if balancing.connections() == 1 {
                assert_eq!(last, replicas * share, "{what}: no client is counted twice");
            }
        }
    }
}

#[test]
fn the_table_in_the_documentation_is_what_comes_out() {
    let mut table = String::new();
    for (balancing, name) in ALL {
        write!(table, "| {name} |").unwrap();
        for replicas in FLEETS {
            let Blown { first, last } = simulate(balancing, replicas);
            write!(table, " {:.2} to {:.2} |", factor(first), factor(last)).unwrap();
        }
        table.push('\n');
    }
    let documented = include_str!("../../docs/fleet.md");
    assert!(documented.contains(&table), "docs/fleet.md has another table than\n{table}");
}

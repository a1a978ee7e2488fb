//! How many programs stand behind one client, where a log of the legacy terminator says so.
//!
//! Several unlike programs with one and the same old hello share a device that encrypts for them.
//! Three are told apart, more need not be.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

/// Clients that are looked at.
const MOST: usize = 1 << 17;

/// The programs of each client.
#[derive(Default)]
pub(super) struct Programs {
    hasher: RandomState,
    clients: HashMap<Box<str>, Few>,
}

#[derive(Default)]
struct Few {
    hashes: [u64; 3],
    count: usize,
}

impl Programs {
    pub(super) fn add(&mut self, client: &str, user_agent: &str) {
        let program = self.hasher.hash_one(program(user_agent));
        if !self.clients.contains_key(client) {
            if self.clients.len() >= MOST {
                return;
            }
            self.clients.insert(client.into(), Few::default());
        }
        let Some(few) = self.clients.get_mut(client) else { return };
        let known = few.hashes.iter().take(few.count).any(|hash| *hash == program);
        if let Some(place) = few.hashes.get_mut(few.count).filter(|_| !known) {
            *place = program;
            few.count += 1;
        }
    }

    /// How many of a client are known, up to three.
    pub(super) fn of(&self, client: &str) -> usize {
        self.clients.get(client).map_or(0, |few| few.count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

/// What makes a program another one: its product without the version. Browsers all call themselves
/// Mozilla, so with them it is the whole.
fn program(user_agent: &str) -> &str {
    match user_agent.split(['/', ' ']).next() {
        Some("Mozilla") | None => user_agent,
        Some(product) => product,
    }
}

#[cfg(test)]
mod tests {
    use super::Programs;

    #[test]
    fn versions_of_one_program_are_one() {
        let mut programs = Programs::default();
        for agent in
            ["curl/7.19", "curl/7.29", "Java/1.7.0_80", "Mozilla/5.0 (X)", "Mozilla/4.0 (Y)"]
        {
            programs.add("203.0.113.7", agent);
        }
        programs.add("203.0.113.8", "curl/7.19");
        assert_eq!(
            ["203.0.113.7", "203.0.113.8", "x"].map(|client| programs.of(client)),
            [3, 1, 0]
        );
    }
}

//! What rustls makes and opens tickets with, for the sites that may share sessions.
//!
//! Called in handshakes, by all workers at once: they read the keys of the present period, and
//! whoever comes first in the next one derives those. Bytes of a ticket are a client's.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::ProducesTickets;

use super::{Member, key::Key};
use crate::{
    metrics::{TicketCounters, TicketResult},
    tls::clock,
};

/// Tickets of one context.
#[derive(Debug)]
pub(crate) struct Ticketer {
    context: [u8; 32],
    members: Arc<[Member]>,
    lifetime: u32,
    counters: Arc<TicketCounters>,
    /// Replaced when a period ends; in between, reading it waits for nobody.
    keys: RwLock<Arc<Keys>>,
}

/// The keys at one time.
#[derive(Debug)]
struct Keys {
    /// Makes tickets.
    present: Option<Key>,
    /// Only open them.
    others: Vec<Key>,
    /// Seconds since 1970 in which these are the right ones.
    valid: std::ops::Range<u64>,
}

impl Ticketer {
    pub(super) fn new(
        context: [u8; 32],
        members: Arc<[Member]>,
        lifetime: u32,
        counters: Arc<TicketCounters>,
    ) -> Self {
        let keys = Keys { present: None, others: Vec::new(), valid: 0..0 };
        Self { context, members, lifetime, counters, keys: RwLock::new(Arc::new(keys)) }
    }

    fn seal(&self, now: u64, session: &[u8]) -> Option<Vec<u8>> {
        self.keys(now).present.as_ref()?.seal(now, session)
    }

    fn open(&self, now: u64, ticket: &[u8]) -> Result<Vec<u8>, TicketResult> {
        let keys = self.keys(now);
        let mut all = keys.present.iter().chain(&keys.others);
        all.find(|key| key.made(ticket)).ok_or(TicketResult::UnknownKey)?.open(now, ticket)
    }

    /// Those that are right now; earlier ones are gone as soon as nobody uses them.
    fn keys(&self, now: u64) -> Arc<Keys> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        if keys.valid.contains(&now) {
            return keys;
        }
        // Several workers may do this at once, and all come to the same.
        let keys = Arc::new(self.derive(now));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        keys
    }

    fn derive(&self, now: u64) -> Keys {
        let mut keys = Keys { present: None, others: Vec::new(), valid: 0..u64::MAX };
        for (index, member) in self.members.iter().enumerate() {
            let seeds = member.seeds(now);
            let key = |seed| Key::new(&seed, &self.context, member.schedule.lifetime);
            let present = seeds.present.map(key);
            // The first makes tickets.
            if index == 0 {
                keys.present = present;
            } else {
                keys.others.extend(present);
            }
            keys.others.extend(seeds.others.into_iter().map(key));
            let (begin, end) = (seeds.valid.start, seeds.valid.end);
            keys.valid = keys.valid.start.max(begin)..keys.valid.end.min(end);
        }
        if keys.present.is_none() {
            tracing::warn!(
                event = "tickets",
                "the clock went back: no session tickets until a reload or until it is right"
            );
        }
        keys
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(clock::now(), plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let opened = self.open(clock::now(), cipher);
        self.counters.count(match &opened {
            Ok(_) => TicketResult::Accepted,
            Err(refused) => *refused,
        });
        opened.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Ticketer;
    use crate::{
        metrics::TicketResult,
        tls::tickets::{Member, schedule::Schedule},
    };

    const LIFETIME: u64 = 3600;
    const PERIOD: u64 = 1800;
    /// The beginning of a period.
    const START: u64 = 1_000_000 * PERIOD;

    fn with(members: Vec<Member>) -> Ticketer {
        Ticketer::new([0; 32], members.into(), 3600, Arc::default())
    }

    fn member(secret: &[u8]) -> Member {
        Member { schedule: Arc::new(Schedule::shared(secret, LIFETIME)), until: None }
    }

    fn opens(ticketer: &Ticketer, now: u64, ticket: &[u8]) -> Result<(), TicketResult> {
        ticketer.open(now, ticket).map(|session| assert_eq!(session, b"session"))
    }

    #[test]
    fn replicas_with_one_secret_open_each_others_tickets_at_every_time() {
        for made in [START, START + 1, START + PERIOD / 2, START + PERIOD - 1] {
            for age in [0, 1, PERIOD - 1, PERIOD, PERIOD + 1, 2 * PERIOD - 1, LIFETIME] {
                // A replica that has run all the time, and one that starts now.
                let (one, other) = (with(vec![member(b"a")]), with(vec![member(b"a")]));
                let ticket = one.seal(made, b"session").unwrap();
                for ticketer in [&one, &other] {
                    assert_eq!(opens(ticketer, made + age, &ticket), Ok(()), "{made} + {age}");
                }
                assert_eq!(opens(&one, made + LIFETIME + 1, &ticket).ok(), None);
            }
        }
    }

    #[test]
    fn a_ticket_whose_life_is_over_is_told_apart_while_its_key_is_there() {
        let ticketer = with(vec![member(b"a")]);
        let ticket = ticketer.seal(START, b"session").unwrap();
        let late = |age| opens(&ticketer, START + age, &ticket);
        assert_eq!(late(LIFETIME + 1), Err(TicketResult::Expired));
        assert_eq!(late(LIFETIME + PERIOD), Err(TicketResult::UnknownKey));
    }

    #[test]
    fn clocks_may_differ_by_a_period() {
        let (ahead, behind) = (with(vec![member(b"a")]), with(vec![member(b"a")]));
        let now = START + PERIOD - 1;
        let ticket = ahead.seal(now + PERIOD, b"session").unwrap();
        assert_eq!(opens(&behind, now, &ticket), Ok(()));
        let ticket = ahead.seal(now + 2 * PERIOD, b"session").unwrap();
        assert_eq!(opens(&behind, now, &ticket), Err(TicketResult::UnknownKey));
        let ticket = behind.seal(now, b"session").unwrap();
        assert_eq!(opens(&ahead, now + 2 * PERIOD, &ticket), Ok(()));
    }

    #[test]
    fn a_secret_is_replaced_without_losing_a_session() {
        let (old, new) = (|| member(b"old"), || member(b"new"));
        let stages = [vec![old()], vec![old(), new()], vec![new(), old()], vec![new()]];
        let stages = stages.map(with);
        for pair in stages.windows(2) {
            let [before, after] = pair else { unreachable!() };
            let ticket = before.seal(START, b"session").unwrap();
            assert_eq!(opens(after, START, &ticket), Ok(()));
            let ticket = after.seal(START, b"session").unwrap();
            assert_eq!(opens(before, START, &ticket), Ok(()));
        }
        let ticket = stages[0].seal(START, b"session").unwrap();
        assert_eq!(opens(&stages[3], START, &ticket), Err(TicketResult::UnknownKey));
    }

    #[test]
    fn what_leaves_is_accepted_until_then() {
        let leaving = Member { until: Some(START + 10), ..member(b"old") };
        let ticketer = with(vec![member(b"new"), leaving]);
        let ticket = with(vec![member(b"old")]).seal(START, b"session").unwrap();
        assert_eq!(opens(&ticketer, START, &ticket), Ok(()));
        assert_eq!(opens(&ticketer, START + 9, &ticket), Ok(()));
        assert_eq!(opens(&ticketer, START + 10, &ticket), Err(TicketResult::UnknownKey));
    }

    #[test]
    fn a_clock_that_jumps_makes_no_panic() {
        let shared = with(vec![member(b"a")]);
        let own = Schedule::own(LIFETIME).unwrap();
        let own = with(vec![Member { schedule: Arc::new(own), until: None }]);
        for now in [START, 0, u64::MAX, START, u64::MAX - 1, 1, START] {
            for ticketer in [&shared, &own] {
                if let Some(ticket) = ticketer.seal(now, b"session") {
                    assert_eq!(opens(ticketer, now, &ticket), Ok(()), "{now}");
                }
                assert!(ticketer.open(now, b"").is_err());
            }
        }
        assert!(own.seal(START, b"session").is_some(), "a secret of our own begins again");
        assert!(shared.seal(START, b"session").is_none(), "what was forgotten stays forgotten");
        let slow = with(vec![member(b"a")]);
        slow.seal(START, b"session").unwrap();
        assert!(slow.seal(START - 2 * PERIOD, b"session").is_some(), "a small step is none");
    }
}

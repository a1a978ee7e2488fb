//! One key of tickets: what a ticket looks like, and how it is made and opened.
//!
//! ```text
//! name of the key  16   which key; anybody may see it
//! salt             24   random
//! sealed           ..   AES-256-GCM: when it was made (8), the session; then the tag (16)
//! ```
//!
//! Called by `ticketer` with bytes that are wholly a client's: nothing here may panic, and a ticket
//! is believed only once its tag is right.
//!
//! Each ticket is sealed with a key of its own, derived from its salt, so the nonce can be zero. Two
//! salts would have to be the same for a key to be used twice: a thousand replicas that make ten
//! thousand tickets a second each fill the longest period (3.5 days) with less than 2^42 of them, and
//! among so many of 2^192 two are the same with a chance of 2^(2 * 42 - 193), less than 2^-100.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{Okm, Prk},
    rand,
};

use super::ratchet::{self, derive};
use crate::metrics::TicketResult;

const NAME: usize = 16;
const SALT: usize = 24;
const TIME: usize = 8;
const TAG: usize = 16;

/// A larger ticket would make a hello larger than is read (16 KiB): its owner could come no more.
const LONGEST: usize = 8 * 1024;

/// The key of one schedule, period and context.
#[derive(Debug)]
pub(super) struct Key {
    name: [u8; NAME],
    secret: Prk,
    /// How long its tickets are good for, in seconds.
    lifetime: u64,
}

impl Key {
    /// For what may share sessions; `context` is a hash, so no two mean the same bytes.
    pub(super) fn new(seed: &Prk, context: &[u8; 32], lifetime: u64) -> Self {
        let secret = derive(seed, &[b"context", context]);
        Self { name: ratchet::name(&secret), secret, lifetime }
    }

    /// Whether a ticket says that it was made with this key.
    pub(super) fn made(&self, ticket: &[u8]) -> bool {
        ticket.starts_with(&self.name)
    }

    /// A ticket for a session; none where it would be too long or there is no randomness.
    pub(super) fn seal(&self, now: u64, session: &[u8]) -> Option<Vec<u8>> {
        let length = NAME + SALT + TIME + TAG + session.len();
        if length > LONGEST {
            return None;
        }
        let mut salt = [0; SALT];
        rand::fill(&mut salt).ok()?;
        let mut sealed = Vec::with_capacity(length);
        sealed.extend(now.to_be_bytes());
        sealed.extend(session);
        self.once(&salt)
            .seal_in_place_append_tag(zero(), Aad::from(self.name), &mut sealed)
            .ok()?;
        let mut ticket = Vec::with_capacity(length);
        ticket.extend(self.name);
        ticket.extend(salt);
        ticket.append(&mut sealed);
        Some(ticket)
    }

    /// The session in a ticket.
    pub(super) fn open(&self, now: u64, ticket: &[u8]) -> Result<Vec<u8>, TicketResult> {
        let rest = ticket.strip_prefix(&self.name).ok_or(TicketResult::UnknownKey)?;
        let (salt, sealed) = rest.split_first_chunk().ok_or(TicketResult::Malformed)?;
        let mut sealed = sealed.to_vec();
        let opened = self.once(salt).open_in_place(zero(), Aad::from(self.name), &mut sealed);
        let opened = opened.map_err(|_unspecified| TicketResult::Malformed)?;
        let (made, session) = opened.split_first_chunk().ok_or(TicketResult::Malformed)?;
        // A replica whose clock is ahead makes tickets in our future.
        match now.saturating_sub(u64::from_be_bytes(*made)) {
            age if age <= self.lifetime => Ok(session.to_vec()),
            _ => Err(TicketResult::Expired),
        }
    }

    /// The key of the one ticket with this salt.
    fn once(&self, salt: &[u8; SALT]) -> LessSafeKey {
        let info: &[&[u8]] = &[b"ticket", salt];
        #[expect(clippy::expect_used, reason = "one hash is asked for, and 255 may be")]
        let okm: Okm<'_, _> = self.secret.expand(info, &AES_256_GCM).expect("the length is right");
        LessSafeKey::new(UnboundKey::from(okm))
    }
}

fn zero() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

    use super::{Key, LONGEST};
    use crate::metrics::TicketResult;

    const NOW: u64 = 1_800_000_000;

    fn key(secret: &[u8], context: u8) -> Key {
        let seed = Salt::new(HKDF_SHA256, b"test").extract(secret);
        Key::new(&seed, &[context; 32], 3600)
    }

    #[test]
    fn a_ticket_opens_for_its_life() {
        let key = key(b"a", 0);
        let ticket = key.seal(NOW, b"session").unwrap();
        for (now, opens) in [
            (NOW, true),
            (NOW + 3600, true),
            (NOW + 3601, false),
            (u64::MAX, false),
            // Made by a replica that is ahead.
            (NOW - 1000, true),
            (0, true),
        ] {
            let expected = if opens { Ok(b"session".to_vec()) } else { Err(TicketResult::Expired) };
            assert_eq!(key.open(now, &ticket), expected, "{now}");
        }
    }

    #[test]
    fn whatever_is_changed_or_cut_a_ticket_does_not_open() {
        let key = key(b"a", 0);
        let ticket = key.seal(NOW, b"session").unwrap();
        for at in 0..ticket.len() {
            for bit in 0..8 {
                let mut other = ticket.clone();
                other[at] ^= 1 << bit;
                let refused = key.open(NOW, &other).unwrap_err();
                let expected =
                    if at < 16 { TicketResult::UnknownKey } else { TicketResult::Malformed };
                assert_eq!(refused, expected, "byte {at}");
            }
            assert!(key.open(NOW, &ticket[..at]).is_err(), "{at} bytes");
            assert!(key.open(NOW, &ticket[at..]).is_err() || at == 0, "from {at}");
        }
        let longer = [ticket.as_slice(), &[0]].concat();
        assert_eq!(key.open(NOW, &longer), Err(TicketResult::Malformed));
    }

    #[test]
    fn another_secret_or_context_has_another_key() {
        let one = key(b"a", 0);
        let ticket = one.seal(NOW, b"session").unwrap();
        for other in [key(b"b", 0), key(b"a", 1)] {
            assert!(!other.made(&ticket));
            // And not by its name alone.
            let renamed = [other.name.as_slice(), &ticket[16..]].concat();
            assert_eq!(other.open(NOW, &renamed), Err(TicketResult::Malformed));
        }
        assert!(key(b"a", 0).made(&ticket));
    }

    #[test]
    fn the_same_session_twice_makes_two_tickets_and_a_long_one_none() {
        let key = key(b"a", 0);
        assert_ne!(key.seal(NOW, b"session"), key.seal(NOW, b"session"));
        assert_eq!(key.seal(NOW, &vec![0; LONGEST - 64]).unwrap().len(), LONGEST);
        assert_eq!(key.seal(NOW, &vec![0; LONGEST - 63]), None);
    }
}

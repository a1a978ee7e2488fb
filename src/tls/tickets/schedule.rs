//! A secret, and the keys that it has by the clock.
//!
//! Time is cut into periods of half a ticket's life, so that replicas with one secret have the same
//! keys without talking. Built by `tickets` from a file or at random; it must not keep what would
//! derive keys of periods whose tickets are over.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{
    error::Unspecified,
    hkdf::{HKDF_SHA256, Prk, Salt},
    rand,
};

use super::ratchet::{self, LAST, Ratchet, derive};

/// Periods before the present one whose tickets may still be good: one that was made in the last
/// moment of a period is good for two more.
const BEFORE: u64 = 2;

/// Periods after the present one: those of a replica whose clock is ahead, by a period at the most.
const AFTER: u64 = 1;

/// The keys of one secret.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Tells secrets apart without saying anything about them.
    id: [u8; 32],
    /// Seconds.
    pub lifetime: u64,
    /// Whether the secret is this process's own.
    pub is_own: bool,
    ratchet: Mutex<Ratchet>,
}

/// The seeds at one time.
#[derive(Debug)]
pub(super) struct Seeds {
    /// What tickets are made with; none where the clock went back behind what was forgotten.
    pub present: Option<Prk>,
    /// Those of other periods that are accepted.
    pub others: Vec<Prk>,
    /// Seconds since 1970 in which these are the right ones.
    pub valid: std::ops::Range<u64>,
}

impl Schedule {
    /// By a secret that replicas share.
    pub(super) fn shared(secret: &[u8], lifetime: u64) -> Self {
        let secret = Salt::new(HKDF_SHA256, b"tlsfloor tickets 1").extract(secret);
        // With another lifetime periods are others, and so must be their keys.
        Self::new(&derive(&secret, &[b"lifetime", &lifetime.to_be_bytes()]), lifetime, false)
    }

    /// By a secret that nobody knows and that ends with the process.
    pub(super) fn own(lifetime: u64) -> Result<Self, Unspecified> {
        Ok(Self::new(&random()?, lifetime, true))
    }

    fn new(root: &Prk, lifetime: u64, is_own: bool) -> Self {
        let ratchet = Mutex::new(Ratchet::new(derive(root, &[b"periods"])));
        Self { id: ratchet::name(root), lifetime, is_own, ratchet }
    }

    /// Whether both make the same keys.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// What is needed now; what no longer is cannot be had again.
    pub(super) fn seeds(&self, now: u64) -> Seeds {
        let length = self.lifetime.div_ceil(BEFORE).max(1);
        let period = (now / length).min(LAST);
        // It is changed in whole steps, so a panic elsewhere leaves it whole.
        let mut ratchet = self.ratchet.lock().unwrap_or_else(PoisonError::into_inner);
        ratchet.forget_before(period.saturating_sub(BEFORE));
        if self.is_own && ratchet.seed(period).is_none() {
            // The clock went back. Nobody else has this secret, so it can begin again.
            if let Ok(root) = random() {
                *ratchet = Ratchet::new(root);
            }
        }
        let around = period.saturating_sub(BEFORE)..=period.saturating_add(AFTER);
        let others = around.filter(|one| *one != period).filter_map(|one| ratchet.seed(one));
        let begins = period.saturating_mul(length);
        Seeds {
            present: ratchet.seed(period),
            others: others.collect(),
            valid: begins..begins.saturating_add(length),
        }
    }
}

fn random() -> Result<Prk, Unspecified> {
    let mut secret = [0; 32];
    rand::fill(&mut secret)?;
    Ok(Prk::new_less_safe(HKDF_SHA256, &secret))
}

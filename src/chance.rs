//! One worker's own cheap random numbers, for choices that only have to be fair, and the mixing
//! behind them.
//!
//! Used where requests are shared out by weight, for names of requests and for consistent hashes.
//! They can be guessed: nothing secret may be made of them.

use std::{
    cell::Cell,
    hash::{BuildHasher, Hasher, RandomState},
};

/// A SplitMix64 generator with a start of its own.
#[derive(Debug)]
pub(crate) struct Chance(Cell<u64>);

impl Default for Chance {
    fn default() -> Self {
        Self(Cell::new(RandomState::new().build_hasher().finish()))
    }
}

impl Chance {
    /// With a start that is known, for tests.
    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `limit`; 0 where that is 0.
    pub(crate) fn below(&self, limit: u32) -> u32 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let high = mix(state) >> 32;
        // The high half of a product of two 32-bit numbers is below both.
        u32::try_from((high * u64::from(limit)) >> 32).unwrap_or(0)
    }

    /// Whether this is one of so many in a hundred.
    pub(crate) fn percent(&self, percent: u8) -> bool {
        match percent {
            0 => false,
            1..100 => self.below(100) < u32::from(percent),
            100.. => true,
        }
    }
}

/// The finalizer of SplitMix64: a bijection that spreads every bit.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn numbers_stay_below_the_limit_and_reach_all_of_it() {
        let chance = Chance::default();
        let mut counts = [0u32; 10];
        for _ in 0..10_000 {
            counts[usize::try_from(chance.below(10)).unwrap()] += 1;
        }
        // Seven deviations: fails once in 10^11 runs.
        assert!(counts.iter().all(|count| (790..1210).contains(count)), "{counts:?}");
        assert_eq!((chance.below(1), chance.below(0)), (0, 0));
    }

    #[test]
    fn a_share_is_a_share() {
        let chance = Chance::seeded(7);
        let of = |percent| (0..10_000).filter(|_| chance.percent(percent)).count();
        assert_eq!((of(0), of(100)), (0, 10_000));
        // By a known start, so by no chance: about a tenth.
        assert!((900..1100).contains(&of(10)));
    }
}

//! Seeds by period that can be had from one period on, and no more for those before it.
//!
//! A tree of one-way steps (HKDF) over all periods: a node derives what is below it and nothing
//! beside it. `schedule` forgets periods as they pass, so whoever reads this process's memory finds
//! no key of tickets that are no longer accepted, although every replica can begin at the root.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};

/// Levels below the root; a period is a number of as many bits.
const HEIGHT: u32 = 32;

/// The last period that there is, far beyond any clock.
pub(super) const LAST: u64 = (1 << HEIGHT) - 1;

/// The seeds of all periods that are not forgotten.
#[derive(Debug)]
pub(super) struct Ratchet {
    /// The latest periods first: the earliest are taken from the end.
    nodes: Vec<Node>,
}

/// The seeds of `1 << height` periods.
#[derive(Clone, Debug)]
struct Node {
    first: u64,
    height: u32,
    seed: Prk,
}

impl Ratchet {
    pub(super) fn new(root: Prk) -> Self {
        Self { nodes: vec![Node { first: 0, height: HEIGHT, seed: root }] }
    }

    /// Makes the seeds of all periods before this one impossible to have.
    pub(super) fn forget_before(&mut self, period: u64) {
        while let Some(node) = self.nodes.pop_if(|node| node.first < period) {
            if node.holds(period) {
                let (left, right) = node.split();
                self.nodes.extend([right, left]);
            }
        }
    }

    /// The seed of a period, unless it was forgotten.
    pub(super) fn seed(&self, period: u64) -> Option<Prk> {
        let mut node = self.nodes.iter().find(|node| node.holds(period))?.clone();
        while node.height > 0 {
            let (left, right) = node.split();
            node = if left.holds(period) { left } else { right };
        }
        Some(node.seed)
    }
}

impl Node {
    fn holds(&self, period: u64) -> bool {
        (self.first..self.first.saturating_add(1 << self.height)).contains(&period)
    }

    /// The earlier and the later half; only for nodes above the lowest level.
    fn split(&self) -> (Self, Self) {
        let height = self.height.saturating_sub(1);
        let half = |first, label| Self { first, height, seed: derive(&self.seed, &[label]) };
        (half(self.first, b"earlier"), half(self.first.saturating_add(1 << height), b"later"))
    }
}

/// A secret of its own for a purpose; `info` must mean one thing only, whatever its parts.
pub(super) fn derive(secret: &Prk, info: &[&[u8]]) -> Prk {
    #[expect(clippy::expect_used, reason = "one hash is asked for, and 255 may be")]
    let derived = secret.expand(info, HKDF_SHA256).expect("the length is right");
    Prk::from(derived)
}

/// What everybody may know of a secret and nobody can go back from.
pub(super) fn name<const N: usize>(secret: &Prk) -> [u8; N] {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut name = [0; N];
    let filled = secret.expand(&[b"name"], Length(N)).and_then(|okm| okm.fill(&mut name));
    #[expect(clippy::expect_used, reason = "names are as long as a hash at the most")]
    filled.expect("the length is right");
    name
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

    use super::{LAST, Ratchet, name};

    fn ratchet() -> Ratchet {
        Ratchet::new(Salt::new(HKDF_SHA256, b"test").extract(b"secret"))
    }

    #[test]
    fn what_is_not_forgotten_stays_the_same() {
        let mut forgetful = ratchet();
        let whole = ratchet();
        for period in [0, 1, 2, 3, 7, 8, 100, 82_944, 82_945, LAST - 1, LAST] {
            forgetful.forget_before(period);
            assert!(forgetful.seed(period.wrapping_sub(1)).is_none(), "before {period}");
            assert!(forgetful.seed(0).is_none() || period == 0);
            for later in [period, period + 1, period + 5, LAST] {
                let seed = |ratchet: &Ratchet| ratchet.seed(later).as_ref().map(name::<32>);
                assert_eq!(seed(&forgetful), seed(&whole), "{later} after {period}");
            }
            assert!(forgetful.nodes.len() <= 33, "{}", forgetful.nodes.len());
        }
        assert!(whole.seed(LAST + 1).is_none());
    }

    #[test]
    fn forgetting_less_than_before_brings_nothing_back() {
        let mut ratchet = ratchet();
        ratchet.forget_before(1000);
        ratchet.forget_before(10);
        assert!(ratchet.seed(999).is_none());
        assert!(ratchet.seed(1000).is_some());
        ratchet.forget_before(LAST + 1);
        assert!(ratchet.seed(LAST).is_none());
    }

    #[test]
    fn each_period_has_a_seed_of_its_own() {
        let ratchet = ratchet();
        let seeds: std::collections::HashSet<_> =
            (0..200).map(|period| name::<32>(&ratchet.seed(period).unwrap())).collect();
        assert_eq!(seeds.len(), 200);
    }
}

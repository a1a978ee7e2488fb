//! What is kept of one client, or of one name, stack or network: of fixed size, whatever comes.
//!
//! A million of these are held at once; that is why sets are bits and texts are numbers.

use super::{
    moment::Moment,
    row::{Census, Lane},
};
use crate::{label::Label, stack::Stack};

/// The number of a text, none, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    #[default]
    None,
    One(u32),
    Several(u32),
}

impl Seen {
    pub(super) fn add(&mut self, number: Option<u32>) {
        *self = match (*self, number) {
            (seen, None) => seen,
            (Self::None, Some(number)) => Self::One(number),
            (Self::One(first), Some(number)) if first != number => Self::Several(first),
            (seen, Some(_)) => seen,
        };
    }

    /// The first text.
    pub(super) const fn first(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::One(number) | Self::Several(number) => Some(number),
        }
    }
}

/// A set of a closed set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u32);

impl Set {
    pub(super) fn add<L: Label>(&mut self, member: L) {
        self.0 |= bit(member);
    }

    pub(super) const fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn has<L: Label>(self, member: L) -> bool {
        self.0 & bit(member) != 0
    }

    /// Its members.
    pub(super) fn of<L: Label>(self) -> impl Iterator<Item = L> {
        L::ALL.iter().copied().filter(move |member| self.has(*member))
    }

    /// Its words, with a space in between.
    pub(super) fn words<L: Label>(self) -> String {
        self.of::<L>().map(L::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn bit<L: Label>(member: L) -> u32 {
    u32::try_from(member.index()).ok().and_then(|at| 1_u32.checked_shl(at)).unwrap_or(0)
}

/// The sums of some rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Connections.
    pub(super) count: u64,
    /// Of them told why not.
    pub(super) refused: u64,
    /// Of them passed on to the legacy terminator.
    pub(super) legacy: u64,
    /// The least `from`.
    pub(super) first: Moment,
    /// The greatest `to`.
    pub(super) last: Moment,
    /// The greatest `from`: it was surely seen behind this.
    pub(super) again: Moment,
    pub(super) stacks: Set,
    pub(super) reasons: Set,
    pub(super) offered: Set,
    pub(super) sni: Seen,
    pub(super) ja4: Seen,
}

/// The texts of a row by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    pub(super) sni: Option<u32>,
    pub(super) ja4: Option<u32>,
    pub(super) stack: Stack,
}

impl Record {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &Census<'_>, texts: Texts) {
        let (mut stacks, mut reasons, mut offered) =
            (Set::default(), Set::default(), Set::default());
        stacks.add(texts.stack);
        reasons.add(row.reason.0);
        offered.add(row.offered_max.0);
        let (mut sni, mut ja4) = (Seen::None, Seen::None);
        sni.add(texts.sni);
        ja4.add(texts.ja4);
        let of = |lane| if row.lane.0 == lane { row.count } else { 0 };
        self.join(&Self {
            count: row.count,
            refused: of(Lane::Refuse),
            legacy: of(Lane::Legacy),
            first: row.from,
            last: row.to,
            again: row.from,
            stacks,
            reasons,
            offered,
            sni,
            ja4,
        });
    }

    /// Takes the sums of another one away; when it was seen stays.
    pub(super) const fn leave(&mut self, other: &Self) {
        self.count = self.count.saturating_sub(other.count);
        self.refused = self.refused.saturating_sub(other.refused);
        self.legacy = self.legacy.saturating_sub(other.legacy);
    }

    /// Adds all of another one.
    pub(super) fn join(&mut self, other: &Self) {
        let fresh = self.last == Moment::default();
        self.first = if fresh { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.again = self.again.max(other.again);
        for (sum, more) in [
            (&mut self.count, other.count),
            (&mut self.refused, other.refused),
            (&mut self.legacy, other.legacy),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.stacks.join(other.stacks);
        self.reasons.join(other.reasons);
        self.offered.join(other.offered);
        join(&mut self.sni, other.sni);
        join(&mut self.ja4, other.ja4);
    }
}

fn join(seen: &mut Seen, other: Seen) {
    seen.add(other.first());
    if let (Seen::Several(_), Seen::One(first)) = (other, *seen) {
        *seen = Seen::Several(first);
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Seen, Set, join};
    use crate::{label::Label, stack::Stack, version::Offered};

    #[test]
    fn it_stays_small() {
        assert!(size_of::<Record>() <= 64, "{}", size_of::<Record>());
        assert!(Stack::ALL.len() <= 32, "a set has 32 bits");
    }

    #[test]
    fn sets_have_what_was_added() {
        let mut set = Set::default();
        set.add(Offered::Tls11);
        set.add(Offered::Ssl3);
        assert_eq!(set.words::<Offered>(), "ssl3 1.1");
        assert!(set.has(Offered::Ssl3) && !set.has(Offered::Tls13));
    }

    #[test]
    fn one_text_or_several() {
        let mut seen = Seen::None;
        for (number, expected) in [
            (None, Seen::None),
            (Some(3), Seen::One(3)),
            (Some(3), Seen::One(3)),
            (Some(4), Seen::Several(3)),
            (None, Seen::Several(3)),
        ] {
            seen.add(number);
            assert_eq!(seen, expected);
        }
        let mut one = Seen::One(3);
        join(&mut one, Seen::Several(3));
        assert_eq!(one, Seen::Several(3));
    }
}

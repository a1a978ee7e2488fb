//! Which member of a group gets the next request: in turn, or the less loaded of two.
//!
//! Called by `pool` for every request; `hash` has the third way. A member's share says how much
//! it may get compared with the others, 0 that it is out. Nothing here allocates, locks or knows
//! what a server is.

use std::{cell::Cell, cmp::Ordering};

use crate::chance::Chance;

/// A group that is chosen from.
#[derive(Debug)]
pub(super) struct Members<T> {
    list: Box<[Member<T>]>,
    /// The largest share that a member can have.
    heaviest: u32,
}

#[derive(Debug)]
struct Member<T> {
    server: T,
    /// What it is owed, in shares (smooth weighted round robin).
    credit: Cell<i64>,
}

/// Draws before a plain search: enough where some members are out or weights differ much.
const DRAWS: usize = 16;

impl<T> Members<T> {
    /// A group of which each member is owed nothing yet.
    pub(super) fn new(servers: impl Iterator<Item = T>, heaviest: u32) -> Self {
        let list = servers.map(|server| Member { server, credit: Cell::new(0) }).collect();
        Self { list, heaviest }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.list.iter().map(|member| &member.server)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn at(&self, index: usize) -> Option<&T> {
        self.list.get(index).map(|member| &member.server)
    }

    /// Each in its turn, the heavier ones more often and never all their turns at once.
    pub(super) fn in_turn(&self, share: impl Fn(&T) -> u32) -> Option<&T> {
        let (mut sum, mut best) = (0i64, None::<&Member<T>>);
        for member in &self.list {
            let share = i64::from(share(&member.server));
            if share == 0 {
                continue;
            }
            sum = sum.saturating_add(share);
            member.credit.set(member.credit.get().saturating_add(share));
            if best.is_none_or(|best| member.credit.get() > best.credit.get()) {
                best = Some(member);
            }
        }
        let best = best?;
        best.credit.set(best.credit.get().saturating_sub(sum));
        Some(&best.server)
    }

    /// The less loaded of two: with more members than that, of two drawn by their shares, so that
    /// workers that know nothing of each other do not all run to the same one.
    pub(super) fn least_loaded(
        &self,
        share: impl Fn(&T) -> u32,
        in_flight: impl Fn(&T) -> u32,
        chance: &Chance,
    ) -> Option<&T> {
        let (one, other) = match &*self.list {
            [] => return None,
            [only] => return Some(&only.server).filter(|only| share(only) > 0),
            [one, other] => (&one.server, &other.server),
            _ => {
                let shares = |at: usize| self.at(at).map_or(0, &share);
                let first = self.draw(&shares, None, chance)?;
                let Some(second) = self.draw(&shares, Some(first), chance) else {
                    return self.at(first);
                };
                (self.at(first)?, self.at(second)?)
            }
        };
        match lighter((in_flight(one), share(one)), (in_flight(other), share(other))) {
            Lighter::None => None,
            Lighter::First => Some(one),
            Lighter::Second => Some(other),
            // Drawn by shares, the first is as good a choice as there is.
            Lighter::Both if self.len() > 2 => Some(one),
            Lighter::Both => self.in_turn(share),
        }
    }

    /// One at chance, by shares; not `other`.
    fn draw(
        &self,
        share: &impl Fn(usize) -> u32,
        other: Option<usize>,
        chance: &Chance,
    ) -> Option<usize> {
        let count = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let place = || usize::try_from(chance.below(count)).unwrap_or(0);
        for _ in 0..DRAWS {
            let at = place();
            if Some(at) != other && chance.below(self.heaviest) < share(at) {
                return Some(at);
            }
        }
        let start = place();
        let order = (start..self.len()).chain(0..start);
        order.into_iter().find(|at| Some(*at) != other && share(*at) > 0)
    }
}

/// Which of two has less to do.
enum Lighter {
    None,
    First,
    Second,
    Both,
}

/// Compares by (in flight + 1) / share; two idle ones are alike, or the heavier of them would get
/// every request that comes alone.
fn lighter(one: (u32, u32), other: (u32, u32)) -> Lighter {
    let load = |(in_flight, _): (u32, u32), (_, share): (u32, u32)| {
        // Multiplied by the other's share instead of divided by its own.
        u64::from(in_flight).saturating_add(1).saturating_mul(share.into())
    };
    match (one, other) {
        ((_, 0), (_, 0)) => Lighter::None,
        (_, (_, 0)) => Lighter::First,
        ((_, 0), _) => Lighter::Second,
        ((0, _), (0, _)) => Lighter::Both,
        _ => match load(one, other).cmp(&load(other, one)) {
            Ordering::Less => Lighter::First,
            Ordering::Greater => Lighter::Second,
            Ordering::Equal => Lighter::Both,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{Chance, Members};

    #[derive(Debug, Default)]
    struct Server {
        share: Cell<u32>,
        in_flight: Cell<u32>,
        got: Cell<u32>,
    }

    fn group(shares: &[u32]) -> Members<Server> {
        let server = |share: &u32| Server { share: Cell::new(*share), ..Server::default() };
        Members::new(shares.iter().map(server), shares.iter().copied().max().unwrap_or(0))
    }

    fn got(group: &Members<Server>) -> Vec<u32> {
        group.iter().map(|server| server.got.get()).collect()
    }

    /// Requests that come one after the other, or with some always under way.
    fn least(group: &Members<Server>, requests: usize, kept: usize, chance: &Chance) {
        let mut under_way = std::collections::VecDeque::new();
        for _ in 0..requests {
            let chosen = group.least_loaded(|s| s.share.get(), |s| s.in_flight.get(), chance);
            let chosen = chosen.expect("none");
            chosen.got.set(chosen.got.get() + 1);
            chosen.in_flight.set(chosen.in_flight.get() + 1);
            under_way.push_back(chosen);
            if under_way.len() > kept {
                let ended = under_way.pop_front().unwrap();
                ended.in_flight.set(ended.in_flight.get() - 1);
            }
        }
    }

    #[test]
    fn turns_are_by_weight_and_spread() {
        let group = group(&[5, 1, 1, 0]);
        let mut order = String::new();
        for _ in 0..7 {
            let chosen = group.in_turn(|server| server.share.get()).unwrap();
            chosen.got.set(chosen.got.get() + 1);
            let at = group.iter().position(|server| std::ptr::eq(server, chosen)).unwrap();
            order.push(char::from(b'a' + u8::try_from(at).unwrap()));
        }
        assert_eq!(order, "aabacaa");
        assert_eq!(got(&group), [5, 1, 1, 0]);
    }

    #[test]
    fn of_two_the_less_loaded_and_equals_in_turn() {
        let chance = Chance::seeded(7);
        let group = group(&[1, 1]);
        least(&group, 100, 0, &chance);
        assert_eq!(got(&group), [50, 50]);
        group.at(0).unwrap().in_flight.set(1);
        least(&group, 10, 0, &chance);
        assert_eq!(got(&group), [50, 60]);
    }

    #[test]
    fn weights_hold_for_requests_that_come_alone_and_for_many() {
        let chance = Chance::seeded(7);
        for kept in [0, 40] {
            let group = group(&[300, 100]);
            least(&group, 4000, kept, &chance);
            let first = got(&group)[0];
            assert!((2900..=3100).contains(&first), "{kept}: {:?}", got(&group));
        }
        for kept in [0, 60] {
            let group = group(&[300, 100, 100, 100]);
            least(&group, 6000, kept, &chance);
            let first = got(&group)[0];
            assert!((2700..=3300).contains(&first), "{kept}: {:?}", got(&group));
        }
    }

    #[test]
    fn two_choices_keep_loads_close() {
        let chance = Chance::seeded(7);
        let group = group(&[100; 10]);
        least(&group, 10_000, 100, &chance);
        let most = group.iter().map(|server| server.in_flight.get()).max().unwrap();
        assert!(most <= 14, "{most} of 100 at one of ten");
    }

    #[test]
    fn those_that_are_out_get_nothing_and_none_is_none() {
        let chance = Chance::seeded(7);
        for shares in [&[0, 9][..], &[9, 0], &[0, 9, 0], &[0, 0, 9, 0, 0, 0, 0, 0]] {
            let group = group(shares);
            least(&group, 50, 3, &chance);
            let expected: Vec<u32> = shares.iter().map(|s| if *s > 0 { 50 } else { 0 }).collect();
            assert_eq!(got(&group), expected);
        }
        for shares in [&[][..], &[0], &[0, 0], &[0, 0, 0]] {
            let group = group(shares);
            let chosen = group.least_loaded(|s| s.share.get(), |s| s.in_flight.get(), &chance);
            assert!(chosen.is_none() && group.in_turn(|server| server.share.get()).is_none());
        }
    }
}

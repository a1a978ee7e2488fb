//! Session tickets that any replica with the same secret can take up (RFC 5077, RFC 8446 4.6.1).
//!
//! Built by `sites` with everything else that a reload replaces; what the one before had is
//! accepted for as long as its tickets live. Sites that ask different things of a client never open
//! each other's tickets: what they ask is in the key.

mod key;
mod ratchet;
mod schedule;
mod secret_file;
mod ticketer;

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

use self::schedule::{Schedule, Seeds};
pub(super) use self::ticketer::Ticketer;
use super::clock;
use crate::{
    config::{Problem, Tls},
    files::Files,
    metrics::TicketCounters,
    version::TlsVersion,
};

/// Secrets that may be known at a time: more would make strangers' tickets cost more.
const MOST: usize = 16;

/// The secrets in force, and those that leave.
#[derive(Debug)]
pub struct Tickets {
    /// The first makes tickets, all open them.
    members: Arc<[Member]>,
    /// Seconds.
    lifetime: u32,
    counters: Arc<TicketCounters>,
    by_context: HashMap<[u8; 32], Arc<Ticketer>>,
}

/// One secret, and how long it counts.
#[derive(Clone, Debug)]
struct Member {
    schedule: Arc<Schedule>,
    /// Seconds since 1970; none while it is configured.
    until: Option<u64>,
}

impl Member {
    fn seeds(&self, now: u64) -> Seeds {
        match self.until {
            Some(until) if now >= until => {
                Seeds { present: None, others: Vec::new(), valid: until..u64::MAX }
            }
            until => {
                let mut seeds = self.schedule.seeds(now);
                seeds.valid.end = seeds.valid.end.min(until.unwrap_or(u64::MAX));
                seeds
            }
        }
    }
}

impl Tickets {
    /// By the secrets of `tls.ticket_secret`; without one, by a secret of this process that is
    /// taken over from `before`.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub(super) fn load(
        tls: &Tls,
        files: &Files,
        before: Option<&Self>,
        counters: Arc<TicketCounters>,
    ) -> Result<Self, Vec<Problem>> {
        let lifetime = tls.ticket_lifetime.as_secs();
        let earlier = before.map(|tickets| &*tickets.members).unwrap_or_default();
        let fresh = match &tls.ticket_secret {
            Some(file) => {
                let secrets = secret_file::read(file, files)?;
                secrets.iter().map(|secret| Schedule::shared(secret, lifetime)).collect()
            }
            None if earlier.iter().any(|one| one.is_own_for(lifetime)) => Vec::new(),
            None => vec![own(lifetime)?],
        };
        let is_own = tls.ticket_secret.is_none();
        let members = members(fresh, is_own.then_some(lifetime), earlier, clock::now());
        let lifetime = u32::try_from(lifetime).unwrap_or(u32::MAX);
        Ok(Self { members: members.into(), lifetime, counters, by_context: HashMap::new() })
    }

    /// The tickets of sites with this floor that ask the same of a client's certificate, given as
    /// whatever bytes say it.
    ///
    /// Two such sites have one key. A session still cannot move from one to the other: the name
    /// that was asked for is inside the ticket, and rustls takes a session up only under the same
    /// name (RFC 6066 3). The key's part is that a name whose site changes at a reload, or differs
    /// on another replica, does not keep what was agreed under the laxer one.
    pub(super) fn of_context(&mut self, floor: TlsVersion, client_auth: &[u8]) -> Arc<Ticketer> {
        let asked = [&floor.wire().to_be_bytes(), client_auth].concat();
        let mut context = [0; 32];
        context.iter_mut().zip(digest(&SHA256, &asked).as_ref()).for_each(|(to, from)| *to = *from);
        let new = || {
            let (members, counters) = (Arc::clone(&self.members), Arc::clone(&self.counters));
            Arc::new(Ticketer::new(context, members, self.lifetime, counters))
        };
        Arc::clone(self.by_context.entry(context).or_insert_with(new))
    }
}

impl Member {
    fn is_own_for(&self, lifetime: u64) -> bool {
        self.schedule.is_own && self.schedule.lifetime == lifetime
    }
}

/// Those that are configured, and behind them those that were and whose tickets still live; `own`
/// is the lifetime where this process's own secret is what makes tickets.
fn members(fresh: Vec<Schedule>, own: Option<u64>, earlier: &[Member], now: u64) -> Vec<Member> {
    let known = |schedule: Schedule| {
        let same = earlier.iter().find(|one| one.schedule.is(&schedule));
        same.map_or_else(|| Arc::new(schedule), |one| Arc::clone(&one.schedule))
    };
    let mut members: Vec<Member> = Vec::new();
    let add = |members: &mut Vec<Member>, member: Member| {
        let known = members.iter().any(|one| one.schedule.is(&member.schedule));
        if !known && members.len() < MOST {
            members.push(member);
        }
    };
    for schedule in fresh {
        add(&mut members, Member { schedule: known(schedule), until: None });
    }
    let kept = own.and_then(|lifetime| earlier.iter().find(|one| one.is_own_for(lifetime)));
    if let Some(kept) = kept {
        add(&mut members, Member { schedule: Arc::clone(&kept.schedule), until: None });
    }
    for one in earlier {
        let until = one.until.unwrap_or_else(|| now.saturating_add(one.schedule.lifetime));
        if until > now {
            add(&mut members, Member { schedule: Arc::clone(&one.schedule), until: Some(until) });
        }
    }
    members
}

fn own(lifetime: u64) -> Result<Schedule, Vec<Problem>> {
    Schedule::own(lifetime).map_err(|error| {
        vec![Problem::bare("tls.ticket_secret", format!("no random numbers: {error}"))]
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use rustls::server::ProducesTickets;

    use super::{MOST, Member, Schedule, Tickets, members};
    use crate::{
        config::{FileAt, Place, Tls},
        files::Files,
        version::TlsVersion,
    };

    /// Tickets with these secrets, or without a file, as a reload builds them.
    fn load(secrets: Option<&str>, lifetime: u64, before: Option<&Tickets>) -> Tickets {
        let folder = tempfile::tempdir().unwrap();
        let mut tls = Tls::new(TlsVersion::Tls12, Vec::new());
        tls.ticket_lifetime = Duration::from_secs(lifetime);
        tls.ticket_secret = secrets.map(|letters| {
            let path = folder.path().join("t.key");
            let lines: Vec<_> = letters.chars().map(|one| one.to_string().repeat(32)).collect();
            std::fs::write(&path, lines.join("\n")).unwrap();
            let place = Place { file: Arc::default(), line: 1, column: 1, key: "k".into() };
            FileAt { path, place }
        });
        Tickets::load(&tls, &Files::default(), before, Arc::default()).unwrap()
    }

    /// Whether a ticket of one is opened by the other, for sites that ask for this and that.
    fn shares(one: &mut Tickets, this: &[u8], other: &mut Tickets, that: &[u8]) -> bool {
        let ticket = one.of_context(TlsVersion::Tls12, this).encrypt(b"session").unwrap();
        let opened = other.of_context(TlsVersion::Tls12, that).decrypt(&ticket);
        opened.is_some_and(|session| session == b"session")
    }

    #[test]
    fn a_reload_goes_on_with_what_was() {
        let none: &[u8] = b"none";
        for (before, lifetime, after, other_lifetime) in [
            (Some("a"), 3600, Some("a"), 3600),
            (Some("a"), 3600, Some("b"), 3600),
            (Some("a"), 3600, Some("a"), 7200),
            (Some("a"), 3600, None, 3600),
            (None, 3600, None, 3600),
            (None, 3600, None, 7200),
            (None, 3600, Some("a"), 3600),
        ] {
            let mut first = load(before, lifetime, None);
            let mut second = load(after, other_lifetime, Some(&first));
            let mut third = load(after, other_lifetime, Some(&second));
            let name = format!("{before:?} {lifetime} {after:?} {other_lifetime}");
            assert!(shares(&mut first, none, &mut second, none), "{name}");
            assert!(shares(&mut first, none, &mut third, none), "{name}: two reloads later");
            assert!(shares(&mut second, none, &mut third, none), "{name}");
            let same = before == after && lifetime == other_lifetime;
            assert_eq!(shares(&mut second, none, &mut first, none), same, "{name}: back");
            assert_eq!(second.members.iter().filter(|one| one.until.is_none()).count(), 1);
        }
    }

    #[test]
    fn two_processes_share_only_by_the_file_and_its_lifetime() {
        let none: &[u8] = b"none";
        let with = |one: (Option<&str>, u64), other: (Option<&str>, u64)| {
            shares(&mut load(one.0, one.1, None), none, &mut load(other.0, other.1, None), none)
        };
        assert!(with((Some("a"), 3600), (Some("a"), 3600)));
        assert!(with((Some("a"), 3600), (Some("ba"), 3600)));
        assert!(!with((Some("ab"), 3600), (Some("b"), 3600)), "the first makes them");
        assert!(!with((Some("a"), 3600), (Some("a"), 7200)));
        assert!(!with((None, 3600), (None, 3600)));
    }

    #[test]
    fn sites_that_ask_different_things_share_nothing() {
        let mut tickets = load(Some("a"), 3600, None);
        let mut replica = load(Some("a"), 3600, None);
        assert!(shares(&mut tickets, b"ca", &mut replica, b"ca"));
        assert!(!shares(&mut tickets, b"none", &mut replica, b"ca"));
        let ticket = tickets.of_context(TlsVersion::Tls12, b"").encrypt(b"session").unwrap();
        assert!(replica.of_context(TlsVersion::Tls13, b"").decrypt(&ticket).is_none());
        let again = tickets.of_context(TlsVersion::Tls12, b"");
        assert!(Arc::ptr_eq(&again, &tickets.of_context(TlsVersion::Tls12, b"")));
    }

    #[test]
    fn what_left_long_ago_is_forgotten_and_there_are_never_too_many() {
        let member = |letter: u8, until| Member {
            schedule: Arc::new(Schedule::shared(&[letter; 32], 3600)),
            until,
        };
        let fresh = || vec![Schedule::shared(&[0; 32], 3600)];
        let earlier = [member(1, None), member(2, Some(1001)), member(3, Some(1000))];
        let now = members(fresh(), None, &earlier, 1000);
        let until: Vec<_> = now.iter().map(|one| one.until).collect();
        assert_eq!(until, [None, Some(4600), Some(1001)]);
        let back = members(vec![Schedule::shared(&[2; 32], 3600)], None, &earlier, 1000);
        assert_eq!((back[0].until, back.len()), (None, 2), "one that comes back stays");
        let many: Vec<_> = (1..100).map(|letter| member(letter, Some(5000))).collect();
        let kept = members(fresh(), None, &many, 1000);
        assert_eq!(kept.len(), MOST);
        assert!(kept[1].schedule.is(&many[0].schedule), "the latest stay");
    }
}

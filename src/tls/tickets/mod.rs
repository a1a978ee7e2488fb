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

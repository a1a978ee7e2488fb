//! The answer in one sentence, the one that is quoted.

use super::{FLOOR, answer::Answer, moment::DAY};
use crate::{
    document::figures::{counted, percent, short, thousands},
    label::Label,
    policy::Reason,
    version::Offered,
};

/// "412 of 1.2M connections a day, from 37 clients, are below TLS 1.2 (0.034 %)."
pub(super) fn headline(answer: &Answer<'_>) -> String {
    let (days, pace) = match answer.to.0.saturating_sub(answer.from.0) / DAY {
        0 | 1 => (1, ""),
        days => (u64::from(days), " a day"),
    };
    let fails = fails(answer);
    let whole = answer.connections.map(|all| format!(" of {}", short(all / days)));
    let whole = whole.unwrap_or_default();
    if answer.below == 0 {
        let fails = fails.replacen("are", "is", 1);
        return match answer.connections {
            None => format!("No connection {fails}."),
            Some(_) => format!("None{whole} connections{pace} {fails}."),
        };
    }
    let share = answer.connections.map(|all| format!(" ({})", percent(answer.below, all)));
    let part = match answer.below / days {
        0 => "less than 1".to_owned(),
        part => thousands(part),
    };
    let least = if answer.below_other > 0 { "at least " } else { "" };
    format!(
        "{part}{whole} connections{pace}, from {least}{}, {fails}{}.",
        counted(answer.clients, "client"),
        share.unwrap_or_default()
    )
}

/// What they fail, as far as the rows say it: a version, if all of them fail by it.
fn fails(answer: &Answer<'_>) -> String {
    if answer.policy != FLOOR {
        return format!("are below the policy \"{}\"", answer.policy);
    }
    let offers = answer.offered.iter().filter_map(|count| Offered::named(count.word));
    let highest = offers.max().unwrap_or(Offered::None);
    let by_version = answer.reasons.iter().all(|count| count.word == Reason::Version.as_str());
    if answer.below > 0 && by_version && highest < Offered::Tls12 {
        "are below TLS 1.2".to_owned()
    } else {
        "are below the floor".to_owned()
    }
}

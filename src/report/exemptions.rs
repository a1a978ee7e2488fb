//! Which exemptions are used, and which only stand in the configuration.
//!
//! A row says how often one was used since the row before; of what it says besides, the latest
//! counts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    moment::Moment,
    row::{self, text},
};

/// Exemptions that are told apart; they come from configurations, so this is only a fence.
const MOST: usize = 1 << 16;

/// One exemption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Exemption {
    pub(super) exemption: String,
    pub(super) owner: String,
    pub(super) uses: u64,
    /// When a row last said that it was used.
    pub(super) last_used: Option<Moment>,
    pub(super) expires: String,
    pub(super) state: String,
    #[serde(skip)]
    told: Moment,
}

/// All of them.
#[derive(Default)]
pub(super) struct Exemptions(BTreeMap<String, Exemption>);

impl Exemptions {
    pub(super) fn add(&mut self, row: &row::Exemption<'_>) {
        let name = row.exemption.as_str();
        if !self.0.contains_key(name) {
            if self.0.len() >= MOST {
                return;
            }
            let fresh = Exemption { exemption: name.to_owned(), ..Exemption::default() };
            self.0.insert(name.to_owned(), fresh);
        }
        let Some(known) = self.0.get_mut(name) else { return };
        let told = row.to.or(row.timestamp).unwrap_or_default();
        known.uses = known.uses.saturating_add(row.count);
        if row.count > 0 {
            known.last_used = known.last_used.max(Some(told));
        }
        if told >= known.told {
            known.told = told;
            for (field, said) in [
                (&mut known.owner, text(&row.owner)),
                (&mut known.expires, text(&row.expires)),
                (&mut known.state, text(&row.state)),
            ] {
                if let Some(said) = said {
                    said.clone_into(field);
                }
            }
        }
    }

    /// Most used first.
    pub(super) fn all(self) -> Vec<Exemption> {
        let mut all: Vec<_> = self.0.into_values().collect();
        all.sort_by(|a, b| b.uses.cmp(&a.uses).then(a.exemption.cmp(&b.exemption)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Exemptions;
    use crate::report::row::{Row, read};

    #[test]
    fn uses_add_up_and_the_latest_word_counts() {
        let mut exemptions = Exemptions::default();
        for line in [
            r#"{"timestamp":"2027-01-13T00:00:00Z","event":"exemption","exemption":"acme","owner":"new","count":0,"state":"expired"}"#,
            r#"{"timestamp":"2027-01-12T00:00:00Z","event":"exemption","exemption":"acme","owner":"old","count":3,"state":"active","expires":"2027-01-13T00:00:00Z"}"#,
            r#"{"timestamp":"2027-01-12T00:00:00Z","event":"exemption","exemption":"zeta","count":0}"#,
            r#"{"timestamp":"2027-01-11T00:00:00Z","event":"exemption","exemption":"acme","count":2}"#,
        ] {
            let Ok(Row::Exemption(row)) = read(line.as_bytes()) else { panic!("{line}") };
            exemptions.add(&row);
        }
        let all = exemptions.all();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[0].uses, all[0].owner.as_str(), all[0].state.as_str()),
            (5, "new", "expired")
        );
        assert_eq!(all[0].last_used.unwrap().date(), "2027-01-12");
        assert_eq!((all[1].uses, all[1].last_used), (0, None));
    }
}

//! What authorities have revoked: lists read, checked against the bundle and the clock.
//!
//! Called by `client_auth`. rustls verifies each list's signature when a certificate needs it;
//! here is said beforehand what no client could tell: a list of nobody, an authority without one,
//! a list that is out of date.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use super::{
    certificate::Findings,
    pem::{self, PemError},
    subject::written,
};
use crate::{
    config::{FileAt, Problem, StaleCrl},
    files::FileError,
};

/// The lists of one file.
#[derive(Debug)]
pub(super) struct Revocation {
    /// For rustls.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
    /// What a list that is out of date does.
    pub stale: StaleCrl,
    /// The file's name.
    pub name: String,
    /// When the first of them is out of date, in seconds since 1970.
    pub ends: i64,
    /// Whether that has been said.
    said: AtomicBool,
}

/// What is wrong with a file of lists.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("list {0} in it cannot be understood: {1}")]
    Invalid(usize, #[source] x509_parser::nom::Err<x509_parser::error::X509Error>),
    #[error("list {0} in it does not say when the next one comes (nextUpdate, RFC 5280 5.1.2.5)")]
    Endless(usize),
}

/// More than the list of any authority that clients of an API have.
const LONGEST: u64 = 64 << 20;

/// What one list says of itself.
struct List {
    issuer: Vec<u8>,
    shown: String,
    ends: i64,
    end_shown: String,
}

impl Revocation {
    /// Reads the lists in `file`; none where there is a problem.
    pub(super) fn load(
        file: &FileAt,
        stale: StaleCrl,
        authorities: &[CertificateDer<'_>],
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let name = file.path.display().to_string();
        let (lists, said) = match read(file, findings) {
            Ok(read) => read,
            Err(error) => {
                let text = format!("{name}: {error}");
                findings.problems.push(Problem { place: file.place.clone(), text });
                return None;
            }
        };
        let now = findings.now;
        let mut doubts = Vec::new();
        doubts.extend(said.iter().filter_map(|list| list.stale(stale, now)));
        doubts.extend(mismatches(&said, authorities));
        let place = || file.place.clone();
        let doubts = doubts.into_iter();
        let doubts = doubts.map(|text| Problem { place: place(), text: format!("{name}: {text}") });
        findings.warnings.extend(doubts);
        let ends = said.iter().map(|list| list.ends).min()?;
        Some(Self { lists, stale, name, ends, said: AtomicBool::new(ends <= now) })
    }

    /// Says once that a list has gone out of date; a snapshot that is built later says it again.
    pub(super) fn notice_end(&self, now: i64) {
        if !self.is_to_be_said(now) {
            return;
        }
        let file = self.name.as_str();
        match self.stale {
            StaleCrl::Refuse => {
                tracing::warn!(file, "a revocation list is out of date: its clients are refused");
            }
            StaleCrl::Warn => {
                tracing::warn!(file, "a revocation list is out of date and counts on");
            }
        }
    }
}

impl Revocation {
    fn is_to_be_said(&self, now: i64) -> bool {
        self.ends <= now && !self.said.swap(true, Ordering::Relaxed)
    }
}

type Lists = (Vec<CertificateRevocationListDer<'static>>, Vec<List>);

fn read(file: &FileAt, findings: &Findings<'_>) -> Result<Lists, ListError> {
    let bytes = findings.files.read(&file.path, LONGEST)?;
    let lists = pem::revocation_lists(bytes)?;
    let said = lists.iter().enumerate().map(|(index, list)| List::read(index + 1, list));
    let said = said.collect::<Result<_, _>>()?;
    Ok((lists, said))
}

impl List {
    fn read(number: usize, der: &[u8]) -> Result<Self, ListError> {
        let (_, list) = CertificateRevocationList::from_der(der)
            .map_err(|error| ListError::Invalid(number, error))?;
        let end = list.next_update().ok_or(ListError::Endless(number))?;
        Ok(Self {
            issuer: list.issuer().as_raw().to_vec(),
            shown: written(list.issuer()),
            ends: end.timestamp(),
            end_shown: end.to_string(),
        })
    }

    fn stale(&self, stale: StaleCrl, now: i64) -> Option<String> {
        let what = match stale {
            StaleCrl::Refuse => "clients with certificates from it are refused until it is renewed",
            StaleCrl::Warn => "it counts on until it is renewed",
        };
        let Self { shown, end_shown, .. } = self;
        (self.ends <= now)
            .then(|| format!("the list of {shown} is out of date since {end_shown}; {what}"))
    }
}

/// Lists of nobody in the bundle, and who in the bundle has none. The first may be of an
/// intermediate that clients send; both are more often the wrong file.
fn mismatches(lists: &[List], authorities: &[CertificateDer<'_>]) -> Vec<String> {
    let parsed = authorities.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    let subjects: Vec<_> = parsed
        .map(|(_, authority)| (authority.subject().as_raw().to_vec(), written(authority.subject())))
        .collect();
    let known: HashSet<&[u8]> = subjects.iter().map(|(raw, _)| &**raw).collect();
    let listed: HashSet<&[u8]> = lists.iter().map(|list| &*list.issuer).collect();
    let strangers = lists.iter().filter(|list| !known.contains(&*list.issuer)).map(|list| {
        let shown = &list.shown;
        format!(
            "the list is of {shown}, which is no authority in ca; it counts only for clients \
            that send that one's certificate"
        )
    });
    let bare = subjects.iter().filter(|(raw, _)| !listed.contains(&**raw)).map(|(_, shown)| {
        format!("there is no list of {shown}: clients with certificates from it are refused")
    });
    strangers.chain(bare).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::Revocation;
    use crate::config::StaleCrl;

    #[test]
    fn the_end_of_a_list_is_said_once() {
        let (stale, name) = (StaleCrl::Warn, "a.crl".to_owned());
        let said = AtomicBool::new(false);
        let revocation = Revocation { lists: Vec::new(), stale, name, ends: 100, said };
        let said = [98, 99, 100, 101, 102].map(|now| revocation.is_to_be_said(now));
        assert_eq!(said, [false, false, true, false, false]);
    }
}

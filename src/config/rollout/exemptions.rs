//! Exemptions: from what is written to what is meant.
//!
//! Called by `resolve` and for an `exemptions_file`. Each has an owner, a reason and an end, and
//! none is for everybody: that would be a schedule, and belongs there.

use std::{collections::HashSet, ops::Range};

use toml::Spanned;

use super::{Exemption, raw, resolve::second};
use crate::{
    config::{
        document::Document,
        raw::Text,
        resolve::{
            listen::networks,
            value::{self, wrong},
        },
    },
    host::HostPattern,
};

/// Combinations of conditions of one exemption; each has its own entry when it is looked up.
const COMBINATIONS: usize = 10_000;

/// Characters of an owner's name or a reason.
const LONGEST: usize = 200;

pub(super) fn exemptions(
    raw: Vec<Spanned<raw::Exemption>>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<Exemption> {
    let mut exemptions = Vec::new();
    let mut known = HashSet::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let span = raw.span();
        let key = format!("{key}[{index}]");
        let Some(one) = exemption(raw.into_inner(), span.clone(), &key, document) else { continue };
        if !known.insert(one.identity()) {
            let text = "found owner and conditions again, expected each exemption once";
            document.report(span, &key, text.to_owned());
        }
        exemptions.push(one);
    }
    exemptions
}

fn exemption(
    raw: raw::Exemption,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Exemption> {
    let at = |name: &str| format!("{key}.{name}");
    let clients = networks(raw.clients, &at("clients"), document);
    let sni = names(raw.sni.as_deref().unwrap_or_default(), &at("sni"), document);
    let ja4 = fingerprints(raw.ja4.as_deref().unwrap_or_default(), &at("ja4"), document);
    let owner = words(raw.owner, &span, (&at("owner"), "whose it is"), document);
    let reason = words(raw.reason, &span, (&at("reason"), "why it is"), document);
    if raw.expires.is_none() {
        let what = "when it ends; an exemption for ever is none";
        value::missing(document, span.clone(), &at("expires"), what);
    }
    let expires = second(raw.expires.as_ref(), &at("expires"), document);
    let exemption = Exemption {
        clients,
        sni,
        ja4,
        owner: owner?,
        reason: reason?,
        expires: expires?,
        place: document.place(span.clone(), key),
    };
    // What was reported inside it may be why there is no condition left.
    if !document.has_reported(key)
        && let Some(text) = exemption.is_too_much()
    {
        document.report(span, key, text.to_owned());
        return None;
    }
    Some(exemption)
}

impl Exemption {
    /// What it is told apart by: owner and conditions, in one order.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut conditions: Vec<String> = self.clients.iter().map(ToString::to_string).collect();
        conditions.extend(self.sni.iter().map(ToString::to_string));
        conditions.extend(self.ja4.iter().cloned());
        conditions.sort_unstable();
        conditions.dedup();
        format!("{} {}", self.owner, conditions.join(" "))
    }

    fn is_too_much(&self) -> Option<&'static str> {
        let mut networks = self.clients.iter();
        let everywhere = self.clients.is_empty() || networks.any(|network| network.is_everything());
        let counts = [self.clients.len(), self.sni.len(), self.ja4.len()];
        let combinations = counts.iter().map(|count| (*count).max(1)).product::<usize>();
        if everywhere && self.sni.is_empty() && self.ja4.is_empty() {
            Some(
                "found an exemption for everybody, expected clients, sni or ja4 that tell some \
                 clients from the others; to let everybody in, change the schedule",
            )
        } else if combinations > COMBINATIONS {
            Some("found more than 10000 combinations of clients, sni and ja4, expected fewer")
        } else {
            None
        }
    }
}

fn names(list: &[Text], key: &str, document: &mut Document<'_>) -> Vec<HostPattern> {
    let mut names = Vec::new();
    for (index, text) in list.iter().enumerate() {
        match HostPattern::parse(text.get_ref()) {
            Ok(pattern) if pattern != HostPattern::Any => names.push(pattern),
            _ => {
                let expected = "a host name or \"*.example.com\"";
                wrong(document, text, &format!("{key}[{index}]"), expected);
            }
        }
    }
    names
}

fn fingerprints(list: &[Text], key: &str, document: &mut Document<'_>) -> Vec<String> {
    let fits = |text: &str| {
        let byte = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_' | b':');
        (1..=36).contains(&text.len()) && text.bytes().all(byte)
    };
    for (index, text) in list.iter().enumerate().filter(|(_, text)| !fits(text.get_ref())) {
        let expected = "a JA4 such as \"t10d120500_d94e65cdb899_c35b4a14be45\"";
        wrong(document, text, &format!("{key}[{index}]"), expected);
    }
    list.iter().map(|text| text.get_ref().clone()).collect()
}

/// A text for people; it goes into logs and labels.
fn words(
    text: Option<Text>,
    span: &Range<usize>,
    (key, what): (&str, &str),
    document: &mut Document<'_>,
) -> Option<String> {
    let Some(text) = text else {
        value::missing(document, span.clone(), key, what);
        return None;
    };
    let said = text.get_ref().trim();
    if said.is_empty() || said.chars().count() > LONGEST || said.contains(char::is_control) {
        wrong(document, &text, key, "1 to 200 characters on one line");
        return None;
    }
    Some(said.to_owned())
}

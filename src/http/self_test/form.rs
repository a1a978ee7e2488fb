//! The facts of a connection as text, HTML or JSON.
//!
//! Text and HTML are one document in two forms, which escape what the client sent.

use std::io;

use super::{
    facts::{Facts, Judged, Number},
    wish::Form,
};
use crate::{
    document::{Document, Section, Table, html, text},
    label::Label,
    stack::Layer,
};

impl Form {
    /// The whole answer.
    pub(super) fn write(self, facts: &Facts<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let written = match self {
            Self::Text => text::write(&document(facts), &mut out),
            Self::Html => html::write(&document(facts), &mut out),
            Self::Json => json(facts, &mut out),
        };
        debug_assert!(written.is_ok(), "memory can be written to");
        out
    }
}

fn json(facts: &Facts<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, facts)?;
    out.push(b'\n');
    Ok(())
}

fn document(facts: &Facts<'_>) -> Document {
    let mut sections = vec![policies(facts), agreed(facts), remedy(facts), offered(facts)];
    sections.push(list("Cipher suites offered", &facts.offered.suites));
    sections.push(list("Groups offered", &facts.offered.groups));
    sections.push(list("Signature schemes offered", &facts.offered.signature_schemes));
    sections.retain(|section| !section.table.rows.is_empty());
    Document {
        title: "TLS check of your client".to_owned(),
        headline: headline(facts),
        notes: vec!["It is about this one connection; another program of yours may differ.".into()],
        sections,
    }
}

fn headline(facts: &Facts<'_>) -> String {
    let fails = |policy: &&Judged<'_>| policy.reason.is_some();
    let failed: Vec<_> = facts.policies.iter().filter(fails).map(|policy| policy.name).collect();
    let version = facts.negotiated.version;
    if failed.is_empty() {
        format!("Good: your client uses TLS {version} and passes every policy that is tested here.")
    } else if facts.passes_floor {
        format!(
            "Your client uses TLS {version} and passes today's floor (TLS {}), but fails what may \
             come: {}.",
            facts.floor,
            failed.join(", ")
        )
    } else {
        format!("Your client fails today's floor (TLS {}).", facts.floor)
    }
}

fn policies(facts: &Facts<'_>) -> Section {
    let row = |policy: &Judged<'_>| {
        let reason = policy.reason.unwrap_or_default();
        [policy.name, policy.minimum, policy.verdict, reason].map(str::to_owned).to_vec()
    };
    let titles = ["policy", "minimum", "verdict", "reason"];
    let rows = facts.policies.iter().map(row);
    let table = Table::new(&titles).with(rows).without_empty();
    Section { heading: "What your client passes".to_owned(), table, ..Section::default() }
}

fn agreed(facts: &Facts<'_>) -> Section {
    let agreed = &facts.negotiated;
    let rows = [
        ("version", agreed.version),
        ("cipher suite", agreed.cipher),
        ("group", agreed.group),
        ("application protocol", agreed.alpn),
        ("resumed", if agreed.resumed { "yes" } else { "no" }),
    ];
    let heading = "What was agreed on".to_owned();
    Section { heading, table: pairs(rows), ..Section::default() }
}

fn remedy(facts: &Facts<'_>) -> Section {
    let rows = [("looks like", facts.stack.looks_like), ("what to do", &facts.remedy.fix)];
    let layers = Layer::ALL.iter().map(|layer| (layer.title(), facts.remedy.layer(*layer)));
    let evidence = facts.stack.evidence.map(|evidence| ("judged by", evidence));
    Section {
        heading: "Your client, and what to do".to_owned(),
        sentences: vec![facts.stack.what.to_owned()],
        table: pairs(rows.into_iter().chain(evidence).chain(layers)),
        links: facts.remedy.links.clone(),
        ..Section::default()
    }
}

fn offered(facts: &Facts<'_>) -> Section {
    let offered = &facts.offered;
    let shares: Vec<_> = offered.key_shares.iter().map(word).collect();
    let (versions, alpn) = (offered.versions.join(", "), offered.alpn.join(", "));
    let (client, shares) = (facts.client.to_string(), shares.join(", "));
    let rows = [
        ("versions", versions.as_str()),
        ("host name", offered.sni.unwrap_or("none")),
        ("application protocols", if alpn.is_empty() { "none" } else { &alpn }),
        ("key shares", if shares.is_empty() { "none" } else { &shares }),
        ("JA4", facts.ja4),
        ("your address", &client),
    ];
    let heading = "What your client offered".to_owned();
    Section { heading, table: pairs(rows), ..Section::default() }
}

fn list(heading: &str, numbers: &[Number]) -> Section {
    let row = |number: &Number| vec![number.number.clone(), number.name.unwrap_or("").to_owned()];
    let table = Table::new(&["number", "name"]).with(numbers.iter().map(row));
    Section { heading: heading.to_owned(), table, ..Section::default() }
}

fn word(number: &Number) -> String {
    number.name.map_or_else(|| number.number.clone(), str::to_owned)
}

fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Table {
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value.to_owned()]);
    Table::new(&["what", "value"]).with(rows)
}

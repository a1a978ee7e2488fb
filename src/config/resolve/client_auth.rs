//! `client_auth` of `[tls]` and `[[tls.hosts]]`

use toml::Spanned;

use super::value::{self, wrong};
use crate::{
    client_name::ClientName,
    config::{
        ClientAuth, ClientAuthMode, StaleCrl, document::Document, raw::Text, raw_client_auth,
    },
};

/// What is asked of clients; `above` where nothing is written here.
pub(super) fn client_auth(
    raw: Option<Spanned<raw_client_auth::ClientAuth>>,
    above: Option<&ClientAuth>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<ClientAuth> {
    let Some(raw) = raw else { return above.cloned() };
    let span = raw.span();
    let raw = raw.into_inner();
    let modes = [
        ("required", Some(ClientAuthMode::Required)),
        ("optional", Some(ClientAuthMode::Optional)),
        ("none", None),
    ];
    let at = |name: &str| format!("{key}.{name}");
    let required = Some(ClientAuthMode::Required);
    let mode = value::word(document, raw.mode.as_ref(), &at("mode"), required, &modes);
    let ca = value::file(document, raw.ca.as_ref(), &at("ca"));
    if mode.is_some() && ca.is_none() {
        value::missing(document, span, &at("ca"), "the PEM file of the authorities");
    }
    let crl = value::file(document, raw.crl.as_ref(), &at("crl"));
    let stale = [("refuse", StaleCrl::Refuse), ("warn", StaleCrl::Warn)];
    let stale = raw.stale_crl.as_ref().map(|text| {
        let stale = value::word(document, Some(text), &at("stale_crl"), StaleCrl::Refuse, &stale);
        if mode.is_some() && raw.crl.is_none() {
            wrong(document, text, &at("stale_crl"), "a crl beside it, which could be stale");
        }
        stale
    });
    let names = names(raw.names, &at("names"), document);
    let forward_chain = value::switch(raw.forward_chain.as_ref(), false);
    let stale_crl = stale.unwrap_or(StaleCrl::Refuse);
    Some(ClientAuth { mode: mode?, ca: ca?, crl, stale_crl, names, forward_chain })
}

fn names(raw: Option<Vec<Text>>, key: &str, document: &mut Document<'_>) -> Vec<ClientName> {
    let mut names = Vec::new();
    for (index, text) in raw.unwrap_or_default().iter().enumerate() {
        match ClientName::parse(text.get_ref()) {
            Ok(name) => names.push(name),
            Err(_) => wrong(document, text, &format!("{key}[{index}]"), NAME),
        }
    }
    names
}

const NAME: &str = "a host (\"a.example.com\", \"*.example.com\"), a URI \
    (\"spiffe://example.com/a\", \"spiffe://example.com/prod/*\") or a mailbox (\"a@example.com\")";

//! `[tls]` and `[[tls.hosts]]`

use std::{path::PathBuf, time::Duration};

use toml::Spanned;

use super::{
    client_auth::client_auth,
    value::{self, wrong},
};
use crate::{
    config::{
        CertificateSource, ClientAuth, Stranger, Tls, TlsHost, document::Document, raw, raw::Text,
    },
    host::HostPattern,
    version::TlsVersion,
};

/// Why there is no lower floor to choose.
const TOO_LOW: &str = "\"1.2\" or \"1.3\": TLS 1.1 and older must not be negotiated (RFC 8996) \
    and the TLS library has no code for them; clients that need them belong on the terminator \
    that serves them today until they are retired";

pub(super) fn tls(raw: Option<Spanned<raw::Tls>>, document: &mut Document<'_>) -> Tls {
    let (raw, span) = value::section(raw);
    let minimum = minimum(raw.minimum.as_ref(), "tls.minimum", TlsVersion::Tls12, document);
    if raw.certificates.is_empty() {
        let what = "at least one { chain = \"FILE\", key = \"FILE\" }";
        value::missing(document, span, "tls.certificates", what);
    }
    let certificates = certificates(raw.certificates, "tls", document);
    let auth = client_auth(raw.client_auth, None, "tls.client_auth", document);
    let mut names = Vec::new();
    let mut hosts = Vec::new();
    for (index, raw) in raw.hosts.into_iter().enumerate() {
        let above = Above { minimum, client_auth: auth.as_ref() };
        hosts.push(host(raw, &format!("tls.hosts[{index}]"), &above, &mut names, document));
    }
    let words = [("default", Stranger::Default), ("refuse", Stranger::Refuse)];
    let mut stranger =
        |value: Option<&Text>, key| value::word(document, value, key, Stranger::Default, &words);
    let without_sni = stranger(raw.without_sni.as_ref(), "tls.without_sni");
    let unknown_sni = stranger(raw.unknown_sni.as_ref(), "tls.unknown_sni");
    let ticket_secret = value::file(document, raw.ticket_secret.as_ref(), "tls.ticket_secret");
    let ticket_lifetime = value::duration(
        document,
        raw.ticket_lifetime.as_ref(),
        "tls.ticket_lifetime",
        Tls::TICKET_LIFETIME,
        TICKET_LIFETIMES,
    );
    Tls {
        minimum,
        certificates,
        client_auth: auth,
        without_sni,
        unknown_sni,
        ticket_secret,
        ticket_lifetime,
        hosts,
        self_test: Vec::new(),
    }
}

/// RFC 8446 4.6.1 allows no more than a week.
const TICKET_LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(300)..=Duration::from_secs(7 * 86_400);

pub(in crate::config) fn minimum(
    value: Option<&Text>,
    key: &str,
    default: TlsVersion,
    document: &mut Document<'_>,
) -> TlsVersion {
    let Some(text) = value else { return default };
    if let Some(version) = TlsVersion::ALL.into_iter().find(|one| one.as_str() == text.get_ref()) {
        return version;
    }
    let lower = text.get_ref().to_ascii_lowercase();
    let number = lower.trim_start_matches("tls").trim_start_matches(['v', ' ', '_', '-']);
    let is_old = lower.starts_with("ssl") || matches!(number, "1" | "1.0" | "1.1" | "1_0" | "1_1");
    wrong(document, text, key, if is_old { TOO_LOW } else { "\"1.2\" or \"1.3\"" });
    default
}

pub(in crate::config) fn certificates(
    raw: Vec<Spanned<raw::Certificate>>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<CertificateSource> {
    let mut sources = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        sources.extend(certificate(raw, &format!("{key}.certificates[{index}]"), document));
    }
    sources
}

/// A chain and its key.
pub(in crate::config) fn certificate(
    raw: Spanned<raw::Certificate>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<CertificateSource> {
    let span = raw.span();
    let raw::Certificate { chain, key: private, ocsp } = raw.into_inner();
    let chain_key = format!("{key}.chain");
    let private_key = format!("{key}.key");
    let chain = file(chain, span.clone(), &chain_key, "the PEM file of the chain", document);
    let what = "the PEM file of the private key";
    let private = file(private, span, &private_key, what, document);
    let ocsp = value::file(document, ocsp.as_ref(), &format!("{key}.ocsp"));
    let (chain, private) = (chain?, private?);
    Some(CertificateSource::Files {
        chain_place: document.place(chain.0, &chain_key),
        key_place: document.place(private.0, &private_key),
        chain: chain.1,
        key: private.1,
        ocsp,
    })
}

/// A file's span and its path, which begins at the configuration's folder.
pub(in crate::config) fn file(
    value: Option<Text>,
    span: std::ops::Range<usize>,
    key: &str,
    what: &str,
    document: &mut Document<'_>,
) -> Option<(std::ops::Range<usize>, PathBuf)> {
    let Some(text) = value else {
        value::missing(document, span, key, what);
        return None;
    };
    if text.get_ref().is_empty() {
        wrong(document, &text, key, what);
        return None;
    }
    Some((text.span(), document.folder().join(text.get_ref())))
}

/// What `[tls]` says for hosts that say nothing else.
struct Above<'a> {
    minimum: TlsVersion,
    client_auth: Option<&'a ClientAuth>,
}

fn host(
    raw: Spanned<raw::TlsHost>,
    key: &str,
    above: &Above<'_>,
    taken: &mut Vec<HostPattern>,
    document: &mut Document<'_>,
) -> TlsHost {
    let span = raw.span();
    let raw = raw.into_inner();
    let names_key = format!("{key}.names");
    if raw.names.as_ref().is_none_or(Vec::is_empty) {
        value::missing(document, span.clone(), &names_key, "at least one host name");
    }
    let mut names = Vec::new();
    for (index, text) in raw.names.unwrap_or_default().iter().enumerate() {
        names.extend(name(text, &format!("{names_key}[{index}]"), taken, document));
    }
    let floor = above.minimum;
    let minimum_key = format!("{key}.minimum");
    let minimum = minimum(raw.minimum.as_ref(), &minimum_key, floor, document);
    if let Some(text) = raw.minimum.as_ref().filter(|_| minimum < floor) {
        let expected = format!("a version not below tls.minimum = \"{floor}\"");
        wrong(document, text, &minimum_key, &expected);
    }
    let certificates = certificates(raw.certificates, key, document);
    let auth_key = format!("{key}.client_auth");
    let client_auth = client_auth(raw.client_auth, above.client_auth, &auth_key, document);
    TlsHost { names, minimum, certificates, client_auth, place: document.place(span, &names_key) }
}

fn name(
    text: &Text,
    key: &str,
    taken: &mut Vec<HostPattern>,
    document: &mut Document<'_>,
) -> Option<HostPattern> {
    let name = match HostPattern::parse(text.get_ref()) {
        Ok(HostPattern::Any) | Err(_) => {
            wrong(
                document,
                text,
                key,
                "a host name such as \"api.example.com\" or \"*.example.com\"",
            );
            return None;
        }
        Ok(name) => name,
    };
    if taken.contains(&name) {
        wrong(document, text, key, "a name that no host above has");
        return None;
    }
    taken.push(name.clone());
    Some(name)
}

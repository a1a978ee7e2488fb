//! `[[policies]]`: what if more were asked of clients. As written, as meant, and from one to the
//! other.
//!
//! Read by `resolve`; `policy` makes of it what a site would ask of a hello. Nothing here ever has
//! an effect on who is served.

use std::ops::Range;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

use super::{
    document::Document,
    plain_http::moment,
    raw::{Moment, Switch, Text},
    resolve::value::{self, wrong},
    shape,
};
use crate::{label::Label, session::Cipher, version::TlsVersion};

/// A policy that is only counted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(super) struct Raw {
    /// Its name in metrics and rows; not "floor".
    #[schemars(with = "shape::PolicyName")]
    pub name: Option<Text>,
    /// What if this were the floor.
    #[schemars(with = "shape::Minimum")]
    pub minimum: Option<Text>,
    /// What if only these key exchange groups were served.
    #[schemars(with = "Vec<shape::Group>")]
    pub groups: Option<Vec<Text>>,
    /// What if only post-quantum groups were served.
    #[schemars(with = "bool")]
    pub post_quantum: Option<Switch>,
    /// What if these cipher suites were not served.
    #[schemars(with = "Vec<shape::Suite>")]
    pub ban_suites: Option<Vec<Text>>,
    /// What if there were no certificates with such keys: rsa or ecdsa.
    #[schemars(with = "shape::CertificateKind")]
    pub without_certificates: Option<Text>,
    /// Deprecation (RFC 9745) of responses to who fails it; absent: the day it was read.
    #[schemars(with = "shape::Moment")]
    pub deprecation: Option<Moment>,
    /// Sunset (RFC 8594) of responses to who fails it and is served; absent: nobody is told.
    #[schemars(with = "shape::Moment")]
    pub sunset: Option<Moment>,
    /// URL of a page about it, in a Link of such responses.
    #[schemars(with = "shape::Url")]
    pub notice: Option<Text>,
}

/// One of `[[policies]]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// What it is counted under.
    pub name: String,
    /// Another floor.
    pub minimum: Option<TlsVersion>,
    /// The only key exchange groups; none: those that are served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<NamedGroup>,
    /// Suites that would be served no more.
    #[serde(serialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub ban_suites: Vec<Cipher>,
    /// Certificates that would be served no more.
    pub without_certificates: Option<CertificateKind>,
    /// Since when it is known to end.
    #[serde(serialize_with = "moment")]
    pub deprecation: Option<Timestamp>,
    /// When it ends; none: nobody is told.
    #[serde(serialize_with = "moment")]
    pub sunset: Option<Timestamp>,
    /// A page about it.
    pub notice: Option<String>,
}

/// A key exchange group by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub struct NamedGroup {
    name: &'static str,
    /// Its number on the wire.
    pub number: u16,
}

impl From<NamedGroup> for &'static str {
    fn from(group: NamedGroup) -> Self {
        group.name
    }
}

/// `policies.without_certificates`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateKind {
    /// With RSA keys.
    Rsa,
    /// With ECDSA or Ed25519 keys.
    Ecdsa,
}

/// The policy that `[tls]` sets.
pub const FLOOR: &str = "floor";

/// What clients of plain HTTP fail, in the census.
pub const PLAIN_HTTP: &str = "plain_http";

const fn group(name: &'static str, number: u16) -> (&'static str, NamedGroup) {
    (name, NamedGroup { name, number })
}

const GROUPS: [(&str, NamedGroup); 8] = [
    group("X25519MLKEM768", 0x11ec),
    group("SecP256r1MLKEM768", 0x11eb),
    group("SecP384r1MLKEM1024", 0x11ed),
    group("x25519", 0x001d),
    group("secp256r1", 0x0017),
    group("secp384r1", 0x0018),
    group("secp521r1", 0x0019),
    group("x448", 0x001e),
];

/// How many of `GROUPS` are post-quantum hybrids; they come first.
const HYBRIDS: usize = 3;

pub(super) fn policies(raw: Vec<Spanned<Raw>>, document: &mut Document<'_>) -> Vec<WhatIf> {
    let mut policies: Vec<WhatIf> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let span = raw.span();
        let key = format!("policies[{index}]");
        let mut reading = Reading { key: &key, span, document };
        let policy = reading.policy(raw.into_inner(), &policies);
        policies.push(policy);
    }
    policies
}

/// One of them while it is read.
struct Reading<'a, 'd> {
    key: &'a str,
    span: Range<usize>,
    document: &'a mut Document<'d>,
}

impl Reading<'_, '_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    fn policy(&mut self, raw: Raw, before: &[WhatIf]) -> WhatIf {
        let empty = raw.minimum.is_none()
            && raw.groups.is_none()
            && raw.post_quantum.is_none()
            && raw.ban_suites.is_none()
            && raw.without_certificates.is_none();
        if empty {
            let text = "found nothing that is asked of a client, expected minimum, groups, \
                        post_quantum, ban_suites or without_certificates";
            self.document.report(self.span.clone(), self.key, text.to_owned());
        }
        let (deprecation, sunset) = self.dates(&raw);
        let notice_key = self.key("notice");
        WhatIf {
            name: self.name(raw.name, before),
            minimum: self.minimum(raw.minimum.as_ref()),
            groups: self.groups(raw.groups, raw.post_quantum.as_ref()),
            ban_suites: self.suites(&raw.ban_suites.unwrap_or_default()),
            without_certificates: self.certificates(raw.without_certificates.as_ref()),
            deprecation,
            sunset,
            notice: raw.notice.and_then(|text| value::url(self.document, text, &notice_key)),
        }
    }

    fn name(&mut self, name: Option<Text>, before: &[WhatIf]) -> String {
        let key = self.key("name");
        let Some(text) = name else {
            value::missing(self.document, self.span.clone(), &key, "a name such as \"tls13\"");
            return String::new();
        };
        let name = text.get_ref();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let expected = if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            "1 to 64 letters, digits, \"-\", \"_\" and \".\""
        } else if [FLOOR, PLAIN_HTTP].contains(&name.as_str()) {
            "another name: \"floor\" is what [tls] sets, \"plain_http\" plain HTTP in the census"
        } else if before.iter().any(|other| other.name == *name) {
            "each name once"
        } else {
            return text.into_inner();
        };
        wrong(self.document, &text, &key, expected);
        text.into_inner()
    }

    fn minimum(&mut self, text: Option<&Text>) -> Option<TlsVersion> {
        let versions = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
        let words = versions.map(|(word, version)| (word, Some(version)));
        value::word(self.document, text, &self.key("minimum"), None, &words)
    }

    fn groups(&mut self, list: Option<Vec<Text>>, quantum: Option<&Switch>) -> Vec<NamedGroup> {
        let hybrids = || GROUPS.iter().take(HYBRIDS).map(|(_, group)| *group).collect();
        match (list, quantum) {
            (Some(_), Some(switch)) => {
                let text = "found both, expected either groups or post_quantum".to_owned();
                self.document.report(switch.span(), &self.key("post_quantum"), text);
                Vec::new()
            }
            (None, Some(switch)) if *switch.get_ref() => hybrids(),
            (None, Some(switch)) => {
                let text = "found false, expected true or nothing".to_owned();
                self.document.report(switch.span(), &self.key("post_quantum"), text);
                Vec::new()
            }
            (None, None) => Vec::new(),
            (Some(list), None) => {
                if list.is_empty() {
                    let text = "found an empty list, expected at least one group".to_owned();
                    self.document.report(self.span.clone(), &self.key("groups"), text);
                }
                let words = GROUPS.map(|(word, group)| (word, Some(group)));
                self.list(&list, "groups", &words)
            }
        }
    }

    fn suites(&mut self, list: &[Text]) -> Vec<Cipher> {
        let served = Cipher::ALL.iter().filter(|cipher| **cipher != Cipher::Other);
        let words: Vec<_> = served.map(|cipher| (cipher.as_str(), Some(*cipher))).collect();
        self.list(list, "ban_suites", &words)
    }

    fn list<T: Copy>(&mut self, list: &[Text], name: &str, words: &[(&str, Option<T>)]) -> Vec<T> {
        let mut found = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let key = self.key(&format!("{name}[{index}]"));
            found.extend(value::word(self.document, Some(text), &key, None, words));
        }
        found
    }

    fn certificates(&mut self, text: Option<&Text>) -> Option<CertificateKind> {
        let words = [("rsa", Some(CertificateKind::Rsa)), ("ecdsa", Some(CertificateKind::Ecdsa))];
        value::word(self.document, text, &self.key("without_certificates"), None, &words)
    }

    fn dates(&mut self, raw: &Raw) -> (Option<Timestamp>, Option<Timestamp>) {
        let key = self.key("deprecation");
        let deprecation = value::moment(self.document, raw.deprecation.as_ref(), &key);
        let key = self.key("sunset");
        let sunset = value::moment(self.document, raw.sunset.as_ref(), &key);
        value::sunset_is_last(self.document, raw.sunset.as_ref(), &key, (deprecation, sunset));
        let without = [
            ("deprecation", raw.deprecation.as_ref().map(Spanned::span)),
            ("notice", raw.notice.as_ref().map(Spanned::span)),
        ];
        for (name, span) in without {
            if let (Some(span), None) = (span, &raw.sunset) {
                let text = "found it without sunset, expected both: only then clients are told";
                self.document.report(span, &self.key(name), text.to_owned());
            }
        }
        (deprecation, sunset)
    }
}

fn words<S: Serializer>(ciphers: &[Cipher], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ciphers.iter().map(|cipher| cipher.as_str()))
}

//! `[self_test]`: the host where customers test their clients. As written, as meant, and from one
//! to the other.
//!
//! Read by `resolve`; `tls` makes a site of each host, `snapshot` and `http` answer there. A host
//! that is tested with can never be one that a route or `[[tls.hosts]]` has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{
    CertificateSource, Place, Route, Tls, TlsHost,
    document::Document,
    raw::{self, Number, Text},
    resolve::{
        tls::{certificates, minimum},
        value::{self, wrong},
    },
    shape,
};
use crate::{
    host::{Host, HostPattern},
    version::TlsVersion,
};

/// The host where customers test their clients.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["host"]))]
pub(super) struct Raw {
    /// Its name; it tells whoever asks what was offered, agreed on and has to be done.
    #[schemars(with = "shape::HostName")]
    pub host: Option<Text>,
    /// More names for the same that hold a stricter floor already.
    #[schemars(with = "Vec<RawStrict>")]
    pub strict: Vec<Spanned<RawStrict>>,
    /// Certificates for all these names; absent: those that `[[tls.hosts]]` or `[tls]` has for them.
    #[schemars(with = "Vec<raw::Certificate>")]
    pub certificates: Vec<Spanned<raw::Certificate>>,
    /// Answers a second for one client (IPv4 address or IPv6 /64), by all replicas of `[fleet]`
    /// together; beyond: 429.
    #[schemars(with = "shape::Rate")]
    pub rate: Option<Number>,
}

/// A name that holds a stricter floor already.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["host", "minimum"]))]
pub(super) struct RawStrict {
    /// The name.
    #[schemars(with = "shape::HostName")]
    pub host: Option<Text>,
    /// The floor.
    #[schemars(with = "shape::Minimum")]
    pub minimum: Option<Text>,
}

/// `[self_test]`
#[derive(Clone, Debug, Serialize)]
pub struct SelfTest {
    /// Where today's floor holds.
    pub host: Host,
    /// Where the next one does.
    pub strict: Vec<StrictHost>,
    /// Empty: those that there are for the names anyway.
    pub certificates: Vec<CertificateSource>,
    /// Answers a second for one client.
    pub rate: u32,
    /// Where the host stands.
    #[serde(skip)]
    pub place: Place,
}

/// Which floor a name of `[self_test]` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestFloor {
    /// Today's; who fails it goes where all such clients go.
    Today,
    /// One that is to come; who fails it is refused, whatever the rollout says.
    Strict,
}

/// One of `self_test.strict`
#[derive(Clone, Debug, Serialize)]
pub struct StrictHost {
    /// The name.
    pub host: Host,
    /// Its floor.
    pub minimum: TlsVersion,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}

impl SelfTest {
    /// Answers a second by default.
    const RATE: u32 = 10;

    /// All its names, with where each stands.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &Place)> {
        let strict = self.strict.iter().map(|strict| (&strict.host, &strict.place));
        [(&self.host, &self.place)].into_iter().chain(strict)
    }

    /// Whether `host` is one of its names.
    #[must_use]
    pub fn has(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.hosts().any(|(name, _)| name.as_str().eq_ignore_ascii_case(host))
    }

    /// Its names as sites. Nobody is asked for a certificate there: who has none can test too.
    #[must_use]
    pub fn sites(&self, tls: &Tls) -> Vec<(TestFloor, TlsHost)> {
        let site = |host: &Host, minimum, place: &Place| TlsHost {
            names: vec![HostPattern::Exact(host.clone())],
            minimum,
            certificates: self.certificates_of(host, tls),
            client_auth: None,
            place: place.clone(),
        };
        let strict = self
            .strict
            .iter()
            .map(|one| (TestFloor::Strict, site(&one.host, one.minimum, &one.place)));
        let today = (TestFloor::Today, site(&self.host, tls.minimum, &self.place));
        [today].into_iter().chain(strict).collect()
    }

    /// Its own, else those of the wildcard that has the name; none: those of `[tls]`.
    fn certificates_of(&self, host: &Host, tls: &Tls) -> Vec<CertificateSource> {
        if !self.certificates.is_empty() {
            return self.certificates.clone();
        }
        let parent = host.as_str().split_once('.').map(|(_, parent)| parent);
        let covers = |name: &HostPattern| match name {
            HostPattern::Wildcard(suffix) => Some(suffix.as_str()) == parent,
            HostPattern::Exact(_) | HostPattern::Any => false,
        };
        let wildcard = tls.hosts.iter().find(|site| site.names.iter().any(covers));
        wildcard.map(|site| site.certificates.clone()).unwrap_or_default()
    }
}

pub(super) fn self_test(
    raw: Option<Spanned<Raw>>,
    tls: &Tls,
    routes: &[Route],
    document: &mut Document<'_>,
) -> Option<SelfTest> {
    let raw = raw?;
    let span = raw.span();
    let raw = raw.into_inner();
    if raw.host.is_none() {
        let what = "a host name such as \"tls-check.example.com\"";
        value::missing(document, span, "self_test.host", what);
    }
    let mut names = Names { tls, routes, taken: Vec::new(), document };
    let named = raw.host.as_ref().and_then(|text| names.take(text, "self_test.host"));
    let strict: Vec<_> = raw.strict.into_iter().enumerate().collect();
    let strict = strict.into_iter().filter_map(|(index, raw)| names.strict(raw, index)).collect();
    let document = names.document;
    let certificates = certificates(raw.certificates, "self_test", document);
    let rate = raw.rate.as_ref();
    let rate = value::number(document, rate, "self_test.rate", SelfTest::RATE, 1..=10_000);
    let (host, place) = named?;
    Some(SelfTest { host, strict, certificates, rate, place })
}

/// Names that are being given out.
struct Names<'a, 'd> {
    tls: &'a Tls,
    routes: &'a [Route],
    taken: Vec<Host>,
    document: &'a mut Document<'d>,
}

impl Names<'_, '_> {
    /// A name that nothing else has: what is served there is the test and nothing else.
    fn take(&mut self, text: &Text, key: &str) -> Option<(Host, Place)> {
        let host = Host::parse(text.get_ref()).ok().filter(|host| host.ip().is_none());
        let Some(host) = host else {
            let expected = "a host name such as \"tls-check.example.com\"";
            wrong(self.document, text, key, expected);
            return None;
        };
        let is = |name: &HostPattern| *name == HostPattern::Exact(host.clone());
        let site = self.tls.hosts.iter().find(|site| site.names.iter().any(is));
        let route = self.routes.iter().find(|route| is(&route.host));
        let other = match (site, route) {
            (Some(site), _) => Some(&site.place),
            (None, Some(route)) => Some(&route.place),
            (None, None) => None,
        };
        if let Some(other) = other {
            let expected =
                format!("a name that only tests, but {} in line {} has it", other.key, other.line);
            wrong(self.document, text, key, &expected);
            return None;
        }
        if self.taken.contains(&host) {
            wrong(self.document, text, key, "a name that the section does not have yet");
            return None;
        }
        self.taken.push(host.clone());
        Some((host, self.document.place(text.span(), key)))
    }

    fn strict(&mut self, raw: Spanned<RawStrict>, index: usize) -> Option<StrictHost> {
        let span = raw.span();
        let raw = raw.into_inner();
        let key = |name: &str| format!("self_test.strict[{index}].{name}");
        if raw.host.is_none() {
            value::missing(self.document, span.clone(), &key("host"), "a host name");
        }
        if raw.minimum.is_none() {
            value::missing(self.document, span, &key("minimum"), "\"1.2\" or \"1.3\"");
        }
        let floor = self.tls.minimum;
        let minimum = minimum(raw.minimum.as_ref(), &key("minimum"), floor, self.document);
        if let Some(text) = raw.minimum.as_ref().filter(|_| minimum < floor) {
            let expected = format!("a version not below tls.minimum = \"{floor}\"");
            wrong(self.document, text, &key("minimum"), &expected);
        }
        let (host, place) = self.take(raw.host.as_ref()?, &key("host"))?;
        Some(StrictHost { host, minimum, place })
    }
}

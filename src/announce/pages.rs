//! The announcement in words.
//!
//! Made from the configuration alone. It names dates only and no "in 12 days", so it stays true
//! when it is read later; who is exempted, and where today's terminator is, are nobody's business.

use super::{
    calendar::{Entry, Kind, Scope, date, entries},
    commands,
};
use crate::{
    config::{Config, PlainAction},
    document::{Document, Section, Table},
    host::HostPattern,
    label::Label,
    stack::{Layer, Stack},
    version::TlsVersion,
};

/// What an announcement is about.
pub(super) struct Subject<'a> {
    pub(super) config: &'a Config,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, entries: entries(config) }
    }

    /// The whole announcement.
    pub(super) fn document(&self) -> Document {
        let mut sections = vec![self.what(), self.when(), self.affected(), self.test()];
        sections.extend([self.layers(), self.stacks(), self.contact()]);
        Document {
            title: self.title(),
            headline: self.headline(),
            notes: vec!["All times are UTC.".to_owned()],
            sections,
        }
    }

    /// The versions that end: "TLS 1.1 and older".
    pub(super) fn versions(&self) -> &'static str {
        below(self.config.tls.minimum)
    }

    /// A page about it, where there is one.
    pub(super) fn url(&self) -> Option<&'a str> {
        let rollout = self.config.rollout.notice.as_deref();
        rollout.or(self.config.plain_http.notice.as_deref())
    }

    /// The names that are served, where the configuration has any.
    pub(super) fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<_> = self.config.routes.iter().map(|route| &route.host).collect();
        hosts.extend(self.config.tls.hosts.iter().flat_map(|host| &host.names));
        hosts.retain(|host| **host != HostPattern::Any);
        let mut hosts: Vec<_> = hosts.into_iter().map(ToString::to_string).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn first(&self, scope: Scope, kind: Kind) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.scope == scope && entry.kind == kind)
    }

    fn title(&self) -> String {
        match self.first(Scope::Tls, Kind::Cut) {
            Some(cut) => format!("{} end on {}", self.versions(), date(cut.at)),
            None => format!("{} end", self.versions()),
        }
    }

    fn headline(&self) -> String {
        let minimum = self.config.tls.minimum;
        let begins = self.entries.iter().find(|entry| entry.scope == Scope::Tls);
        match (self.first(Scope::Tls, Kind::Cut), begins) {
            (Some(cut), _) => format!(
                "From {} on our API is reached with TLS {minimum} or later only.",
                date(cut.at)
            ),
            (None, Some(first)) => format!(
                "Our API will be reached with TLS {minimum} or later only. The first refusals are \
                 on {}; the date of the end will be announced.",
                date(first.at)
            ),
            (None, None) if self.config.rollout.legacy.is_empty() => {
                format!("Our API is reached with TLS {minimum} or later only.")
            }
            (None, None) => format!(
                "Our API will be reached with TLS {minimum} or later only; the date will be \
                 announced."
            ),
        }
    }

    fn what(&self) -> Section {
        let minimum = self.config.tls.minimum;
        let mut points = vec![format!(
            "{} end. TLS {minimum} or later is needed, with a cipher suite that has forward \
             secrecy and authenticated encryption (ECDHE with AES-GCM or ChaCha20-Poly1305).",
            self.versions()
        )];
        for host in self.config.tls.hosts.iter().filter(|host| host.minimum > minimum) {
            let names: Vec<_> = host.names.iter().map(ToString::to_string).collect();
            points.push(format!(
                "TLS {} or later is needed for {}.",
                host.minimum,
                names.join(", ")
            ));
        }
        points.extend(self.plain());
        let hosts = self.hosts();
        if !hosts.is_empty() {
            points.push(format!("This is about {}.", hosts.join(", ")));
        }
        Section { heading: "What ends".to_owned(), points, ..Section::default() }
    }

    fn plain(&self) -> Option<String> {
        let plain = &self.config.plain_http;
        let end = |action| match action {
            PlainAction::Redirect => "redirected to https:// URLs",
            PlainAction::Refuse | PlainAction::Forward => "refused with status 403",
        };
        let replace = "Replace API keys and passwords that were sent in clear.";
        if let Some(rollout) = &plain.rollout {
            let when = self.first(Scope::PlainHttp, Kind::Cut);
            let when = when.map_or_else(String::new, |cut| format!(" on {}", date(cut.at)));
            let end = end(rollout.to);
            return Some(format!(
                "Plain HTTP ends{when}: http:// requests are then {end}. {replace}"
            ));
        }
        match (plain.action, plain.sunset) {
            (PlainAction::Forward, Some(sunset)) => {
                Some(format!("Plain HTTP ends on {}. {replace}", date(sunset.as_second())))
            }
            (PlainAction::Forward, None) => None,
            _ if self.config.listen.http.is_empty() => None,
            (action, _) => Some(format!("http:// requests are {}. {replace}", end(action))),
        }
    }

    /// The calendar, which a personal notice has as well.
    pub(super) fn when(&self) -> Section {
        let row = |entry: &Entry| {
            let what = match entry.scope {
                Scope::Tls => self.versions(),
                Scope::PlainHttp => "plain HTTP",
            };
            let kind = match entry.kind {
                Kind::Brownout => "refused for a while (brownout)",
                Kind::Ramp => "refused for good, a share (ramp)",
                Kind::Cut => "refused for good (cut)",
            };
            vec![entry.when(), what.to_owned(), kind.to_owned(), entry.who()]
        };
        let table = Table::new(&["when", "what", "what happens", "to whom"]);
        let sentences = if self.entries.is_empty() {
            vec!["No dates are set in advance.".to_owned()]
        } else {
            vec![
                "In a brownout your old clients fail for the time that is given, so that you \
                 notice while it can still be mended; then they work again until the next date. \
                 From a ramp's step or the cut on they fail for good."
                    .to_owned(),
            ]
        };
        let table = table.with(self.entries.iter().map(row));
        Section { heading: "When".to_owned(), sentences, table, ..Section::default() }
    }

    fn affected(&self) -> Section {
        let versions = self.versions();
        let points = vec![
            format!(
                "Programs whose TLS library has nothing above {}, and programs that are set to an \
                 older version although their library has more.",
                versions.trim_end_matches(" and older")
            ),
            "Programs behind a proxy or firewall that ends TLS and encrypts anew with an old version."
                .to_owned(),
            "Browsers of this decade are not affected.".to_owned(),
            "To find out, run the test below from every system that calls our API, by the same \
             program, library and network path as in production."
                .to_owned(),
            "A refused client sees a TLS alert: protocol_version (70), in words such as \
             \"tlsv1 alert protocol version\", \"Received fatal alert: protocol_version\", or \
             \"Could not create SSL/TLS secure channel\"; or handshake_failure (40) where it \
             shares no cipher suite with us."
                .to_owned(),
        ];
        Section { heading: "Who is affected".to_owned(), points, ..Section::default() }
    }

    /// Where to test and how.
    pub(super) fn test(&self) -> Section {
        let heading = "Test your client".to_owned();
        let Some(test) = &self.config.self_test else {
            let host = self.exact_host().unwrap_or_else(|| "api.example.com".to_owned());
            let sentence = "A handshake that comes to its end has passed; whatever status follows \
                            it, such as 404, does not matter here.";
            let sentences = vec![sentence.to_owned()];
            let snippets = commands::snippets(&self.authority(&host));
            return Section { heading, sentences, snippets, ..Section::default() };
        };
        let mut points = vec![format!(
            "https://{}/ tells what your client offers, what was agreed on, and what to do.",
            self.authority(test.host.as_str())
        )];
        let floor = self.config.tls.minimum;
        points.extend(test.strict.iter().map(|strict| {
            let (url, minimum) = (self.authority(strict.host.as_str()), strict.minimum);
            let whose = if minimum > floor { "; it is for a later end than this one" } else { "" };
            format!("https://{url}/ refuses whatever has no TLS {minimum}{whose}.")
        }));
        // A later floor's host would fail clients that have nothing to do yet.
        let strict = test.strict.iter().find(|strict| strict.minimum == floor);
        let strict = strict.map_or(&test.host, |strict| &strict.host);
        let snippets = commands::snippets(&self.authority(strict.as_str()));
        Section { heading, points, snippets, ..Section::default() }
    }

    fn exact_host(&self) -> Option<String> {
        let exact = |host: &HostPattern| match host {
            HostPattern::Exact(host) => Some(host.to_string()),
            HostPattern::Wildcard(_) | HostPattern::Any => None,
        };
        self.config.routes.iter().find_map(|route| exact(&route.host))
    }

    /// With the port that clients use, where it is not 443.
    pub(super) fn authority(&self, host: &str) -> String {
        match self.config.plain_http.https_port {
            443 => host.to_owned(),
            port => format!("{host}:{port}"),
        }
    }

    fn layers(&self) -> Section {
        let remedy = Stack::Unknown.remedy();
        let row = |layer: &Layer| vec![layer.title().to_owned(), remedy.layer(*layer).to_owned()];
        Section {
            heading: "What to check".to_owned(),
            sentences: vec![
                "From the program outwards; one old layer is enough to fail.".to_owned(),
            ],
            table: Table::new(&["layer", "what to do"]).with(Layer::ALL.iter().map(row)),
            ..Section::default()
        }
    }

    fn stacks(&self) -> Section {
        let minimum = self.config.tls.minimum;
        let is_told = |stack: &&Stack| match stack {
            Stack::Unknown | Stack::Current | Stack::Scanner => false,
            Stack::Tls12 | Stack::Openssl101 => minimum == TlsVersion::Tls13,
            _ => true,
        };
        let row = |stack: &Stack| {
            let name = stack.phrase().trim_start_matches("looks like ").to_owned();
            vec![name, stack.remedy().fix.clone()]
        };
        let rows = Stack::ALL.iter().filter(is_told).map(row);
        Section {
            heading: "What to do, by client".to_owned(),
            table: Table::new(&["client", "what to do"]).with(rows),
            ..Section::default()
        }
    }

    /// Whom to ask.
    pub(super) fn contact(&self) -> Section {
        let sentence = "Ask us before the dates above: [how to reach you].".to_owned();
        let links = self.url().map(str::to_owned).into_iter().collect();
        let heading = "Questions".to_owned();
        Section { heading, sentences: vec![sentence], links, ..Section::default() }
    }
}

const fn below(minimum: TlsVersion) -> &'static str {
    match minimum {
        TlsVersion::Tls12 => "TLS 1.1 and older",
        TlsVersion::Tls13 => "TLS 1.2 and older",
    }
}

//! Sites: which names have which floor and certificates, and what they ask of clients.
//!
//! Built whole by `snapshot` from `[tls]`; `greet` asks for the site of a hello before anything
//! is agreed. A name that no host claims gets the default site.

use std::{collections::HashMap, sync::Arc};

use super::{
    certificate::{Certificate, Findings},
    client_auth::ClientAuth,
    expiry::Ending,
    settings::{self, Settings},
    tickets::Tickets,
};
use crate::{
    config::{self, CertificateSource, Problem, Stranger, TestFloor, Tls, TlsHost, WhatIf},
    files::{self, Files},
    host::{Host, HostPattern},
    metrics::TicketCounters,
    policy::{KeyKind, Policy},
    version::TlsVersion,
};

/// Names that share a floor, certificates, and what is asked of clients.
#[derive(Debug)]
pub struct Site {
    /// What is asked of a hello.
    pub policy: Policy,
    /// The same under each of `[[policies]]`.
    pub what_if: Vec<Policy>,
    pub(super) settings: Settings,
    /// What is asked of clients.
    pub(super) client_auth: Option<Arc<ClientAuth>>,
    certificates: Vec<Arc<Certificate>>,
    /// Whether clients are only tested there.
    pub self_test: Option<TestFloor>,
}

impl Site {
    /// Whether both have the same floor, ask the same of clients, and have the same certificates,
    /// in whatever order. Where clients are tested nothing else is served, and nowhere else.
    fn serves_like(&self, other: &Self) -> bool {
        let (own, others) = (&self.certificates, &other.certificates);
        let same = |one: &Arc<Certificate>, two: &Arc<Certificate>| {
            Arc::ptr_eq(one, two) || one.key.cert == two.key.cert
        };
        let within = |some: &[Arc<Certificate>], all: &[Arc<Certificate>]| {
            some.iter().all(|one| all.iter().any(|two| same(one, two)))
        };
        std::ptr::eq(self, other)
            || (self.self_test.is_none()
                && other.self_test.is_none()
                && self.policy.minimum == other.policy.minimum
                && self.asked() == other.asked()
                && within(own, others)
                && within(others, own))
    }
}

/// What a client has met in its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    version: TlsVersion,
    /// Of the site's clients; none where it asked for no certificate.
    client_auth: Option<Box<[u8; 32]>>,
}

impl Site {
    /// What a client has met that has come in here with this version.
    #[must_use]
    pub fn terms(&self, version: TlsVersion) -> Terms {
        let client_auth = self.client_auth.as_ref().map(|asked| Box::new(asked.terms()));
        Terms { version, client_auth }
    }

    /// Whether a client that has met these terms would be let in here.
    fn is_met_by(&self, agreed: &Terms) -> bool {
        agreed.version >= self.policy.minimum && self.terms(agreed.version) == *agreed
    }

    fn asked(&self) -> Option<&[u8; 32]> {
        self.client_auth.as_deref().map(ClientAuth::fingerprint)
    }
}

/// All sites.
#[derive(Debug)]
pub struct Sites {
    exact: HashMap<Host, Arc<Site>>,
    /// By the suffix behind the star.
    wildcard: HashMap<Box<str>, Arc<Site>>,
    rest: Arc<Site>,
    without_sni: Stranger,
    unknown_sni: Stranger,
    tickets: Tickets,
}

impl Sites {
    /// The site for the name that a client asks for.
    #[must_use]
    pub fn find(&self, sni: Option<&Host>) -> &Site {
        let Some(host) = sni else { return &self.rest };
        let parent = host.as_str().split_once('.').map(|(_, parent)| parent);
        let wildcard = || parent.and_then(|parent| self.wildcard.get(parent));
        self.exact.get(host).or_else(wildcard).unwrap_or(&self.rest)
    }

    /// Whether a client that asks for this name, or for none, is refused for it
    /// (`tls.without_sni`, `tls.unknown_sni`).
    #[must_use]
    pub fn refuses(&self, sni: Option<&Host>) -> bool {
        match sni {
            None => self.without_sni == Stranger::Refuse,
            Some(host) => {
                let site = self.find(Some(host));
                self.unknown_sni == Stranger::Refuse
                    && std::ptr::eq(site, &*self.rest)
                    && !site.certificates.iter().any(|certificate| certificate.covers(host))
            }
        }
    }

    /// What makes and opens session tickets, for the [`Basis`] of the sites that come next.
    #[must_use]
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Whether the certificate that a client gets for such a name bears it.
    #[must_use]
    pub fn covers(&self, pattern: &HostPattern) -> bool {
        let site = match pattern {
            HostPattern::Exact(host) => self.find(Some(host)),
            HostPattern::Wildcard(suffix) => {
                self.wildcard.get(suffix.as_str()).unwrap_or(&self.rest)
            }
            HostPattern::Any => &self.rest,
        };
        site.certificates.iter().any(|certificate| certificate.covers_pattern(pattern))
    }

    /// Whether a request for `host` may come over a connection whose client asked for `sni`: both
    /// have the same floor and certificates and ask the same of clients, and that is what was
    /// `agreed`; so nobody gets to a strict host through a lax one, nor through one that was lax
    /// before a reload.
    #[must_use]
    pub fn serve_alike(&self, sni: Option<&Host>, host: &str, agreed: &Terms) -> bool {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.rest.is_met_by(agreed);
        }
        Host::parse(host).is_ok_and(|host| {
            let site = self.find(Some(&host));
            site.is_met_by(agreed) && self.find(sni).serves_like(site)
        })
    }

    /// The name of each certificate and file of revocation lists, and when it ends, in seconds
    /// since 1970.
    pub fn expiries(&self) -> impl Iterator<Item = (String, i64)> {
        let sites = self.sites().filter_map(|site| site.client_auth.as_deref());
        let lists = sites.filter_map(ClientAuth::expiry);
        self.certificates().map(|one| (one.name.clone(), one.expires)).chain(lists)
    }

    /// What of all this ends, certificates and OCSP responses.
    pub fn endings(&self) -> impl Iterator<Item = Ending> {
        self.certificates().flat_map(|one| one.endings())
    }

    fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.sites().flat_map(|site| &site.certificates)
    }

    fn sites(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.exact.values().chain(self.wildcard.values()).chain([&self.rest])
    }
}

/// What sites are built with beside `[tls]`.
#[derive(Debug)]
pub struct Basis<'a> {
    /// What reads their files.
    pub files: &'a Files,
    /// Seconds since 1970.
    pub now: i64,
    /// Tickets of the sites in force, whose sessions are to go on.
    pub before: Option<&'a Tickets>,
    /// Where tickets are counted.
    pub counters: Arc<TicketCounters>,
    /// `[[policies]]`
    pub policies: &'a [WhatIf],
}

/// Builds all sites; also gives what is doubtful about them.
///
/// # Errors
/// Every problem at once.
pub fn build(tls: &Tls, basis: Basis<'_>) -> Result<(Sites, Vec<Problem>), Vec<Problem>> {
    let Basis { files, now, before, counters, policies } = basis;
    let mut findings = Findings::new(files, now);
    let tickets = Tickets::load(tls, files, before, counters);
    let tickets = tickets.map_err(|found| findings.problems.extend(found)).ok();
    findings.warnings.extend(ticket_readers(tls));
    let mut builder = Builder { findings, tickets, policies };
    let common = builder.certificates(&tls.certificates);
    let asked = builder.client_auth(tls.client_auth.as_ref());
    let rest = builder.site(tls.minimum, &common, asked.clone(), None);
    let hosts = tls.hosts.iter().map(|host| {
        // Most hosts ask what all do: read once, and said once where it is wrong.
        let same = host.client_auth == tls.client_auth;
        let asked =
            if same { asked.clone() } else { builder.client_auth(host.client_auth.as_ref()) };
        builder.host(host, &common, asked)
    });
    let mut hosts: Vec<_> = hosts.collect();
    let tested = tls.self_test.iter().map(|(floor, host)| builder.self_test(host, *floor, &common));
    hosts.extend(tested);
    let Findings { mut problems, mut warnings, .. } = builder.findings;
    once(&mut problems);
    once(&mut warnings);
    let (Some(rest), Some(tickets), true) = (rest, builder.tickets, problems.is_empty()) else {
        return Err(problems);
    };
    let mut sites = Sites {
        exact: HashMap::new(),
        wildcard: HashMap::new(),
        rest,
        without_sni: tls.without_sni,
        unknown_sni: tls.unknown_sni,
        tickets,
    };
    for (host, site) in
        tls.hosts.iter().chain(tls.self_test.iter().map(|(_, host)| host)).zip(hosts)
    {
        for name in &host.names {
            let Some(site) = &site else { continue };
            sites.insert(name, Arc::clone(site));
        }
    }
    Ok((sites, warnings))
}

impl Sites {
    fn insert(&mut self, name: &HostPattern, site: Arc<Site>) {
        match name {
            HostPattern::Exact(host) => drop(self.exact.insert(host.clone(), site)),
            HostPattern::Wildcard(suffix) => {
                drop(self.wildcard.insert(suffix.as_str().into(), site));
            }
            HostPattern::Any => self.rest = site,
        }
    }
}

/// Each thing said once, however many names share a certificate.
fn once(found: &mut Vec<Problem>) {
    let all = std::mem::take(found);
    for problem in all {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
}

/// A file of ticket secrets that others on this machine may read.
fn ticket_readers(tls: &Tls) -> Option<Problem> {
    let file = tls.ticket_secret.as_ref()?;
    files::readers_warning(&file.path).map(|text| Problem { place: file.place.clone(), text })
}

/// What tickets say of client certificates where none are asked for.
const NO_CLIENT_AUTH: &[u8] = b"none";

struct Builder<'a> {
    findings: Findings<'a>,
    /// None where there is a problem with them.
    tickets: Option<Tickets>,
    /// `[[policies]]`
    policies: &'a [WhatIf],
}

impl Builder<'_> {
    /// ECDSA first: where a client can check both, the cheaper signature is made.
    fn certificates(&mut self, sources: &[CertificateSource]) -> Vec<Arc<Certificate>> {
        let loaded =
            sources.iter().filter_map(|source| Certificate::load(source, &mut self.findings));
        let mut loaded: Vec<_> = loaded.map(Arc::new).collect();
        loaded.sort_by_key(|certificate| certificate.kind == KeyKind::Rsa);
        loaded
    }

    fn client_auth(&mut self, config: Option<&config::ClientAuth>) -> Option<Arc<ClientAuth>> {
        ClientAuth::load(config?, &mut self.findings).map(Arc::new)
    }

    fn host(
        &mut self,
        host: &TlsHost,
        common: &[Arc<Certificate>],
        asked: Option<Arc<ClientAuth>>,
    ) -> Option<Arc<Site>> {
        let own = self.certificates(&host.certificates);
        let certificates = if host.certificates.is_empty() { common } else { &own };
        if !certificates.is_empty() {
            for name in &host.names {
                self.check_name(name, host, certificates);
            }
        }
        self.site(host.minimum, certificates, asked, None)
    }

    /// A name that no certificate has is only warned of, like a route's (`Sites::covers`).
    fn self_test(
        &mut self,
        host: &TlsHost,
        floor: TestFloor,
        common: &[Arc<Certificate>],
    ) -> Option<Arc<Site>> {
        let own = self.certificates(&host.certificates);
        let certificates = if host.certificates.is_empty() { common } else { &own };
        self.site(host.minimum, certificates, None, Some(floor))
    }

    fn check_name(
        &mut self,
        name: &HostPattern,
        host: &TlsHost,
        certificates: &[Arc<Certificate>],
    ) {
        if certificates.iter().any(|certificate| certificate.covers_pattern(name)) {
            return;
        }
        let has = |certificate: &Arc<Certificate>| {
            let names: Vec<_> = certificate.names.iter().map(ToString::to_string).collect();
            format!(
                "{} has {}",
                certificate.name,
                if names.is_empty() { "none".into() } else { names.join(", ") }
            )
        };
        let have: Vec<_> = certificates.iter().map(has).collect();
        let text = format!("no certificate has the name {name}: {}", have.join("; "));
        self.findings.problems.push(Problem { place: host.place.clone(), text });
    }

    fn site(
        &mut self,
        minimum: TlsVersion,
        certificates: &[Arc<Certificate>],
        client_auth: Option<Arc<ClientAuth>>,
        self_test: Option<TestFloor>,
    ) -> Option<Arc<Site>> {
        let policy = settings::policy(minimum, certificates);
        let what_if = self.policies.iter().map(|what_if| policy.under(what_if)).collect();
        let certificates = certificates.to_vec();
        let asked = client_auth.as_deref().map(ClientAuth::fingerprint);
        let asked = asked.as_ref().map_or(NO_CLIENT_AUTH, |print| print.as_slice());
        let ticketer = self.tickets.as_mut()?.of_context(minimum, asked);
        match Settings::new(minimum, &certificates, client_auth.as_deref(), ticketer) {
            Ok(settings) => Some(Arc::new(Site {
                policy,
                what_if,
                settings,
                client_auth,
                certificates,
                self_test,
            })),
            Err(error) => {
                self.findings.problems.push(Problem::bare("tls", error.to_string()));
                None
            }
        }
    }
}

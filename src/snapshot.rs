//! Everything that a reload may replace, built whole from one configuration and never changed.
//!
//! `app` builds it (and so does `check`, which therefore cannot disagree with `run`); workers
//! read it through `shard`. It must not hold anything that belongs to one thread.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::header::HeaderValue;

use crate::{
    capacity::Capacity,
    census,
    config::{self, Config, Hsts, Problem, Problems, Route, Scheme},
    error_pages::ErrorPages,
    files::{Files, FilesHash},
    host::HostPattern,
    keyed_hash::KeyedHash,
    machine::Machine,
    metrics::{Metrics, RouteMetrics},
    notice::Notice,
    rollout::{Control, Rollouts},
    route::Router,
    self_test::SelfTest,
    telemetry,
    tls::{self, ClientTls, Sites},
    token::Token,
    upstream::{Fleet, FleetPrint},
    what_if::WhatIfs,
};

/// Which configuration: counted from 1 in the life of the process.
pub type Generation = u64;

/// What a snapshot is built with beside its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// Which one it will be.
    pub generation: Generation,
    /// Where its routes and upstreams are counted.
    pub metrics: &'a Metrics,
    /// What there is to serve with.
    pub machine: Machine,
    /// What reads its files.
    pub files: &'a Files,
    /// What its rollouts have kept from the last one.
    pub rollouts: &'a Control,
    /// What is in force now: an upstream that did not change is taken from there, with its
    /// connections and all that is known of its servers.
    pub before: Option<&'a Snapshot>,
}

/// One configuration in force.
#[derive(Debug)]
pub struct Snapshot {
    /// Counted from 1.
    pub generation: Generation,
    /// Of every file that it was built from: the same on replicas that have the same in force.
    pub hash: FilesHash,
    /// What it was built from.
    pub config: Config,
    /// Certificates, floors and TLS settings by name.
    pub sites: Sites,
    /// How much there is room for.
    pub capacity: Capacity,
    /// The route table.
    pub router: Router,
    /// Counters and labels of the routes, as numbered by the router.
    pub routes: Vec<Arc<RouteMetrics>>,
    /// Where customers test their clients, where that is configured.
    pub self_test: Option<SelfTest>,
    /// Counters of requests that no route took.
    pub no_route: Arc<RouteMetrics>,
    /// The upstreams, with what all workers share of each; behind them the legacy lane's servers.
    pub upstreams: Fleets,
    /// Where among them these are, if there is such a lane.
    pub legacy: Option<usize>,
    /// `Strict-Transport-Security`, where one is sent.
    pub hsts: Option<HeaderValue>,
    /// What responses in clear say about the end of plain HTTP, where they do.
    pub notice: Option<Notice>,
    /// Who is refused when; `Control::enter` puts them into force.
    pub rollouts: Arc<Rollouts>,
    /// Policies that only count.
    pub what_ifs: WhatIfs,
    /// How the census is kept; `Census::adopt` puts it into force.
    pub census: Arc<census::Settings>,
    /// Names for credentials in the log.
    pub keyed_hash: Option<KeyedHash>,
    /// Texts in place of ours.
    pub error_pages: ErrorPages,
    /// What has to be shown at the admin port, where something has.
    pub admin_token: Option<Token>,
}

impl Snapshot {
    /// Builds everything that `config` needs; also gives what is doubtful but no fault.
    ///
    /// # Errors
    /// Every problem of its certificates at once.
    pub fn build(config: Config, basis: &Basis<'_>) -> Result<(Self, Vec<Problem>), Problems> {
        let Basis { generation, metrics, files, rollouts: control, .. } = *basis;
        let mut problems = Vec::new();
        let sites = kept(sites(&config, basis), &mut problems);
        let key = config.plain_http.credentials_key.as_ref();
        let hash = kept_one(KeyedHash::load(key, files), &mut problems);
        let pages = kept(ErrorPages::load(&config.errors, files), &mut problems);
        let token = kept_one(token(&config, files), &mut problems);
        let census = kept_one(census::Settings::load(&config, files), &mut problems);
        problems.extend(bad_level(&config));
        let fleets = kept(fleets(&config, basis), &mut problems);
        let rollouts = kept(Rollouts::build(&config, control, (files, metrics)), &mut problems);
        let (
            Some((sites, mut warnings)),
            Some(keyed_hash),
            Some(error_pages),
            Some(admin_token),
            Some((upstreams, doubtful)),
            Some((rollouts, surprising)),
            Some(census),
            true,
        ) = (sites, hash, pages, token, fleets, rollouts, census, problems.is_empty())
        else {
            return Err(Problems(problems));
        };
        let uncovered = uncovered(&config, &sites);
        warnings.extend(doubtful.into_iter().chain(surprising).chain(uncovered));
        let capacity = Capacity::of(&config, basis.machine, metrics.workers());
        warnings.extend(capacity.doubt(&config));
        let snapshot = Self {
            generation,
            hash: files.hash(),
            capacity,
            router: Router::new(&config.routes),
            routes: labels(&config).iter().map(|label| metrics.route(label)).collect(),
            self_test: tested(&config, &sites),
            no_route: metrics.route("none"),
            legacy: config.rollout.upstream().map(|_| config.upstreams.len()),
            upstreams,
            hsts: hsts(&config.hsts),
            notice: Notice::of_plain_http(&config.plain_http),
            rollouts: Arc::new(rollouts),
            what_ifs: WhatIfs::new(&config.policies, metrics, jiff::Timestamp::now()),
            census: Arc::new(census),
            keyed_hash,
            error_pages,
            admin_token,
            sites,
            config,
        };
        Ok((snapshot, warnings))
    }
}

/// What clients are told at the self-test host, policies that only count included.
fn tested(config: &Config, sites: &Sites) -> Option<SelfTest> {
    let written = config.self_test.as_ref()?;
    let policies = &sites.find(Some(&written.host)).what_if;
    let names = config.policies.iter().map(|policy| policy.name.to_string());
    let what_if = names.zip(policies.iter().cloned()).collect();
    Some(SelfTest::new(written, &config.fleet, sites, what_if))
}

/// What has to be shown at the admin port.
fn token(config: &Config, files: &Files) -> Result<Option<Token>, Problem> {
    let file = config.listen.admin_token.as_ref();
    file.map(|file| Token::load(file, files)).transpose()
}

/// A filter that the log cannot be set to.
fn bad_level(config: &Config) -> Option<Problem> {
    let error = telemetry::check(&config.log.level).err()?;
    let text = format!("found \"{}\": {error}", config.log.level);
    Some(Problem { place: config.log.level_place.clone(), text })
}

/// Certificates, floors and what is asked of clients; sessions of the sites before go on.
fn sites(config: &Config, basis: &Basis<'_>) -> Result<(Sites, Vec<Problem>), Vec<Problem>> {
    let before = basis.before.map(|before| before.sites.tickets());
    let counters = basis.metrics.tickets();
    let (files, policies) = (basis.files, &config.policies);
    tls::build(&config.tls, tls::Basis { files, now: now(), before, counters, policies })
}

/// All upstreams, as numbered in the configuration, and the legacy lane's.
pub type Fleets = Vec<Arc<Fleet>>;

/// The upstreams; what TLS towards them needs is read here.
fn fleets(config: &Config, basis: &Basis<'_>) -> Result<(Fleets, Vec<Problem>), Vec<Problem>> {
    let files = basis.files;
    let (mut fleets, mut problems, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for upstream in config.upstreams.iter().chain(&config.rollout.upstream()) {
        let needs_tls = upstream.servers.iter().any(|server| server.scheme == Scheme::Https);
        let tls = match needs_tls.then(|| ClientTls::build(&upstream.tls, files, now())).transpose()
        {
            Ok(built) => built.map(|(tls, doubtful)| {
                warnings.extend(doubtful);
                tls
            }),
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let print = FleetPrint::of(upstream, &config.dns, files);
        let before = basis.before.map_or(&[][..], |before| &before.upstreams);
        fleets.push(match before.iter().find(|fleet| fleet.print == print) {
            Some(same) => Arc::clone(same),
            None => {
                let metrics = basis.metrics.upstream(&upstream.name);
                let fleet = Fleet::new(upstream.clone(), tls, metrics, print);
                let old = before.iter().find(|before| before.config.name == upstream.name);
                Arc::new(match old {
                    Some(old) => fleet.knowing(old),
                    None => fleet,
                })
            }
        });
    }
    if problems.is_empty() { Ok((fleets, warnings)) } else { Err(problems) }
}

/// What was built; what kept it from being built is put with the rest.
fn kept<T>(built: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    built.map_err(|mut found| problems.append(&mut found)).ok()
}

/// The same where there can be one problem.
fn kept_one<T>(built: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    built.map_err(|problem| problems.push(problem)).ok()
}

/// What each route is counted under, and behind them the self-test host; what would be the same
/// twice gets a number, because header conditions show no values.
fn labels(config: &Config) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let tested = config.self_test.as_ref().map(|_| "self_test".to_owned());
    for label in config.routes.iter().map(Route::label).chain(tested) {
        let numbered = (2..).map(|number: u32| format!("{label} #{number}"));
        let mut candidates = [label.clone()].into_iter().chain(numbered);
        labels.extend(candidates.find(|candidate| !labels.contains(candidate)));
    }
    labels
}

/// Hosts of routes and self-tests that no certificate has: their clients would refuse ours.
fn uncovered(config: &Config, sites: &Sites) -> Vec<Problem> {
    let routes = config.routes.iter().map(|route| (route.host.clone(), &route.place));
    let tested = config.self_test.iter().flat_map(config::SelfTest::hosts);
    let tested = tested.map(|(host, place)| (HostPattern::Exact(host.clone()), place));
    let bare = routes.chain(tested).filter(|(host, _)| *host != HostPattern::Any);
    bare.filter(|(host, _)| !sites.covers(host))
        .map(|(host, place)| Problem {
            place: place.clone(),
            text: format!(
                "no certificate has the name {host}; clients that ask for it over TLS will refuse \
                 the one they get"
            ),
        })
        .collect()
}

/// RFC 6797 6.1.
fn hsts(hsts: &Hsts) -> Option<HeaderValue> {
    let seconds = hsts.max_age.as_secs();
    let sub_domains = if hsts.include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload { "; preload" } else { "" };
    let value = format!("max-age={seconds}{sub_domains}{preload}");
    (seconds > 0).then(|| HeaderValue::try_from(value).ok()).flatten()
}

/// Seconds since 1970, for comparing with a certificate's dates.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

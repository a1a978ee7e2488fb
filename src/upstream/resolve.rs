//! Names of servers to addresses: what is asked, and of whom.
//!
//! Used by `names`, which says when. An address that does not come because a name server failed
//! is never taken for one that is gone.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
        ResolverOpts,
    },
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};
use tokio::time::Instant;

use crate::{config::Dns, host::Host};

/// The addresses that a name was found to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub addresses: BTreeSet<IpAddr>,
    /// How long that can be relied on.
    pub ttl: Duration,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// The system has no configuration for it that can be read.
    #[error("names cannot be looked up")]
    Setup(#[source] NetError),
    /// No answer, or one that says no.
    #[error("{0}")]
    Lookup(#[source] NetError),
    /// An answer without an address.
    #[error("the name has no address")]
    Nothing,
}

/// Whoever knows addresses.
pub(super) trait LookUp {
    /// The addresses of `name`; `before` are those that it had.
    async fn look_up(&self, name: &Host, before: &BTreeSet<IpAddr>) -> Result<Found, ResolveError>;
}

/// The system's hosts file and name servers, or those of the configuration.
#[derive(Debug)]
pub(super) struct Resolver {
    inner: TokioResolver,
}

/// Per question and name server; with [`ATTEMPTS`] more, a dead one is known of after a while.
const TIMEOUT: Duration = Duration::from_secs(2);

const ATTEMPTS: usize = 1;

impl Resolver {
    pub(super) fn new(dns: &Dns) -> Result<Self, ResolveError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if dns.servers.is_empty() {
            TokioResolver::builder_tokio().unwrap_or_else(|error| {
                // As the C library does where there is no resolv.conf.
                tracing::warn!(%error, "no /etc/resolv.conf; asking 127.0.0.1 for names");
                let local = [SocketAddr::from((Ipv4Addr::LOCALHOST, 53))];
                TokioResolver::builder_with_config(config(&local), provider)
            })
        } else {
            TokioResolver::builder_with_config(config(&dns.servers), provider)
        };
        adjust(builder.options_mut(), dns);
        Ok(Self { inner: builder.build().map_err(ResolveError::Setup)? })
    }

    /// Whether a name has no addresses of one kind, or the answer just did not come.
    async fn has_none(&self, name: &Name, kind: RecordType) -> bool {
        match self.inner.lookup(name.clone(), kind).await {
            // It has some after all: the next look finds them.
            Ok(_) => false,
            Err(error) => says_none(&error),
        }
    }
}

fn config(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = address.port());
        NameServerConfig::new(address.ip(), true, connections)
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

fn adjust(options: &mut ResolverOpts, dns: &Dns) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Read by us, again and again: it may change, and a name in it stands for what it says there.
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    // An answer is asked for only when it has to be a fresh one.
    options.cache_size = 0;
    options.positive_max_ttl = Some(dns.max_ttl);
}

/// What the system's hosts file says.
fn in_hosts(name: &Host) -> BTreeSet<IpAddr> {
    let (Ok(hosts), Ok(name)) = (Hosts::from_system(), Name::from_ascii(name.as_str())) else {
        return BTreeSet::new();
    };
    let of_kind = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let found = [RecordType::A, RecordType::AAAA].into_iter().filter_map(of_kind);
    let addresses = |lookup: Lookup| {
        lookup.answers().iter().filter_map(|one| one.data.ip_addr()).collect::<Vec<_>>()
    };
    found.flat_map(addresses).collect()
}

fn says_none(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)))
}

impl LookUp for Resolver {
    async fn look_up(&self, name: &Host, before: &BTreeSet<IpAddr>) -> Result<Found, ResolveError> {
        let in_hosts = in_hosts(name);
        if !in_hosts.is_empty() {
            return Ok(Found { addresses: in_hosts, ttl: Duration::MAX });
        }
        let answer = self.inner.lookup_ip(name.as_str()).await.map_err(ResolveError::Lookup)?;
        let valid = Instant::from_std(answer.valid_until());
        let ttl = valid.saturating_duration_since(Instant::now());
        let mut addresses: BTreeSet<IpAddr> = answer.iter().collect();
        if addresses.is_empty() {
            return Err(ResolveError::Nothing);
        }
        // One of the two questions may have failed, and the answer does not say so.
        for (kind, v4) in [(RecordType::A, true), (RecordType::AAAA, false)] {
            let of_kind = |ip: &&IpAddr| ip.is_ipv4() == v4;
            let gone =
                before.iter().any(|ip| of_kind(&ip)) && !addresses.iter().any(|ip| of_kind(&ip));
            if gone && !self.has_none(answer.query().name(), kind).await {
                addresses.extend(before.iter().filter(of_kind));
            }
        }
        Ok(Found { addresses, ttl })
    }
}

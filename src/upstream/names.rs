//! Servers whose URL has a name: their addresses follow it, without a reload.
//!
//! Run by `control`, a task a name. What a name last stood for is kept when looking it up fails;
//! an address that stays keeps its endpoint, and with that its connections and its state. One
//! that goes gets no new request, and ends what it has.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Endpoint, Fleet,
    resolve::{Found, LookUp, ResolveError},
};
use crate::config::{Dns, Server};

/// Dropped by each name once it has been looked up for the first time.
pub(super) type First = std::sync::mpsc::Sender<std::convert::Infallible>;

/// What the names of one upstream stand for, by server; none for one that is an address itself.
type Answers = Rc<RefCell<Vec<Option<BTreeSet<IpAddr>>>>>;

/// Follows every name among an upstream's servers, for as long as the result is kept.
pub(super) fn follow<N: LookUp + 'static>(
    fleet: &Arc<Fleet>,
    names: &Rc<N>,
    dns: &Dns,
    first: &First,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let servers = &fleet.config.servers;
    let answers: Answers = Rc::new(RefCell::new(vec![None; servers.len()]));
    for (index, server) in servers.iter().enumerate().filter(|(_, one)| one.host.ip().is_none()) {
        let name = Followed {
            fleet: Arc::clone(fleet),
            server: server.clone(),
            index,
            answers: Rc::clone(&answers),
            failures: 0,
        };
        tasks.spawn_local(name.run(Rc::clone(names), dns.clone(), first.clone()));
    }
    tasks
}

/// One name.
struct Followed {
    fleet: Arc<Fleet>,
    server: Server,
    index: usize,
    answers: Answers,
    /// In a row.
    failures: u32,
}

impl Followed {
    async fn run<N: LookUp>(mut self, names: Rc<N>, dns: Dns, first: First) {
        let mut first = Some(first);
        loop {
            let before = self.before().unwrap_or_default();
            let wait = match names.look_up(&self.server.host, &before).await {
                Ok(found) => self.found(found),
                Err(error) => self.failed(&error, dns.min_ttl),
            };
            drop(first.take());
            sleep(wait.clamp(dns.min_ttl, dns.max_ttl)).await;
        }
    }

    fn before(&self) -> Option<BTreeSet<IpAddr>> {
        self.answers.borrow().get(self.index).cloned().flatten()
    }

    fn found(&mut self, found: Found) -> Duration {
        let (fleet, server) = (&self.fleet, &self.server);
        if self.failures > 0 {
            self.failures = 0;
            let upstream = &*fleet.config.name;
            tracing::info!(event = "upstream", upstream, %server, state = "resolved");
        }
        let addresses = routable(found.addresses);
        if self.before().as_ref() != Some(&addresses) {
            if let Some(answer) = self.answers.borrow_mut().get_mut(self.index) {
                *answer = Some(addresses);
            }
            fleet.publish(endpoints(fleet, &self.answers.borrow(), Instant::now()));
        }
        found.ttl
    }

    /// Counted each time, said once.
    fn failed(&mut self, error: &ResolveError, wait: Duration) -> Duration {
        let (fleet, server) = (&self.fleet, &self.server);
        fleet.metrics.fleet.unresolved();
        if self.failures == 0 {
            let (upstream, kept) = (&*fleet.config.name, self.before().map_or(0, |one| one.len()));
            let state = "unresolved";
            tracing::warn!(event = "upstream", upstream, %server, state, kept, %error);
        }
        let wait = wait.saturating_mul(2u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

/// All endpoints of an upstream, by what its names stand for; those there are already are kept.
fn endpoints(
    fleet: &Fleet,
    answers: &[Option<BTreeSet<IpAddr>>],
    now: Instant,
) -> Vec<Arc<Endpoint>> {
    let before = fleet.addresses();
    let mut endpoints = Vec::new();
    for (server, answer) in fleet.config.servers.iter().zip(answers) {
        let known = before.endpoints.iter().filter(|endpoint| endpoint.server == *server);
        let known: Vec<_> = known.collect();
        let literal = server.host.ip();
        if answer.is_none() && literal.is_none() {
            // Not looked up yet: what was known before a reload serves until then.
            endpoints.extend(known.into_iter().map(Arc::clone));
            continue;
        }
        for ip in answer.iter().flatten().copied().chain(literal) {
            let address = SocketAddr::new(ip, server.port);
            let same = known.iter().find(|endpoint| endpoint.address == address);
            endpoints.push(match same {
                Some(same) => Arc::clone(same),
                // The first addresses of a name join nobody.
                None if known.is_empty() => Arc::new(Endpoint::new(server, address)),
                None => Arc::new(Endpoint::joining(server, address, now, &fleet.config)),
            });
        }
    }
    endpoints
}

/// Without addresses that this machine has no way to (a name has both kinds, the machine speaks
/// IPv4 only), unless there is no other.
fn routable(addresses: BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    let left: BTreeSet<_> = addresses.iter().copied().filter(|ip| !has_no_route(*ip)).collect();
    if left.is_empty() { addresses } else { left }
}

/// Asks the system for a route; nothing is sent.
fn has_no_route(ip: IpAddr) -> bool {
    /// `EAFNOSUPPORT` of Linux, which has no kind: IPv6 is switched off.
    const NO_SUCH_FAMILY: i32 = 97;
    const ANY_PORT: u16 = 9;
    let own: IpAddr =
        if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let connected = UdpSocket::bind((own, 0)).and_then(|socket| socket.connect((ip, ANY_PORT)));
    let no_route = |error: io::Error| {
        let kind = error.kind();
        error.raw_os_error() == Some(NO_SUCH_FAMILY)
            || matches!(kind, ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable)
            || kind == ErrorKind::AddrNotAvailable
    };
    // Any other failure says nothing about the address.
    connected.is_err_and(no_route)
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        collections::{BTreeSet, VecDeque},
        net::IpAddr,
        path::Path,
        rc::Rc,
        sync::Arc,
        time::Duration,
    };

    use tokio::task::LocalSet;

    use super::{Found, LookUp, ResolveError, follow};
    use crate::{
        config::{self, Dns},
        host::Host,
        metrics::Metrics,
        upstream::{Endpoint, Fleet, FleetPrint},
    };

    /// One answer after the other; the last one for ever.
    #[derive(Default)]
    struct Script {
        answers: RefCell<VecDeque<Option<(&'static str, u64)>>>,
        asked: RefCell<Vec<tokio::time::Instant>>,
    }

    impl LookUp for Script {
        async fn look_up(&self, _: &Host, _: &BTreeSet<IpAddr>) -> Result<Found, ResolveError> {
            self.asked.borrow_mut().push(tokio::time::Instant::now());
            let mut answers = self.answers.borrow_mut();
            let answer =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
            let (addresses, ttl) = answer.flatten().ok_or(ResolveError::Nothing)?;
            let addresses = addresses.split(' ').map(|ip| ip.parse().unwrap()).collect();
            Ok(Found { addresses, ttl: Duration::from_secs(ttl) })
        }
    }

    fn fleet(servers: &str) -> Arc<Fleet> {
        let text = format!(
            "[tls]\ncertificates = [{{ chain = \"a\", key = \"b\" }}]\n[[upstreams]]\n\
             name = \"api\"\nslow_start = \"10s\"\nservers = {servers}\n"
        );
        let upstream = config::parse(&text, Path::new("/x/t.toml")).unwrap().upstreams.remove(0);
        Arc::new(Fleet::new(upstream, None, Metrics::new(1).upstream("api"), FleetPrint::default()))
    }

    fn addresses(fleet: &Fleet) -> Vec<String> {
        fleet.addresses().endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    async fn with(
        fleet: &Arc<Fleet>,
        script: &[Option<(&'static str, u64)>],
        test: impl AsyncFnOnce(Rc<Script>),
    ) {
        let script =
            Script { answers: RefCell::new(script.iter().copied().collect()), ..Script::default() };
        let script = Rc::new(script);
        LocalSet::new()
            .run_until(async {
                let (first, done) = std::sync::mpsc::channel();
                let tasks = follow(fleet, &script, &Dns::default(), &first);
                drop(first);
                assert!(matches!(done.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)));
                tokio::time::sleep(Duration::from_millis(1)).await;
                let left = done.try_recv();
                assert_eq!(left, Err(std::sync::mpsc::TryRecvError::Disconnected));
                test(Rc::clone(&script)).await;
                drop(tasks);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_come_and_go_and_what_stays_is_the_same() {
        let fleet = fleet("[\"http://127.0.0.9:80\", \"http://orders:81\"]");
        let same = |before: &[Arc<Endpoint>], at: usize, now: usize| {
            Arc::ptr_eq(&before[at], &fleet.addresses().endpoints[now])
        };
        let script =
            [Some(("127.0.0.1", 5)), Some(("127.0.0.2 127.0.0.1", 5)), Some(("127.0.0.2", 5))];
        with(&fleet, &script, async |_| {
            assert_eq!(addresses(&fleet), ["127.0.0.9:80", "127.0.0.1:81"]);
            let first = Arc::clone(&fleet.addresses());
            assert_eq!(first.endpoints[1].share(), 100, "the first of a name starts at once");
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(addresses(&fleet), ["127.0.0.9:80", "127.0.0.1:81", "127.0.0.2:81"]);
            let second = Arc::clone(&fleet.addresses());
            assert!(same(&first.endpoints, 0, 0) && same(&first.endpoints, 1, 1));
            assert_eq!(second.endpoints[2].share(), 1, "one that joins starts slowly");
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(addresses(&fleet), ["127.0.0.9:80", "127.0.0.2:81"]);
            assert!(same(&second.endpoints, 2, 1));
            // The same answer again is no news.
            let generation = fleet.generation();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(fleet.generation(), generation);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_is_kept_on_failure() {
        let fleet = fleet("[\"http://orders\"]");
        with(&fleet, &[None, Some(("127.0.0.1", 5)), None], async |script| {
            assert!(addresses(&fleet).is_empty(), "a name without an address is no failure");
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(addresses(&fleet), ["127.0.0.1:80"]);
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert_eq!(addresses(&fleet), ["127.0.0.1:80"]);
            // Asked again less and less often, but asked.
            let asked = script.asked.borrow();
            let waits: Vec<_> =
                asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
            assert_eq!(waits[..8], [1, 5, 1, 2, 4, 8, 16, 30]);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_ttl_is_held_within_bounds() {
        for (ttl, expected) in [(0, 1), (7, 7), (86_400, 30)] {
            let fleet = fleet("[\"http://orders\"]");
            with(&fleet, &[Some(("127.0.0.1", ttl))], async |script| {
                tokio::time::sleep(Duration::from_secs(100)).await;
                let asked = script.asked.borrow();
                assert_eq!((asked[2] - asked[1]).as_secs(), expected);
            })
            .await;
        }
    }
}

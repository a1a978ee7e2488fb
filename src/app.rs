//! The composition root: builds everything from a configuration, starts it, and ends it.
//!
//! Called by `cli` and by tests, which get the real addresses from it. It is the only place that
//! knows all parts; no part knows it.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    admin,
    clients::Clients,
    config::{Config, Problem, Problems},
    drain::{Phase, Progress, Readiness},
    files::Files,
    listener::Peers,
    metrics::{ListenerKind, Metrics},
    refusals::RefusalLog,
    rollout::Control,
    shard::Loads,
    snapshot::{Basis, Snapshot},
    sockets,
    upstream::control,
    worker::{self, Setup},
};

/// How often a drain looks whether the last connection has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How long the first look at names of servers may keep the process from being ready.
const FIRST_NAMES: Duration = Duration::from_secs(5);

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A certificate or something else that the configuration names is not right.
    #[error("{0}")]
    Problems(Problems),
    /// An address could not be listened on.
    #[error("cannot listen on {address} ({key}): {source}{}", mend(.source))]
    Bind {
        /// Which.
        address: SocketAddr,
        /// The key that names it.
        key: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or no runtime.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there or choose another port",
        io::ErrorKind::PermissionDenied => {
            "; choose a port from 1024 up or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// As in `listen.https`, with real ports.
    pub https: Vec<SocketAddr>,
    /// As in `listen.http`.
    pub http: Vec<SocketAddr>,
    /// As in `listen.admin`.
    pub admin: SocketAddr,
}

/// A running proxy.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    warnings: Vec<Problem>,
    snapshot: Arc<Snapshot>,
    progress: Arc<Progress>,
    rollouts: Arc<Control>,
    loads: Loads,
    threads: Vec<JoinHandle<()>>,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open when listening stopped and ended by themselves.
    pub ended: usize,
    /// Connections that were cut.
    pub cut: usize,
    /// How long it took.
    pub took: Duration,
}

/// Ends when the process does.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sockets by port kind, one set a worker.
type Bound = Vec<Vec<(ListenerKind, TcpListener)>>;

impl App {
    /// Builds, binds and starts; it serves once this has returned.
    ///
    /// # Errors
    /// Nothing is left running then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let workers = workers(&config);
        let metrics = Metrics::new(workers);
        let files = Files::default();
        let rollouts = Arc::new(Control::new(&metrics));
        let basis = Basis { generation: 1, metrics: &metrics, files: &files, rollouts: &rollouts };
        let (snapshot, warnings) = Snapshot::build(config, &basis).map_err(StartError::Problems)?;
        let snapshot = Arc::new(snapshot);
        metrics.in_force(snapshot.generation);
        rollouts.enter(&snapshot.rollouts);
        let (bound, admin, addresses) = listen(&snapshot.config, workers)?;
        let mut app = Self {
            addresses,
            warnings,
            snapshot,
            progress: Arc::default(),
            rollouts,
            loads: Loads::new(workers),
            threads: Vec::new(),
        };
        let resolved = app.start_control()?;
        app.start_workers(bound, &metrics)?;
        app.start_admin(admin, metrics)?;
        // Until then /readyz says that it starts; a name without an address does not keep it.
        if resolved.recv_timeout(FIRST_NAMES) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("not every name of a server has been looked up yet");
        }
        app.progress.say(Readiness::Ready);
        Ok(app)
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What is doubtful about the configuration.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The running rollouts, for orders and reports.
    #[must_use]
    pub fn rollouts(&self) -> &Arc<Control> {
        &self.rollouts
    }

    fn start_workers(&mut self, bound: Bound, metrics: &Arc<Metrics>) -> Result<(), StartError> {
        let config = &self.snapshot.config;
        let log = || Arc::new(RefusalLog::new(config.log.refused_per_minute));
        let (refusals, leaks) = (log(), log());
        let clients = Clients::default();
        let (peers, receivers) = Peers::new(self.loads.clone());
        for (index, (listeners, handed)) in bound.into_iter().zip(receivers).enumerate() {
            let setup = Setup {
                index,
                listeners,
                snapshot: Arc::clone(&self.snapshot),
                counters: metrics.worker(index),
                refusals: Arc::clone(&refusals),
                leaks: Arc::clone(&leaks),
                clients: clients.clone(),
                loads: self.loads.clone(),
                peers: peers.clone(),
                handed,
                phase: self.progress.watch(),
            };
            self.threads.push(worker::start(setup).map_err(StartError::Thread)?);
        }
        Ok(())
    }

    /// On a thread of its own, so that a server that hangs delays no client.
    ///
    /// What it gives ends when every name of a server has been looked up once.
    fn start_control(&mut self) -> Result<Receiver<Infallible>, StartError> {
        let fleets = self.snapshot.upstreams.clone();
        let dns = self.snapshot.config.dns.clone();
        let (first, resolved) = std::sync::mpsc::channel();
        let rollouts = Arc::clone(&self.rollouts);
        self.start_thread("control", |stop| async {
            tokio::select! {
                () = rollouts.run() => {}
                () = control::keep(fleets, dns, first, stop) => {}
            }
        })?;
        Ok(resolved)
    }

    /// On a thread of its own, so that it answers even when no worker does.
    fn start_admin(
        &mut self,
        listener: TcpListener,
        metrics: Arc<Metrics>,
    ) -> Result<(), StartError> {
        let source = Arc::new(Inside {
            metrics,
            snapshot: Arc::clone(&self.snapshot),
            readiness: self.progress.readiness(),
        });
        self.start_thread("admin", |stop| async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => admin::serve(listener, source, stop).await,
                Err(error) => tracing::error!(%error, "the admin port is gone"),
            }
        })
    }

    /// A thread with a runtime; what it runs has to end when `stop` does.
    fn start_thread<F: Future<Output = ()>>(
        &mut self,
        name: &'static str,
        run: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> Result<(), StartError> {
        let mut phase = self.progress.watch();
        let stop: Stop =
            Box::pin(async move { drop(phase.wait_for(|phase| *phase == Phase::Cut).await) });
        let runtime = move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => runtime.block_on(run(stop)),
                Err(error) => tracing::error!(%error, thread = name, "a thread has no runtime"),
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(runtime);
        self.threads.push(thread.map_err(StartError::Thread)?);
        Ok(())
    }

    /// Ends it: not ready, still accepting for `drain.delay`; then no more connections, and
    /// `drain.grace` for those that are left. `hurry` ends it at once.
    pub async fn drain(self, hurry: impl Future<Output = ()>) -> Drained {
        let drain = self.snapshot.config.drain.clone();
        let mut hurry = std::pin::pin!(hurry);
        let started = Instant::now();
        tracing::info!(event = "drain", step = "not_ready", open = self.loads.total());
        self.progress.say(Readiness::Draining);
        let mut open = self.loads.total();
        let in_time = async {
            sleep(drain.delay).await;
            open = self.loads.total();
            tracing::info!(event = "drain", step = "closing", open);
            self.progress.enter(Phase::Drain);
            let empty = async {
                // The workers take what is queued before they look at what they have.
                sleep(LOOK).await;
                while self.loads.total() > 0 {
                    sleep(LOOK).await;
                }
            };
            drop(tokio::time::timeout(drain.grace, empty).await);
        };
        tokio::select! {
            () = in_time => {}
            () = &mut hurry => tracing::info!(event = "drain", step = "hurried"),
        }
        self.finish(open, started)
    }

    fn finish(self, open: usize, started: Instant) -> Drained {
        let cut = self.loads.total();
        self.progress.enter(Phase::Cut);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread ended by a panic");
            }
        }
        let drained = Drained { ended: open.saturating_sub(cut), cut, took: started.elapsed() };
        let Drained { ended, cut, took } = drained;
        tracing::info!(event = "drain", step = "done", ended, cut, seconds = took.as_secs_f64());
        drained
    }
}

/// What the admin port shows.
#[derive(Debug)]
struct Inside {
    metrics: Arc<Metrics>,
    snapshot: Arc<Snapshot>,
    readiness: watch::Receiver<Readiness>,
}

impl admin::Source for Inside {
    fn readiness(&self) -> Readiness {
        *self.readiness.borrow()
    }

    fn metrics(&self) -> String {
        self.metrics.encode()
    }

    fn upstreams(&self) -> serde_json::Value {
        let reports: Vec<_> = self.snapshot.upstreams.iter().map(|fleet| fleet.report()).collect();
        serde_json::json!({ "upstreams": reports })
    }

    fn config(&self) -> serde_json::Value {
        let Snapshot { generation, config, .. } = &*self.snapshot;
        serde_json::json!({ "generation": generation, "config": config })
    }
}

/// As configured, or as many as the cgroup gives CPUs.
fn workers(config: &Config) -> usize {
    match config.listen.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn listen(config: &Config, workers: usize) -> Result<(Bound, TcpListener, Addresses), StartError> {
    let mut bound: Bound = (0..workers).map(|_| Vec::new()).collect();
    let mut open = |kind, key, addresses: &[SocketAddr]| {
        let mut real = Vec::new();
        for address in addresses.iter().copied() {
            let failed = |source| StartError::Bind { address, key, source };
            let sockets = sockets::bind(address, workers).map_err(failed)?;
            real.extend(sockets.first().and_then(|socket| socket.local_addr().ok()));
            for (worker, socket) in bound.iter_mut().zip(sockets) {
                worker.push((kind, socket));
            }
        }
        Ok(real)
    };
    let https = open(ListenerKind::Https, "listen.https", &config.listen.https)?;
    let http = open(ListenerKind::Http, "listen.http", &config.listen.http)?;
    let address = config.listen.admin;
    let failed = |source| StartError::Bind { address, key: "listen.admin", source };
    let admin = sockets::bind_one(address).map_err(failed)?;
    let addresses = Addresses { https, http, admin: admin.local_addr().map_err(failed)? };
    Ok((bound, admin, addresses))
}

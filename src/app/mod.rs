//! The composition root: builds everything from a configuration, starts it, and ends it.
//!
//! Called by `cli` and by tests, which get the real addresses from it. It is the only place that
//! knows all parts; no part knows it.

mod ending;
mod inside;

use std::{
    convert::Infallible,
    io,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc,
};

use crate::{
    admin,
    capacity::{Capacity, Pressure},
    census::Census,
    clients::Clients,
    config::{Config, HAS_TRACES, Problem, Problems},
    drain::{Phase, Progress, Readiness},
    files::{Files, FilesHash},
    listener::Peers,
    listening::Listening,
    loads::Loads,
    machine::Machine,
    metrics::Metrics,
    published::Published,
    refusals::RefusalLog,
    reload::{Ask, FIRST_NAMES, Reload, Reloads},
    rollout::{Clock, Control},
    shared::Shared,
    snapshot::{Basis, Snapshot},
    sockets::Inherited,
    telemetry::Telemetry,
    tls::watch_expiry,
    traces::{self, Tracer},
    upstream::control::{self, Care},
    worker::{self, Setup, Socket},
};

pub use crate::listening::{Addresses, BindError};
pub use ending::Drained;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A certificate or something else that the configuration names is not right.
    #[error("{0}")]
    Problems(Problems),
    /// An address could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No thread or no runtime.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What a process has beside its configuration.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The file that the configuration was read from; without one there is nothing to reload.
    pub file: Option<PathBuf>,
    /// By which it was read.
    pub files: Files,
    /// The log, where it is this process's.
    pub log: Option<Arc<Telemetry>>,
    /// Sockets that are open already.
    pub inherited: Inherited,
    /// What time it is for the rollouts and the census.
    pub clock: Clock,
}

/// A running proxy.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    warnings: Vec<Problem>,
    published: Arc<Published>,
    reloads: Reloads,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
    rollouts: Arc<Control>,
    census: Arc<Census>,
    loads: Loads,
    /// Ends once each worker has taken what the kernel had queued when it began to drain.
    taken: mpsc::Receiver<Infallible>,
    threads: Threads,
}

/// All of them, to be joined.
#[derive(Debug, Default)]
struct Threads {
    serving: Vec<JoinHandle<()>>,
    /// May outlive all others.
    admin: Option<JoinHandle<()>>,
}

/// Ends when the process does.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl App {
    /// Builds, binds and starts; it serves once this has returned.
    ///
    /// # Errors
    /// Nothing is left running then.
    pub fn start(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let Surroundings { file, files, log, inherited, clock } = surroundings;
        let workers = workers(&config);
        let metrics = Metrics::new(workers);
        let machine = Machine::ask();
        let rollouts = Arc::new(Control::new(&metrics).by(clock.clone()));
        let (snapshot, warnings) = first(config, machine, &metrics, &rollouts, &files)?;
        let (doors, sockets): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let (admin_door, admin_sockets) = mpsc::unbounded_channel();
        let mut listening = Listening::new(doors, admin_door, inherited);
        let ports = listening.prepare(&snapshot.config.listen)?;
        let census = Arc::new(Census::new(&snapshot.census, &metrics).by(clock));
        let published = Arc::new(Published::new(snapshot));
        let (reloads, asked) = Reloads::new();
        let (taking, taken) = mpsc::channel(1);
        let mut app = Self {
            addresses: ports.addresses(),
            warnings,
            published: Arc::clone(&published),
            reloads,
            metrics: Arc::clone(&metrics),
            progress: Arc::default(),
            rollouts,
            census,
            loads: Loads::new(workers),
            taken,
            threads: Threads::default(),
        };
        let shared = app.start_traces(&metrics).map(|tracer| app.shared(tracer))?;
        let (control, looked_up) = app.start_control(shared.pressure.clone())?;
        app.start_workers(sockets, &shared, &metrics, taking)?;
        app.start_admin(admin_sockets, &metrics, log.clone())?;
        listening.enter(ports);
        let reload = Reload {
            file,
            files,
            machine,
            published,
            metrics,
            rollouts: Arc::clone(&app.rollouts),
            census: Arc::clone(&app.census),
            listening,
            control,
            quotas: [shared.refusals, shared.leaks],
            log,
        };
        app.start_reload(reload, asked)?;
        wait_for_names(&looked_up);
        app.progress.say(Readiness::Ready);
        Ok(app)
    }

    /// Where it listened when it started.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What is doubtful about the configuration.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How much there is room for.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.published.snapshot().capacity
    }

    /// What all files of the configuration in force say.
    #[must_use]
    pub fn config_hash(&self) -> FilesHash {
        self.published.snapshot().hash
    }

    /// How many workers serve.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.loads.workers()
    }

    /// The running rollouts, for orders and reports.
    #[must_use]
    pub fn rollouts(&self) -> &Arc<Control> {
        &self.rollouts
    }

    /// Who fails what, so far.
    #[must_use]
    pub fn census(&self) -> &Arc<Census> {
        &self.census
    }

    /// The way to ask for a reload.
    #[must_use]
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// What workers will have in common.
    fn shared(&self, tracer: Option<Tracer>) -> Shared {
        let lines = self.published.snapshot().config.log.refused_per_minute;
        Shared {
            published: Arc::clone(&self.published),
            refusals: Arc::new(RefusalLog::new(lines)),
            leaks: Arc::new(RefusalLog::new(lines)),
            census: Arc::clone(&self.census),
            clients: Clients::default(),
            loads: self.loads.clone(),
            pressure: Pressure::default(),
            tracer,
        }
    }

    fn start_workers(
        &mut self,
        sockets: Vec<mpsc::UnboundedReceiver<Socket>>,
        shared: &Shared,
        metrics: &Arc<Metrics>,
        taking: mpsc::Sender<Infallible>,
    ) -> Result<(), StartError> {
        let (peers, receivers) = Peers::new(self.loads.clone());
        for (index, (sockets, handed)) in sockets.into_iter().zip(receivers).enumerate() {
            let setup = Setup {
                index,
                sockets,
                counters: metrics.worker(index),
                shared: shared.clone(),
                peers: peers.clone(),
                handed,
                phase: self.progress.watch(),
                taking: taking.clone(),
            };
            self.threads.serving.push(worker::start(setup).map_err(StartError::Thread)?);
        }
        Ok(())
    }

    /// On a thread of its own: building a snapshot reads files and may take its time.
    fn start_reload(
        &mut self,
        reload: Reload,
        asked: mpsc::Receiver<Ask>,
    ) -> Result<(), StartError> {
        let mut phase = self.progress.watch();
        let draining = async move { drop(phase.wait_for(|phase| *phase >= Phase::Drain).await) };
        let run = |stop| reload.run(asked, draining, stop);
        self.threads.serving.push(self.start_thread("reload", Phase::Cut, run)?);
        Ok(())
    }

    /// On a thread of its own, so that a server that hangs delays no client.
    ///
    /// What it gives beside the way to it ends when every name of a server has been looked up once.
    fn start_control(
        &mut self,
        pressure: Pressure,
    ) -> Result<(mpsc::UnboundedSender<Care>, Receiver<Infallible>), StartError> {
        let snapshot = self.published.snapshot();
        let (care, orders) = mpsc::unbounded_channel();
        let (first, looked_up) = std::sync::mpsc::channel();
        let (fleets, dns) = (snapshot.upstreams.clone(), snapshot.config.dns.clone());
        let (published, loads) = (Arc::clone(&self.published), self.loads.clone());
        let (rollouts, census) = (Arc::clone(&self.rollouts), Arc::clone(&self.census));
        let thread = self.start_thread("control", Phase::Cut, |stop| async move {
            let ceiling = || published.snapshot().capacity.memory;
            let endings = || published.snapshot().sites.endings().collect::<Vec<_>>();
            tokio::select! {
                () = control::keep(orders, stop) => {}
                () = rollouts.run() => {}
                () = census.run() => {}
                () = pressure.watch(ceiling, || loads.total()) => {}
                never = watch_expiry(endings) => match never {},
            }
        })?;
        self.threads.serving.push(thread);
        if care.send(Care::For { fleets, dns, first }).is_err() {
            tracing::error!("nobody looks after upstreams");
        }
        Ok((care, looked_up))
    }

    /// On a thread of its own, so that a collector that hangs delays nobody. It ends with the last
    /// worker, so that no span of a request that is cut is left.
    fn start_traces(&mut self, metrics: &Metrics) -> Result<Option<Tracer>, StartError> {
        let Some(traces) = self.published.snapshot().config.traces.clone().filter(|_| HAS_TRACES)
        else {
            return Ok(None);
        };
        let (tracer, spans) = Tracer::new(&traces, metrics.lost_spans());
        let lost = metrics.lost_spans();
        let run = |stop| traces::export(traces, spans, lost, stop);
        self.threads.serving.push(self.start_thread("traces", Phase::Cut, run)?);
        Ok(Some(tracer))
    }

    /// On a thread of its own, so that it answers even when no worker does.
    fn start_admin(
        &mut self,
        sockets: mpsc::UnboundedReceiver<std::net::TcpListener>,
        metrics: &Arc<Metrics>,
        log: Option<Arc<Telemetry>>,
    ) -> Result<(), StartError> {
        let source = Arc::new(inside::Inside {
            metrics: Arc::clone(metrics),
            published: Arc::clone(&self.published),
            readiness: self.progress.readiness(),
            reloads: self.reloads.clone(),
            rollouts: Arc::clone(&self.rollouts),
            census: Arc::clone(&self.census),
            loads: self.loads.clone(),
            log,
        });
        let run = |stop| admin::serve(sockets, source, stop);
        self.threads.admin = Some(self.start_thread("admin", Phase::Gone, run)?);
        Ok(())
    }

    /// A thread with a runtime; what it runs has to end when `stop` does, in the phase `last`.
    fn start_thread<F: Future<Output = ()>>(
        &self,
        name: &'static str,
        last: Phase,
        run: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> Result<JoinHandle<()>, StartError> {
        let mut phase = self.progress.watch();
        let stop: Stop =
            Box::pin(async move { drop(phase.wait_for(|phase| *phase >= last).await) });
        let runtime = move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(run(stop));
                    // Not before the system has looked up a name that nobody needs any more.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, thread = name, "a thread has no runtime"),
            }
        };
        thread::Builder::new().name(name.into()).spawn(runtime).map_err(StartError::Thread)
    }
}

/// The first snapshot, in force from here on; `reload` builds all others.
fn first(
    config: Config,
    machine: Machine,
    metrics: &Metrics,
    rollouts: &Control,
    files: &Files,
) -> Result<(Snapshot, Vec<Problem>), StartError> {
    let basis = Basis { generation: 1, metrics, machine, files, rollouts, before: None };
    let built = Snapshot::build(config, &basis).map_err(StartError::Problems)?;
    let number = (built.0.generation, built.0.hash.number());
    metrics.in_force(number, built.0.sites.expiries());
    rollouts.enter(&built.0.rollouts);
    Ok(built)
}

/// Until then /readyz says that it starts; a name without an address does not keep it.
fn wait_for_names(looked_up: &Receiver<Infallible>) {
    if looked_up.recv_timeout(FIRST_NAMES) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!("not every name of a server has been looked up yet");
    }
}

/// As configured, or as many as the cgroup gives CPUs.
fn workers(config: &Config) -> usize {
    match config.listen.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

//! From one configuration to the next while everything serves on.
//!
//! Run by `app` on a thread of its own. A signal or the admin port asks for it at once; a change of
//! any file in use is noticed by its content, and taken once the files have said the same for one
//! tick. The next snapshot is built whole before anything is touched: on any doubt the old one
//! stays, and says so. It must never end, whatever is in the files.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    census::Census,
    config::{self, Config, ConfigError, Problem, Problems},
    files::{Files, FilesHash},
    label::labels,
    listening::{BindError, Listening},
    machine::Machine,
    metrics::Metrics,
    published::Published,
    refusals::RefusalLog,
    rollout::Control,
    snapshot::{Basis, Generation, Snapshot},
    systemd,
    telemetry::Telemetry,
    upstream::control::Care,
};

/// How long names of new servers may keep a configuration from coming into force.
pub(crate) const FIRST_NAMES: Duration = Duration::from_secs(5);

/// How often it is looked whether the last name has been looked up.
const LOOK: Duration = Duration::from_millis(20);

/// As good as never: files are not looked at by themselves.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// Who may ask at one time; more wait.
const ASKING: usize = 16;

labels! {
    /// What asked for a reload.
    pub enum Trigger {
        /// SIGHUP.
        Signal = "signal",
        /// `POST /reload`.
        Admin = "admin",
        /// A file says something else.
        Change = "change",
    }
}

/// Why the old configuration stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It cannot be read, or is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something that it names is.
    #[error("{0}")]
    Problems(Problems),
    /// One of its addresses cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no file to read again.
    #[error("this configuration did not come from a file")]
    NoFile,
    /// Nobody reloads any more.
    #[error("the process is ending")]
    Ending,
}

impl ReloadError {
    /// Each problem by itself, with its file and line where it has one.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Config(ConfigError::Invalid(problems)) | Self::Problems(problems) => {
                problems.0.iter().map(ToString::to_string).collect()
            }
            Self::Config(ConfigError::Unreadable { source, .. }) => {
                vec![format!("{self}: {source}")]
            }
            Self::Bind(_) | Self::NoFile | Self::Ending => vec![self.to_string()],
        }
    }
}

/// A configuration that came into force.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Which.
    pub generation: Generation,
    /// Of all its files.
    pub hash: FilesHash,
    /// What is doubtful about it, or waits for a restart.
    pub warnings: Vec<Problem>,
}

/// How a reload came out.
pub type Outcome = Result<Reloaded, ReloadError>;

/// Somebody asks, and waits.
#[derive(Debug)]
pub(crate) struct Ask {
    trigger: Trigger,
    reply: oneshot::Sender<Outcome>,
}

/// The way to ask for a reload.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Ask>);

impl Reloads {
    /// A way, and its far end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKING);
        (Self(asks), asked)
    }

    /// Reads everything again, now, and waits for what comes of it.
    ///
    /// # Errors
    /// The old configuration stays in force.
    pub async fn now(&self, trigger: Trigger) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.0.send(Ask { trigger, reply }).await.map_err(|_gone| ReloadError::Ending)?;
        answer.await.unwrap_or(Err(ReloadError::Ending))
    }
}

/// What reloads, and what it has to move.
#[derive(Debug)]
pub(crate) struct Reload {
    /// Where the configuration is.
    pub file: Option<PathBuf>,
    /// Every file as the last attempt found it.
    pub files: Files,
    /// What there is to serve with.
    pub machine: Machine,
    /// What is in force.
    pub published: Arc<Published>,
    /// Where it shows.
    pub metrics: Arc<Metrics>,
    /// Who is refused when, and what of that outlives a snapshot.
    pub rollouts: Arc<Control>,
    /// Who fails what.
    pub census: Arc<Census>,
    /// The ports.
    pub listening: Listening,
    /// Who looks after upstreams.
    pub control: mpsc::UnboundedSender<Care>,
    /// Logs that one client may fill only so fast.
    pub quotas: [Arc<RefusalLog>; 2],
    /// The log, where it is this process's.
    pub log: Option<Arc<Telemetry>>,
}

/// A next snapshot, or why there is none, and the files that say so.
struct Prepared {
    files: Files,
    built: Result<(Snapshot, Vec<Problem>), ReloadError>,
}

impl Reload {
    /// Reloads whenever somebody asks or the files have changed, until `draining`: nobody would
    /// accept at a port that is opened then. Those that are open stay so until `stop`.
    pub(crate) async fn run(
        mut self,
        asked: mpsc::Receiver<Ask>,
        draining: impl Future<Output = ()>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = self.serve(asked) => {}
            () = draining => {}
        }
        stop.await;
    }

    async fn serve(&mut self, mut asked: mpsc::Receiver<Ask>) {
        let mut waiting = None;
        let mut looked = Instant::now();
        loop {
            let next = looked + self.tick();
            tokio::select! {
                Some(Ask { trigger, reply }) = asked.recv() => {
                    waiting = None;
                    let prepared = self.prepare();
                    if reply.send(Box::pin(self.take(prepared, trigger)).await).is_err() {
                        tracing::debug!("whoever asked for a reload has gone");
                    }
                }
                () = sleep_until(next) => waiting = Box::pin(self.look(waiting.take())).await,
            }
            looked = Instant::now();
        }
    }

    /// How often files are looked at.
    fn tick(&self) -> Duration {
        let poll = self.published.snapshot().config.reload.poll;
        if poll.is_zero() || self.file.is_none() { NEVER } else { poll }
    }

    /// What waits for the next look: files that changed a moment ago may still be written.
    async fn look(&mut self, waiting: Option<Prepared>) -> Option<Prepared> {
        match waiting {
            None if self.files.are_unchanged() => None,
            Some(prepared) if prepared.files.are_unchanged() => {
                // Its outcome is in the log and the metrics.
                drop(Box::pin(self.take(prepared, Trigger::Change)).await);
                None
            }
            _ => Some(self.prepare()),
        }
    }

    /// Reads and builds everything; nothing is touched yet.
    fn prepare(&self) -> Prepared {
        let files = Files::default();
        let built = self.build(&files);
        Prepared { files, built }
    }

    fn build(&self, files: &Files) -> Result<(Snapshot, Vec<Problem>), ReloadError> {
        let before = self.published.snapshot();
        let config = config::load(self.file.as_ref().ok_or(ReloadError::NoFile)?, files)?;
        let late = needs_restart(&before.config, &config);
        let basis = Basis {
            generation: before.generation + 1,
            metrics: &self.metrics,
            machine: self.machine,
            files,
            rollouts: &self.rollouts,
            before: Some(&before),
        };
        let (snapshot, mut warnings) =
            Snapshot::build(config, &basis).map_err(ReloadError::Problems)?;
        let loosened = snapshot.rollouts.loosened(&snapshot.config, &before.rollouts);
        if !loosened.is_empty() {
            return Err(ReloadError::Problems(Problems(loosened)));
        }
        warnings.extend(late);
        Ok((snapshot, warnings))
    }

    /// Puts what was built in force, or says why it is not.
    async fn take(&mut self, prepared: Prepared, trigger: Trigger) -> Outcome {
        let started = Instant::now();
        systemd::reloading();
        // Whatever comes of it: the same files are not tried again by themselves.
        self.files = prepared.files;
        let outcome = match prepared.built {
            Ok((snapshot, warnings)) => self.enter(snapshot, warnings).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(reloaded) => said(reloaded, trigger, started.elapsed()),
            Err(error) => {
                self.metrics.reload_failed();
                let generation = self.published.generation();
                complained(error, trigger, generation);
            }
        }
        systemd::ready(match outcome {
            Ok(_) => "serves",
            Err(_) => "serves by an older configuration: the last reload failed, see the log",
        });
        outcome
    }

    async fn enter(&mut self, snapshot: Snapshot, warnings: Vec<Problem>) -> Outcome {
        let ports = self.listening.prepare(&snapshot.config.listen)?;
        let (generation, hash) = (snapshot.generation, snapshot.hash);
        let fleets = snapshot.upstreams.clone();
        let (first, looked_up) = std::sync::mpsc::channel();
        let dns = snapshot.config.dns.clone();
        self.care(Care::For { fleets: fleets.clone(), dns, first });
        if timeout(FIRST_NAMES, all(looked_up)).await.is_err() {
            tracing::warn!(event = "reload", "not every name of a server has been looked up yet");
        }
        self.set_log(&snapshot.config);
        let expiries: Vec<_> = snapshot.sites.expiries().collect();
        let (rollouts, census) = (Arc::clone(&snapshot.rollouts), Arc::clone(&snapshot.census));
        self.published.set(snapshot);
        self.rollouts.enter(&rollouts);
        self.census.adopt(&census).await;
        self.metrics.in_force((generation, hash.number()), expiries);
        self.listening.enter(ports);
        self.care(Care::Only(fleets));
        Ok(Reloaded { generation, hash, warnings })
    }

    fn care(&self, care: Care) {
        if self.control.send(care).is_err() {
            tracing::error!("nobody looks after upstreams any more");
        }
    }

    /// The level only if the file's changed: else one that was set by hand stays.
    fn set_log(&self, config: &Config) {
        let before = self.published.snapshot();
        if let Some(log) = &self.log
            && before.config.log.level != config.log.level
            && let Err(error) = log.set_level(&config.log.level)
        {
            tracing::error!(%error, "the log's level cannot be changed");
        }
        self.quotas.iter().for_each(|quota| quota.set(config.log.refused_per_minute));
    }
}

/// Until every name has been looked up once.
async fn all(looked_up: Receiver<Infallible>) {
    while looked_up.try_recv() != Err(TryRecvError::Disconnected) {
        sleep(LOOK).await;
    }
}

/// What of a change has no effect until the process is started anew.
fn needs_restart(before: &Config, after: &Config) -> Vec<Problem> {
    let keys = [
        ("listen.workers", before.listen.workers != after.listen.workers),
        ("log.format", before.log.format != after.log.format),
        ("traces", json!(before.traces) != json!(after.traces)),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed
        .map(|(key, _)| Problem::bare(key, "changed; this takes effect after a restart".into()))
        .collect()
}

fn said(reloaded: &Reloaded, trigger: Trigger, took: Duration) {
    let Reloaded { generation, hash, warnings } = reloaded;
    for warning in warnings {
        tracing::warn!(event = "config", "{warning}");
    }
    let (result, trigger, seconds) = ("success", trigger.as_str(), took.as_secs_f64());
    tracing::info!(event = "reload", result, trigger, generation, %hash, seconds);
}

fn complained(error: &ReloadError, trigger: Trigger, generation: Generation) {
    let problems = error.problems();
    for problem in &problems {
        tracing::error!(event = "config", "{problem}");
    }
    let (result, trigger, problems) = ("failure", trigger.as_str(), problems.len());
    tracing::error!(
        event = "reload",
        result,
        trigger,
        generation,
        problems,
        "the configuration in force stays"
    );
}

//! The end of a process, in its order: not ready, no more connections, none left, all threads gone.
//!
//! Called by `cli` on a signal and by tests. What it says in the log is what an operator looks for
//! after a roll-out: how many connections ended by themselves, and how many were cut.

use std::{thread::JoinHandle, time::Duration};

use tokio::time::{Instant, sleep};

use super::App;
use crate::drain::{Phase, Readiness};

/// How often a drain looks whether the last connection has ended.
const LOOK: Duration = Duration::from_millis(20);

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

impl App {
    /// Ends it: not ready, still accepting for `drain.delay`; then no more connections, and
    /// `drain.grace` for those that are left; where one had to be cut, the admin port says so for
    /// `drain.linger`. `hurry` ends it at once.
    pub async fn drain(mut self, hurry: impl Future<Output = ()>) -> Drained {
        let drain = self.published.snapshot().config.drain.clone();
        let mut hurry = std::pin::pin!(hurry);
        let started = Instant::now();
        tracing::info!(event = "drain", step = "not_ready", open = self.loads.total());
        self.progress.say(Readiness::Draining);
        self.progress.enter(Phase::Leave);
        let mut open = self.loads.total();
        let in_time = async {
            sleep(drain.delay).await;
            open = self.loads.total();
            tracing::info!(event = "drain", step = "closing", open);
            self.progress.enter(Phase::Drain);
            let empty = async {
                let None = self.taken.recv().await;
                while self.loads.total() > 0 {
                    sleep(LOOK).await;
                }
            };
            drop(tokio::time::timeout(drain.grace, empty).await);
        };
        let hurried = tokio::select! {
            () = in_time => false,
            () = &mut hurry => {
                tracing::info!(event = "drain", step = "hurried");
                true
            }
        };
        let drained = self.cut(open, started).await;
        if drained.cut > 0 && !hurried {
            // Else nobody would ever see the number: the counters end with the process.
            tokio::select! {
                () = sleep(drain.linger) => {}
                () = hurry => {}
            }
        }
        self.progress.enter(Phase::Gone);
        self.threads.admin.into_iter().for_each(join);
        drained
    }

    /// Ends everything but the admin port.
    async fn cut(&mut self, open: usize, started: Instant) -> Drained {
        let cut = self.loads.total();
        self.metrics.drain_cut(u64::try_from(cut).unwrap_or(u64::MAX));
        self.progress.enter(Phase::Cut);
        self.threads.serving.drain(..).for_each(join);
        // The workers have ended: nothing more will be noted.
        self.rollouts.finish();
        self.census.flush().await;
        let drained = Drained { ended: open.saturating_sub(cut), cut, took: started.elapsed() };
        let Drained { ended, cut, took } = drained;
        tracing::info!(event = "drain", step = "done", ended, cut, seconds = took.as_secs_f64());
        drained
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread ended by a panic");
    }
}

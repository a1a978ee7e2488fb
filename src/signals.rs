//! What the system says to the process: SIGTERM and SIGINT end it, a second one at once; SIGHUP
//! has it read its files again.
//!
//! Kubernetes and systemd send SIGTERM, a terminal SIGINT. Used by `cli`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The end; with the signal's name.
    End(&'static str),
    /// Another look at the files.
    Reload,
}

/// The signals that are listened to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these signals no longer kill the process.
    ///
    /// # Errors
    /// Where the system does not let us listen.
    pub(crate) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, hangup: signal(SignalKind::hangup())? })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.terminate.recv() => Said::End("SIGTERM"),
            _ = self.interrupt.recv() => Said::End("SIGINT"),
            _ = self.hangup.recv() => Said::Reload,
        }
    }

    /// Waits for the next one that asks for an end, and says its name. One that asks for a reload
    /// meanwhile is left for [`Self::next`]: the files may have changed after they were read.
    pub(crate) async fn end(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Said, Signals};

    #[tokio::test]
    async fn a_reload_that_is_asked_for_during_a_reload_is_not_lost() {
        let mut signals = Signals::listen().unwrap();
        let mut seen = signal(SignalKind::hangup()).unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        seen.recv().await.unwrap();
        tokio::select! {
            biased;
            name = signals.end() => panic!("{name}"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(signals.next().await, Said::Reload);
    }
}

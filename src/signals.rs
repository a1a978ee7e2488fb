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

    /// Waits for the next one that asks for an end, and says its name.
    pub(crate) async fn end(&mut self) -> &'static str {
        loop {
            if let Said::End(name) = self.next().await {
                return name;
            }
        }
    }
}

//! What the system says to the process: SIGTERM and SIGINT end it, a second one at once.
//!
//! Kubernetes and systemd send SIGTERM, a terminal SIGINT. Used by `cli`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals that ask for an end.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals no longer kill the process.
    ///
    /// # Errors
    /// Where the system does not let us listen.
    pub(crate) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next of them and says its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

//! What a service manager is told: ready, reading the files again, ending (sd_notify(3)).
//!
//! Called by `cli` and `reload`. Without `NOTIFY_SOCKET` nothing is said, as in a container; that
//! it cannot be said never ends anything.

use sd_notify::NotifyState;

/// It serves, by the configuration in force; `status` is what `systemctl status` says of it.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its files again; `ready` follows (`Type=notify-reload`).
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock for the service manager"),
    }
}

/// It drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

//! A panic is a bug of ours: it is logged with its place and counted, and ends one connection.
//!
//! Every connection is a task, and the runtime ends a task that panics without touching others.
//! Installed by `cli` once logs work.

use std::{
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicU64, Ordering},
};

/// A process has one panic hook, so its count is the process's too.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// From now on panics go to the log.
pub fn log() {
    panic::set_hook(Box::new(note));
}

/// Panics so far.
#[must_use]
pub fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

fn note(info: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let said = info.payload_as_str().unwrap_or("no text");
    tracing::error!(event = "panic", place, said, "a bug in tlsfloor; please report it");
}

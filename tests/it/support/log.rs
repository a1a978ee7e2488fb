//! What the proxies of this process log, as JSON lines of the same form as `tlsfloor run` writes.
//!
//! For tests that cannot run the real binary because they move its clock. All proxies of the
//! process write into one log; a reader takes what is its own by address or by time.

use std::{
    io,
    sync::{Mutex, OnceLock},
};

use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

static LINES: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// One reader of the log.
pub(crate) struct Log {
    read: usize,
}

impl Log {
    /// From now on; the first one has the process keep its lines.
    pub(crate) fn listen() -> Self {
        static SET: OnceLock<()> = OnceLock::new();
        SET.get_or_init(|| {
            let lines = tracing_subscriber::fmt().json().flatten_event(true);
            let lines = lines.with_current_span(false).with_span_list(false).with_target(false);
            let lines = lines.with_max_level(LevelFilter::INFO).with_writer(|| Sink);
            tracing::subscriber::set_global_default(lines.finish()).unwrap();
        });
        Self { read: LINES.lock().unwrap().len() }
    }

    /// What has come since the last time.
    pub(crate) fn take(&mut self) -> Vec<Value> {
        let lines = LINES.lock().unwrap();
        let new = lines[self.read..].to_vec();
        self.read = lines.len();
        new
    }
}

struct Sink;

impl io::Write for Sink {
    /// One line a call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().push(serde_json::from_slice(line)?);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

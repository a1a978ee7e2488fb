//! Where log lines go: one JSON object a line on standard output, or text for people.
//!
//! The only file that names tracing-subscriber. Lines are written by a thread of their own from a
//! bounded queue: a reader that stops reading costs lines, which are counted, never a worker.

use std::io::{IsTerminal, stdout};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::ParseError,
    fmt,
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use crate::{
    config::{Log, LogFormat},
    metrics,
};

/// Lines that may wait to be written.
const QUEUE: usize = 16 * 1024;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error(
        "expected \"error\", \"warn\", \"info\", \"debug\" or a filter such as \"info,tlsfloor=debug\""
    )]
    Level(#[source] ParseError),
    /// Logging can be set up once a process.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
    /// The level can no longer be changed.
    #[error("the log's level cannot be changed")]
    Reload(#[source] reload::Error),
}

/// The log of this process; what waits is written when it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    level: reload::Handle<EnvFilter, Registry>,
    _writer: WorkerGuard,
}

/// Starts logging.
///
/// # Errors
/// A level that cannot be understood, or a second call in one process.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE).finish(stdout());
    let (filter, level) = reload::Layer::new(filter(&log.level)?);
    let lost = writer.error_counter();
    let lines = lines(log.format, writer);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(TelemetryError::Twice)?;
    metrics::count_lost_lines_by(move || u64::try_from(lost.dropped_lines()).unwrap_or(u64::MAX));
    Ok(Telemetry { level, _writer: guard })
}

impl Telemetry {
    /// Changes the level while running.
    ///
    /// # Errors
    /// A level that cannot be understood.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        self.level.reload(filter(level)?).map_err(TelemetryError::Reload)
    }
}

/// Whether `level` is one.
///
/// # Errors
/// Where it is none.
pub fn check(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder().parse(level).map_err(TelemetryError::Level)
}

type Lines = Box<
    dyn Layer<tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>>
        + Send
        + Sync,
>;

fn lines(format: LogFormat, writer: NonBlocking) -> Lines {
    let layer = fmt::layer().with_writer(writer).with_target(false);
    match format {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => layer.with_ansi(stdout().is_terminal()).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn levels() {
        for good in ["info", "debug", "warn,tlsfloor=debug", "error"] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert!(check("tlsfloor=loud").is_err());
    }
}

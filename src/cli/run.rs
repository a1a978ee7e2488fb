//! `tlsfloor run`: load, start, serve until a signal, drain.

use std::path::Path;

use tokio::runtime::{Builder, Runtime};

use super::Failure;
use crate::{
    app::App,
    config::{self, Config},
    files::Files,
    panics,
    signals::Signals,
    telemetry,
};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = config::load(path, &Files::default())?;
    let has_secret = config.tls.ticket_secret.is_some();
    serve(config, |app| {
        let addresses = app.addresses();
        tracing::info!(
            event = "start",
            version = env!("CARGO_PKG_VERSION"),
            https = ?addresses.https,
            http = ?addresses.http,
            admin = %addresses.admin,
        );
        if !has_secret {
            let text = "no tls.ticket_secret: sessions resume on this replica only";
            tracing::info!(event = "config", "{text}");
        }
        Ok(())
    })
}

/// Serves by `config`; `started` runs once it does.
pub(super) fn serve(
    config: Config,
    started: impl FnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        // Before anything listens: a signal in between must not kill the process.
        let mut signals = Signals::listen().map_err(Failure::Runtime)?;
        // Flushes what is left to write when it goes.
        let _telemetry = telemetry::init(&config.log)?;
        panics::log();
        let app = App::start(config)?;
        for warning in app.warnings() {
            tracing::warn!(event = "config", "{warning}");
        }
        started(&app)?;
        let signal = signals.next().await;
        tracing::info!(event = "drain", step = "signal", signal);
        let hurry = async {
            signals.next().await;
        };
        app.drain(hurry).await;
        Ok(())
    })
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)
}

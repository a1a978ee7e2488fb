//! `tlsfloor run`: load, start, serve until a signal, drain.

use std::{path::Path, sync::Arc};

use super::{Failure, runtime};
use crate::{
    app::{App, Surroundings},
    config::{self, Config},
    files::Files,
    panics,
    reload::{Reloads, Trigger},
    signals::{Said, Signals},
    sockets::Inherited,
    systemd, telemetry,
};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let files = Files::default();
    let config = config::load(path, &files)?;
    let has_secret = config.tls.ticket_secret.is_some();
    let surroundings =
        Surroundings { file: Some(path.to_owned()), files, ..Surroundings::default() };
    serve(config, surroundings, |app| {
        let addresses = app.addresses();
        tracing::info!(
            event = "start",
            version = env!("CARGO_PKG_VERSION"),
            https = ?addresses.https,
            http = ?addresses.http,
            admin = %addresses.admin,
            workers = app.workers(),
            connections = app.capacity().connections,
            memory = app.capacity().memory,
            hash = %app.config_hash(),
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
    surroundings: Surroundings,
    started: impl FnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        // Before anything listens: a signal in between must not kill the process.
        let mut signals = Signals::listen().map_err(Failure::Runtime)?;
        // What is left to write is written when the last one that has it lets go.
        let log = Arc::new(telemetry::init(&config.log)?);
        panics::log();
        let inherited = Inherited::take();
        let app = App::start(
            config,
            Surroundings { log: Some(Arc::clone(&log)), inherited, ..surroundings },
        )?;
        for warning in app.warnings() {
            tracing::warn!(event = "config", "{warning}");
        }
        started(&app)?;
        systemd::ready("serves");
        let signal = until_end(&mut signals, &app.reloads()).await;
        tracing::info!(event = "drain", step = "signal", signal);
        systemd::stopping();
        let hurry = async {
            signals.end().await;
        };
        app.drain(hurry).await;
        drop(log);
        Ok(())
    })
}

/// Reloads as often as it is asked for; gives the name of the signal that ends it.
async fn until_end(signals: &mut Signals, reloads: &Reloads) -> &'static str {
    loop {
        match signals.next().await {
            Said::End(name) => return name,
            // How it came out is in the log.
            Said::Reload => tokio::select! {
                outcome = reloads.now(Trigger::Signal) => drop(outcome),
                name = signals.end() => return name,
            },
        }
    }
}

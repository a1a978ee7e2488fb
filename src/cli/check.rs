//! `tlsfloor check`: everything that `run` does before it listens, and nothing else.
//!
//! Every problem goes to standard error at once; what is only doubtful is a warning and no
//! failure. It must never bind a port nor write a file.

use std::path::Path;

use super::{Failure, print};
use crate::{
    app::StartError,
    config,
    files::Files,
    machine::Machine,
    metrics::Metrics,
    rollout::{Control, calendar},
    snapshot::{Basis, Snapshot},
};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let files = Files::default();
    let config = config::load(path, &files)?;
    let metrics = Metrics::new(1);
    let control = Control::new(&metrics);
    let basis = Basis {
        generation: 1,
        metrics: &metrics,
        files: &files,
        machine: Machine::ask(),
        rollouts: &control,
        before: None,
    };
    let (snapshot, warnings) = Snapshot::build(config, &basis).map_err(StartError::Problems)?;
    for warning in warnings {
        print(&format!("warning: {warning}"))?;
    }
    for line in calendar::lines(&snapshot.rollouts, snapshot.rollouts.clock.wall()) {
        print(&line)?;
    }
    let config = &snapshot.config;
    print(&format!(
        "{}: good; minimum TLS {}, {} upstreams, {} routes",
        path.display(),
        config.tls.minimum,
        config.upstreams.len(),
        config.routes.len(),
    ))
}

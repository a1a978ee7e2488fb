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
    snapshot::{Basis, Snapshot},
};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let files = Files::default();
    let config = config::load(path, &files)?;
    let metrics = Metrics::new(1);
    let built = Snapshot::build(
        config,
        &Basis {
            generation: 1,
            metrics: &metrics,
            files: &files,
            machine: Machine::ask(),
            before: None,
        },
    );
    let (snapshot, warnings) = built.map_err(StartError::Problems)?;
    for warning in warnings {
        print(&format!("warning: {warning}"))?;
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

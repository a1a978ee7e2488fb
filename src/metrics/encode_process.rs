//! The part of the metrics that is about the process: which build, by which configuration, at what
//! cost to its machine.
//!
//! Called by `encode`; names and labels here are a contract as there.

use std::{fmt, sync::atomic::Ordering};

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    Metrics,
    encode::{counter, gauge},
    lost,
};
use crate::{config::HAS_TRACES, panics, process::Process};

pub(super) fn configuration(to: &mut DescriptorEncoder<'_>, metrics: &Metrics) -> fmt::Result {
    let generation = metrics.generation.load(Ordering::Relaxed);
    let help = "Configuration in force, counted from 1";
    gauge(to, ("tlsfloor_config_generation", help), generation)?;
    let help = "The configuration in force and all files that it names, as a number: equal on replicas that have the same";
    let hash = metrics.hash.load(Ordering::Relaxed);
    gauge(to, ("tlsfloor_config_hash", help), hash)?;
    let help = "Whether the last load of the configuration succeeded";
    let success = u64::from(!metrics.stale.load(Ordering::Relaxed));
    gauge(to, ("tlsfloor_config_last_reload_success", help), success)?;
    let help = "Loads of the configuration by how they came out, the first among them";
    let mut family =
        to.encode_descriptor("tlsfloor_config_loads", help, None, MetricType::Counter)?;
    for (result, count) in ["failure", "success"].into_iter().zip(&metrics.reloads) {
        let count = count.load(Ordering::Relaxed);
        family
            .encode_family(&[("result", result)])?
            .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
    }
    let loaded = metrics.loaded.load(Ordering::Relaxed);
    let help = "When a configuration was last loaded";
    let name = "tlsfloor_config_last_reload_success_timestamp_seconds";
    gauge(to, (name, help), loaded)?;
    let help = "When a certificate expires";
    let name = "tlsfloor_certificate_expiry_timestamp_seconds";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (certificate, expiry) in &metrics.families().certificates {
        family.encode_family(&[("name", certificate.as_str())])?.encode_gauge(expiry)?;
    }
    Ok(())
}

pub(super) fn process(to: &mut DescriptorEncoder<'_>, metrics: &Metrics) -> fmt::Result {
    let workers = u64::try_from(metrics.workers.len()).unwrap_or(0);
    gauge(to, ("tlsfloor_workers", "Worker threads"), workers)?;
    let help = "Bugs that ended a connection; please report them";
    counter(to, ("tlsfloor_panics", help), panics::count())?;
    let help = "Connections that did not end in the time a drain gives them";
    counter(to, ("tlsfloor_drain_cut", help), metrics.cut.load(Ordering::Relaxed))?;
    let help = "Log lines that found the queue full because nobody read them";
    counter(to, ("tlsfloor_log_lines_dropped", help), lost::lines())?;
    let help = "Spans that never reached the collector: the queue was full, or it took none";
    counter(to, ("tlsfloor_trace_spans_dropped", help), metrics.lost_spans.value())?;
    system(to, metrics.started)?;
    build(to)
}

/// What the system says of the process; what it does not say is left out.
fn system(to: &mut DescriptorEncoder<'_>, started: Option<f64>) -> fmt::Result {
    let process = Process::read();
    let gauges = [
        ("resident_memory_bytes", "Memory that the process has in use", process.resident),
        ("open_fds", "Open file descriptors", process.open_fds),
        ("max_fds", "Most file descriptors that may be open", process.max_fds),
        ("threads", "Threads of the process", process.threads),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            gauge(to, (&format!("tlsfloor_process_{name}"), help), value)?;
        }
    }
    if let Some(cpu) = process.cpu {
        let help = "User and system time that the process has taken";
        counter(to, ("tlsfloor_process_cpu_seconds", help), cpu)?;
    }
    if let Some(started) = started {
        let help = "When the process started";
        gauge(to, ("tlsfloor_process_start_time_seconds", help), started)?;
    }
    Ok(())
}

/// Always 1; the labels tell builds apart.
fn build(to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Which build this is";
    let mut family = to.encode_descriptor("tlsfloor_build_info", help, None, MetricType::Gauge)?;
    let features = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
    let features = features.collect::<Vec<_>>().join(",");
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("rustls", locked(LOCK, "rustls").unwrap_or("unknown")),
        ("features", features.as_str()),
    ];
    family.encode_family(&labels)?.encode_gauge(&1u64)
}

/// The features that change what a build does.
const FEATURES: [(&str, bool); 2] =
    [("jemalloc", cfg!(feature = "jemalloc")), ("otlp", HAS_TRACES)];

/// Cargo writes down what it builds with, and builds with what is written there.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a crate in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("\nname = \"{name}\"\nversion = \"");
    let (_, behind) = lock.split_once(&start)?;
    behind.split_once('"').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::{LOCK, locked};

    #[test]
    fn a_locked_version_is_found_by_its_whole_name() {
        let lock = "[[package]]\nname = \"rustls-pki\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"rustls\"\nversion = \"0.23.1\"\n";
        assert_eq!(locked(lock, "rustls"), Some("0.23.1"));
        assert_eq!(locked(lock, "ring"), None);
        assert!(locked(LOCK, "rustls").unwrap().starts_with("0.23."));
    }
}

//! The command line: one file a subcommand.
//!
//! Called by `main`. Exit codes are a contract: 0 it holds or ended as asked, 1 it does not hold
//! or could not start, 2 wrong usage. It is the one place that prints.

mod check;
mod demo;
mod notice;
mod ready;
mod report;
mod run;
mod sample_api;
mod schema;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

const EXAMPLES: &str = "\
Examples:
  tlsfloor demo                                try it on this machine, no files needed
  tlsfloor check -c /etc/tlsfloor/tlsfloor.toml   every problem of a configuration, before it runs
  tlsfloor run -c /etc/tlsfloor/tlsfloor.toml     serve
  kubectl logs --tail=-1 -l app.kubernetes.io/name=tlsfloor | tlsfloor report   who is below the floor
  tlsfloor notice -c /etc/tlsfloor/tlsfloor.toml  what customers are told about the end of old TLS

Exit codes: 0 it holds or ended as asked, 1 it does not hold or could not start, 2 wrong usage.";

/// The TLS-terminating reverse proxy that holds a minimum TLS version.
///
/// It serves TLS 1.2 and 1.3, tells every older client why it is refused, redirects plain HTTP,
/// and forwards the rest to your API servers.
#[derive(Debug, Parser)]
#[command(name = "tlsfloor", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve by a configuration until SIGTERM
    Run(File),
    /// Print every problem of a configuration and its certificates, without listening
    Check(File),
    /// Serve on 127.0.0.1:8443 (HTTPS) and :8080 (HTTP) with a built-in certificate and sample API
    Demo,
    /// Say who is below the floor, from event logs
    Report(report::Arguments),
    /// Write what customers are told: the announcement, its calendar, or one customer's notice
    Notice(notice::Arguments),
    /// Say whether a running proxy is ready: for health checks of containers
    Ready(ready::Arguments),
    /// Print the JSON Schema of the configuration
    Schema,
}

#[derive(Args, Debug)]
struct File {
    /// The configuration
    #[arg(
        short,
        long = "config",
        value_name = "FILE",
        env = "TLSFLOOR_CONFIG",
        default_value = "/etc/tlsfloor/tlsfloor.toml"
    )]
    config: PathBuf,
}

/// Runs the command that the process was given.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let done = match arguments.command {
        Command::Run(File { config }) => run::run(&config),
        Command::Check(File { config }) => check::run(&config),
        Command::Demo => demo::run(),
        Command::Report(arguments) => report::run(&arguments),
        Command::Notice(arguments) => notice::run(&arguments),
        Command::Ready(arguments) => ready::run(&arguments),
        Command::Schema => schema::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// `--help` and `--version` come this way too; they are no failure.
fn usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Ok(()) => u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(_closed) => ExitCode::FAILURE,
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Start(#[from] crate::app::StartError),
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    #[error("cannot make the demo's certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    #[error(transparent)]
    Notice(#[from] crate::announce::NoticeError),
    #[error(transparent)]
    NotReady(#[from] ready::NotReady),
    #[error("{}: cannot be written", .file.display())]
    OutputFile {
        file: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Prints a failure and its causes, one line unless it is a list of problems.
fn complain(failure: &Failure) {
    let mut text = format!("tlsfloor: {failure}");
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    // There is nowhere left to say that standard error is closed.
    let _closed = writeln!(io::stderr(), "{text}").is_err();
}

/// For a command that waits for the network and for signals.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)
}

/// Prints to standard output; a reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

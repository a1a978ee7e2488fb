//! `tlsfloor notice`: options, and where the notice goes.
//!
//! What it says is in `announce`. A damaged line of a log is named on standard error and no
//! failure, as in `report`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::{Failure, report};
use crate::{
    announce::{Format, Personal, announce},
    config,
    files::Files,
    network::Network,
};

const EXAMPLES: &str = "\
Examples:
  tlsfloor notice -c tlsfloor.toml > notice.md
  tlsfloor notice -c tlsfloor.toml --format html --output notice.html
  tlsfloor notice -c tlsfloor.toml --format ics --output dates.ics
  tlsfloor notice -c tlsfloor.toml --client 203.0.113.0/24 logs/*.json.gz

Only the configuration file is read: no certificate, no key, no file that it names.
Exit codes: 0 a notice, 1 nothing to tell or a file that cannot be read, 2 wrong usage.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: super::File,
    /// The form; a calendar (ics) is the same for all customers
    #[arg(long, value_enum, default_value = "markdown")]
    format: FormatWord,
    /// The notice of one customer, by address or network, from event logs
    #[arg(long, value_name = "NETWORK", value_parser = Network::parse)]
    client: Option<Network>,
    /// Event logs for --client, gzip or not; none or -: standard input
    #[arg(value_name = "LOG", requires = "client")]
    logs: Vec<PathBuf>,
    /// Write there instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The language
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatWord {
    Markdown,
    Html,
    Ics,
}

/// One so far.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    En,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Language::En = arguments.lang;
    let format = match arguments.format {
        FormatWord::Markdown => Format::Markdown,
        FormatWord::Html => Format::Html,
        FormatWord::Ics => Format::Ics,
    };
    let config = config::load(&arguments.file.config, &Files::default())?;
    let logs = || report::inputs(&arguments.logs);
    let personal = arguments.client.map(|network| Personal { network, logs: logs() });
    let mut text = Vec::new();
    let done = announce(&config, personal.as_ref(), format, &mut text, &mut |_progress| {});
    let outcome = done?;
    write(arguments.output.as_ref(), &text)?;
    report::tell(outcome)
}

/// Only a whole notice is written, so that a failure leaves an older file as it was.
fn write(output: Option<&PathBuf>, text: &[u8]) -> Result<(), Failure> {
    let Some(path) = output else {
        let mut out = io::stdout().lock();
        return match out.write_all(text).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            _ => Ok(()),
        };
    };
    let open = |cause| Failure::OutputFile { file: path.clone(), cause };
    let mut out = BufWriter::new(File::create(path).map_err(open)?);
    out.write_all(text).and_then(|()| out.flush()).map_err(open)
}

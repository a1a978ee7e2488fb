//! `tlsfloor report`: options, where the report goes, and how far reading has come.
//!
//! What a report says is in `report`. A damaged line is named on standard error and no failure; an
//! input that could not be read to its end is one, after the report of all the others.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::Failure;
use crate::report::{
    By, Damaged, FLOOR, Format, Input, Options, Outcome, Progress, ReportError, report,
};

const EXAMPLES: &str = "\
Examples:
  tlsfloor report /var/log/tlsfloor/*.json.gz
  kubectl logs -l app.kubernetes.io/name=tlsfloor --prefix --tail=-1 | tlsfloor report
  tlsfloor report --by network --names customers.csv --format csv logs.json > below.csv
  tlsfloor report --format html --output report.html logs.json
  tlsfloor report --evidence --format markdown logs.json

Exit codes: 0 a report, 1 a file that cannot be read or nothing to report, 2 wrong usage.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Event logs of any number of replicas, gzip or not; none or -: standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The form of the report
    #[arg(long, value_enum, default_value = "text")]
    format: FormatWord,
    /// What clients are grouped by (network: /24 and /48)
    #[arg(long, value_enum, default_value = "client")]
    by: ByWord,
    /// CSV file of customers: network_or_client,name,contact
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// The inventory of protocols and cipher suites in use (PCI DSS 12.3.3) instead
    #[arg(long)]
    evidence: bool,
    /// Write there instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Lines of a list [default: all in json and csv, else 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// The policy that is asked about
    #[arg(long, value_name = "NAME", default_value = FLOOR)]
    policy: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatWord {
    Text,
    Json,
    Csv,
    Markdown,
    Html,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ByWord {
    Client,
    Sni,
    Stack,
    Network,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            format: match self.format {
                FormatWord::Text => Format::Text,
                FormatWord::Json => Format::Json,
                FormatWord::Csv => Format::Csv,
                FormatWord::Markdown => Format::Markdown,
                FormatWord::Html => Format::Html,
            },
            by: match self.by {
                ByWord::Client => By::Client,
                ByWord::Sni => By::Sni,
                ByWord::Stack => By::Stack,
                ByWord::Network => By::Network,
            },
            names: self.names.clone(),
            evidence: self.evidence,
            top: self.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX)),
            policy: self.policy.clone(),
        }
    }
}

/// Event logs as the command line names them.
pub(super) fn inputs(files: &[PathBuf]) -> Vec<Input> {
    let input = |file: &PathBuf| match file.as_os_str() == "-" {
        true => Input::Stdin,
        false => Input::File(file.clone()),
    };
    let named: Vec<_> = files.iter().map(input).collect();
    if named.is_empty() { vec![Input::Stdin] } else { named }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (inputs, options) = (inputs(&arguments.files), arguments.options());
    if inputs.contains(&Input::Stdin) && io::stdin().is_terminal() {
        say("tlsfloor: reading standard input; --help says what else there is\n");
    }
    let mut bar = Bar::new();
    let done = match &arguments.output {
        None => report(&inputs, &options, &mut io::stdout().lock(), &mut |now| bar.show(now)),
        Some(path) => {
            let open = |cause| Failure::OutputFile { file: path.clone(), cause };
            let mut out = BufWriter::new(File::create(path).map_err(open)?);
            report(&inputs, &options, &mut out, &mut |now| bar.show(now))
        }
    };
    bar.clear();
    match done {
        Err(error) if error.is_broken_pipe() => Ok(()),
        done => tell(done?),
    }
}

/// What could not be read, on standard error; an input that could not is a failure.
pub(super) fn tell(outcome: Outcome) -> Result<(), Failure> {
    warn(&outcome.damaged);
    let mut unreadable = outcome.unreadable.into_iter();
    let Some(first) = unreadable.next() else {
        return Ok(());
    };
    // The first is what the command fails by.
    unreadable.for_each(|one| super::complain(&ReportError::from(one).into()));
    Err(ReportError::from(first).into())
}

fn warn(damaged: &Damaged) {
    for line in &damaged.first {
        say(&format!("tlsfloor: {}:{}: {}\n", line.file, line.line, line.what));
    }
    if damaged.count > 0 {
        say(&format!("tlsfloor: {} damaged lines left out\n", damaged.count));
    }
}

/// A line about how far reading has come, on a terminal.
struct Bar {
    shown: bool,
    terminal: bool,
    next: Instant,
    begun: Instant,
}

impl Bar {
    const PACE: Duration = Duration::from_millis(200);
    const WIDTH: u64 = 30;

    fn new() -> Self {
        let now = Instant::now();
        let terminal = io::stderr().is_terminal();
        Self { shown: false, terminal, next: now + Self::PACE, begun: now }
    }

    fn show(&mut self, now: Progress) {
        if !self.terminal || Instant::now() < self.next {
            return;
        }
        (self.shown, self.next) = (true, Instant::now() + Self::PACE);
        say(&format!("\r\x1b[K{}", text(now, self.begun.elapsed())));
    }

    fn clear(&self) {
        if self.shown {
            say("\r\x1b[K");
        }
    }
}

/// `[#########                     ]  30 %  4096 lines  12 MB/s`
fn text(now: Progress, elapsed: Duration) -> String {
    let speed = u128::from(now.read) / 1000 / elapsed.as_millis().max(1);
    let lines = now.lines;
    let Some(all) = now.all.filter(|all| *all > 0) else {
        return format!("{} MB  {lines} lines  {speed} MB/s", now.read / 1_000_000);
    };
    let part = |of: u64| u128::from(now.read.min(all)) * u128::from(of) / u128::from(all);
    let length = usize::try_from(part(Bar::WIDTH)).unwrap_or(0);
    let width = usize::try_from(Bar::WIDTH).unwrap_or(0);
    format!("[{:<width$}] {:>3} %  {lines} lines  {speed} MB/s", "#".repeat(length), part(100))
}

/// To standard error, as it is.
fn say(text: &str) {
    let mut err = io::stderr().lock();
    // There is nowhere left to say that standard error is closed.
    let _closed = err.write_all(text.as_bytes()).and_then(|()| err.flush()).is_err();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::text;
    use crate::report::Progress;

    #[test]
    fn the_bar() {
        let at = |read, all| Progress { read, all, lines: 7 };
        let second = Duration::from_secs(1);
        assert_eq!(
            text(at(50_000_000, Some(100_000_000)), second),
            format!("[{}{}]  50 %  7 lines  50 MB/s", "#".repeat(15), " ".repeat(15))
        );
        assert_eq!(text(at(9_000_000, None), Duration::ZERO), "9 MB  7 lines  9000 MB/s");
        assert!(text(at(9, Some(3)), second).contains("100 %"));
    }
}

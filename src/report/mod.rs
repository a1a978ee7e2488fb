//! `tlsfloor report`: what the event logs of a fleet say about who is below the floor.
//!
//! A pure function of rows, called by `cli`. Rows go in one by one and nothing of them is kept but
//! sums of bounded size, so a log may be of any length. A damaged line is counted and named and
//! never ends it.
//!
//! ```text
//! reading (source, row) -> tally (table, record, series, inventory, stages, exemptions, programs)
//!   -> who, answer, evidence -> pages -> text | markdown | html;  sheet (CSV);  JSON
//! ```

mod answer;
mod evidence;
mod exemptions;
mod headline;
mod inventory;
mod moment;
mod names;
mod pages;
mod programs;
mod reading;
mod record;
mod row;
mod series;
mod sheet;
mod source;
mod stages;
mod table;
mod tally;
mod who;
mod words;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde::Serialize;

use crate::document::{Document, html, markdown, text};

pub use names::NamesError;
pub use reading::{Damaged, DamagedLine, Progress, Unreadable};
pub use source::Input;

pub(crate) use moment::Moment;
pub(crate) use reading::{Reading, Rows};
pub(crate) use row::{Census, Lane, Row, text as field};

use answer::Answer;
use evidence::Evidence;
use names::Names;
use tally::Tally;
use who::{Groups, Who};

/// The policy that everybody has.
pub const FLOOR: &str = "floor";

/// Lines of a list for people, where none is asked for.
const TOP: usize = 20;

/// What clients are grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Not at all.
    #[default]
    Client,
    /// The host name that they ask for.
    Sni,
    /// What they look like.
    Stack,
    /// Their /24 or /48.
    Network,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// 100 columns.
    #[default]
    Text,
    /// Every figure.
    Json,
    /// One line for each who fails.
    Csv,
    /// For tickets.
    Markdown,
    /// One page with plots.
    Html,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form.
    pub format: Format,
    /// What clients are grouped by.
    pub by: By,
    /// A CSV file with customers' names.
    pub names: Option<PathBuf>,
    /// The inventory of protocols and suites in place of who fails.
    pub evidence: bool,
    /// Lines of a list; without it all in JSON and CSV, 20 elsewhere.
    pub top: Option<usize>,
    /// The policy that is asked about.
    pub policy: String,
}

/// What was read, beside the report itself.
#[derive(Debug)]
pub struct Outcome {
    /// Lines that were left out.
    pub damaged: Damaged,
    /// Inputs that could not be read, or not to their end.
    pub unreadable: Vec<Unreadable>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file of names is wrong.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// No line is a row.
    #[error(
        "no census or totals rows in {lines} lines, {damaged} of them damaged; the log of `tlsfloor run` with log.format = \"json\" has them"
    )]
    Nothing {
        /// Lines that were read.
        lines: u64,
        /// Of them damaged.
        damaged: u64,
    },
    /// No input could be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The report could not be written.
    #[error("cannot write the report")]
    Write(#[source] io::Error),
}

impl ReportError {
    /// Whether its reader has gone away (`| head`), which is no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Reads all inputs and writes the report to `out`.
///
/// # Errors
/// There is nothing to report, the names are wrong, or `out` cannot be written to. An input that
/// cannot be read is an error only if no other one has rows.
pub fn report(
    inputs: &[Input],
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, ReportError> {
    let names = options.names.as_deref().map(Names::load).transpose()?.unwrap_or_default();
    let mut reading = Reading::new(Tally::new(&options.policy, options.by), inputs, progress);
    for input in inputs {
        reading.input(input);
    }
    let Reading { rows: tally, damaged, mut unreadable, lines, .. } = reading;
    if tally.rows == 0 {
        return Err(match unreadable.pop() {
            Some(first) if unreadable.is_empty() => first.into(),
            _ => ReportError::Nothing { lines, damaged: damaged.count },
        });
    }
    write(tally, options, &names, &damaged, out).map_err(ReportError::Write)?;
    out.flush().map_err(ReportError::Write)?;
    Ok(Outcome { damaged, unreadable })
}

fn write(
    mut tally: Tally,
    options: &Options,
    names: &Names,
    damaged: &Damaged,
    out: &mut dyn Write,
) -> io::Result<()> {
    tally.find_middleboxes();
    if options.evidence {
        return write_evidence(&tally, options.format, out);
    }
    let exemptions = std::mem::take(&mut tally.exemptions).all();
    let groups = Groups::of(&mut tally, options.by);
    let mut who = Who::new(&tally, &groups, names, options.by);
    who.limit(options.top);
    let top = options.top.unwrap_or(TOP);
    let answer = Answer::of(&options.policy, &tally, exemptions, who, options.by, damaged, top);
    match options.format {
        Format::Json => write_json(&answer, out),
        Format::Csv => sheet::write_who(&answer, out),
        other => write_document(&pages::pages(&answer, top), other, out),
    }
}

fn write_evidence(tally: &Tally, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let (from, to) = tally.series.all().unwrap_or_default();
    let connections = tally.inventory.sums().map_or(0, |(all, _)| all);
    let evidence = Evidence { from, to, connections, in_use: tally.inventory.in_use() };
    match format {
        Format::Json => write_json(&evidence, out),
        Format::Csv => sheet::write_in_use(connections, &evidence.in_use, out),
        other => write_document(&evidence.pages(), other, out),
    }
}

fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

fn write_document(document: &Document, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Html => html::write(document, out),
        Format::Markdown => markdown::write(document, out),
        Format::Text | Format::Json | Format::Csv => text::write(document, out),
    }
}

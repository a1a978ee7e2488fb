//! The report as CSV (RFC 4180), for spreadsheets and mail merges.
//!
//! One line for each who fails, and the sum of the others, so that the column adds up. A cell that
//! a spreadsheet would take for a formula begins with a quote.

use std::io::{self, Write};

use super::{answer::Answer, inventory::InUse, who::Line};
use crate::document::figures;

/// What everyone who fails has.
const WHO: [&str; 17] = [
    "who",
    "name",
    "contact",
    "clients",
    "connections",
    "share",
    "refused",
    "legacy",
    "first_seen",
    "last_seen",
    "offered",
    "reasons",
    "sni",
    "ja4",
    "stack",
    "looks_like",
    "remedy",
];

const IN_USE: [&str; 9] = [
    "lane",
    "verdict",
    "offered",
    "protocol",
    "cipher_suite",
    "connections",
    "share",
    "first_seen",
    "last_seen",
];

/// Writes who fails.
pub(super) fn write_who(answer: &Answer<'_>, out: &mut dyn Write) -> io::Result<()> {
    write(WHO, answer.who.lines().map(|line| cells(&line)), out)
}

/// Writes which protocols and suites are in use.
pub(super) fn write_in_use(all: u64, in_use: &[InUse<'_>], out: &mut dyn Write) -> io::Result<()> {
    write(IN_USE, in_use.iter().map(|used| protocol(all, used)), out)
}

fn write<const N: usize>(
    titles: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut sheet = csv::Writer::from_writer(out);
    sheet.write_record(titles).map_err(cause)?;
    for row in rows {
        sheet.write_record(row.iter().map(|cell| safe(cell))).map_err(cause)?;
    }
    sheet.flush()
}

/// Writing fails by what is written to, and by nothing else.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => cause,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn cells(line: &Line<'_>) -> [String; 17] {
    [
        line.key.to_owned(),
        line.name.to_owned(),
        line.contact.to_owned(),
        line.clients.to_string(),
        line.connections.to_string(),
        line.share.to_string(),
        line.refused.to_string(),
        line.legacy.to_string(),
        line.first_seen.to_string(),
        line.last_seen.to_string(),
        line.offered.clone(),
        line.reasons.clone(),
        line.sni.clone(),
        line.ja4.clone(),
        line.stack.clone(),
        line.looks.clone(),
        line.remedy.to_owned(),
    ]
}

fn protocol(all: u64, used: &InUse<'_>) -> [String; 9] {
    [
        used.lane.to_owned(),
        used.verdict.to_owned(),
        used.offered.to_owned(),
        used.version.to_owned(),
        used.cipher.to_owned(),
        used.connections.to_string(),
        figures::share(used.connections, all).to_string(),
        used.first.to_string(),
        used.last.to_string(),
    ]
}

/// A cell that no spreadsheet computes: formulas begin with one of these.
fn safe(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(safe(formula), format!("'{formula}"));
        }
        assert_eq!(safe("Müller, \"M\""), "Müller, \"M\"");
    }
}

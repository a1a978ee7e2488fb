//! `tlsfloor notice`: what customers are told about the end of old TLS and plain HTTP.
//!
//! Called by `cli` with a configuration as meant; it reads no certificate and no clock, so it works
//! on a laptop and gives the same text each time. For one customer it reads event logs by the
//! reader of `report`.
//!
//! ```text
//! calendar -> pages (commands) -> Markdown | HTML;  ics
//! logs -> personal
//! ```

mod calendar;
mod commands;
mod ics;
mod pages;
mod personal;

use std::io::{self, Write};

use crate::{
    config::Config,
    document::{html, markdown},
    network::Network,
    report::{Damaged, Input, Outcome, Progress, Reading, Unreadable},
};

use pages::Subject;
use personal::Customer;

/// The form of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For mails, tickets and wikis.
    Markdown,
    /// One page.
    Html,
    /// RFC 5545
    Ics,
}

/// One customer, and where to read of it.
#[derive(Clone, Debug)]
pub struct Personal {
    /// Its addresses.
    pub network: Network,
    /// Event logs.
    pub logs: Vec<Input>,
}

/// Why there is no notice.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// A calendar needs a date.
    #[error(
        "no calendar: the configuration has no brownout, ramp or cut; set them in [rollout] (with \
         rollout.legacy) or [plain_http.rollout]"
    )]
    NoDates,
    /// Nothing in the logs is about the customer.
    #[error(
        "no census rows of {network} that fail the floor in {lines} lines, {damaged} of them \
         damaged; the log of `tlsfloor run` with log.format = \"json\" has them"
    )]
    NotSeen {
        /// Whose.
        network: Network,
        /// Lines that were read.
        lines: u64,
        /// Of them damaged.
        damaged: u64,
    },
    /// No log could be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It could not be written.
    #[error("cannot write the notice")]
    Write(#[source] io::Error),
}

/// Writes the notice; a calendar is the same for all customers.
///
/// # Errors
/// There is nothing to tell, or `out` cannot be written to. A log that cannot be read is an error
/// only if no other one has rows.
pub fn announce(
    config: &Config,
    personal: Option<&Personal>,
    format: Format,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, NoticeError> {
    let subject = Subject::new(config);
    let nothing = Outcome { damaged: Damaged::default(), unreadable: Vec::new() };
    let (document, outcome) = match personal {
        _ if format == Format::Ics => {
            calendar(&subject, out)?;
            return Ok(nothing);
        }
        None => (subject.document(), nothing),
        Some(personal) => {
            let (customer, outcome) = customer(personal, config, progress)?;
            (customer.document(&subject), outcome)
        }
    };
    let written = match format {
        Format::Html => html::write(&document, out),
        Format::Markdown | Format::Ics => markdown::write(&document, out),
    };
    written.and_then(|()| out.flush()).map_err(NoticeError::Write)?;
    Ok(outcome)
}

fn customer<'a>(
    personal: &Personal,
    config: &'a Config,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Customer<'a>, Outcome), NoticeError> {
    let Personal { network, logs } = personal;
    let mut reading = Reading::new(Customer::new(*network, config), logs, progress);
    logs.iter().for_each(|input| reading.input(input));
    let Reading { rows: customer, damaged, mut unreadable, lines, .. } = reading;
    if customer.is_known() {
        return Ok((customer, Outcome { damaged, unreadable }));
    }
    Err(match unreadable.pop() {
        Some(one) if unreadable.is_empty() => one.into(),
        _ => NoticeError::NotSeen { network: *network, lines, damaged: damaged.count },
    })
}

fn calendar(subject: &Subject<'_>, out: &mut dyn Write) -> Result<(), NoticeError> {
    if subject.entries.is_empty() {
        return Err(NoticeError::NoDates);
    }
    let test = subject.config.self_test.as_ref();
    let text = match test {
        Some(test) => {
            let authority = subject.authority(test.host.as_str());
            format!("Test your client at https://{authority}/")
        }
        None => "Test your clients before.".to_owned(),
    };
    let host =
        test.map(|test| test.host.to_string()).or_else(|| subject.hosts().into_iter().next());
    let domain = host.unwrap_or_else(|| "tlsfloor".to_owned());
    let domain = domain.trim_start_matches("*.");
    let (url, tls) = (subject.url(), subject.versions());
    let about = ics::About { domain, url, tls, text: &text };
    let written = ics::write(&subject.entries, &about, out);
    written.and_then(|()| out.flush()).map_err(NoticeError::Write)
}

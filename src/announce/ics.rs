//! The dates as a calendar (RFC 5545), for whoever has to be at work then.
//!
//! Lines end with CRLF and are folded after 75 octets; times are UTC; a date keeps its UID as long
//! as it stays what it is, so that a calendar that is read again shows nothing twice. It reads no
//! clock: DTSTAMP is the date itself.

use std::io::{self, Write};

use jiff::Timestamp;

use super::calendar::{Entry, Kind, Repeats, Scope};

/// What every event says.
pub(super) struct About<'a> {
    /// What makes UIDs the provider's own.
    pub(super) domain: &'a str,
    /// A page about it.
    pub(super) url: Option<&'a str>,
    /// What ends: "TLS 1.1 and older".
    pub(super) tls: &'a str,
    /// What to do.
    pub(super) text: &'a str,
}

/// Writes it.
pub(super) fn write(entries: &[Entry], about: &About<'_>, out: &mut dyn Write) -> io::Result<()> {
    let head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tlsfloor//notice//EN"];
    for text in head.into_iter().chain(["CALSCALE:GREGORIAN", "METHOD:PUBLISH"]) {
        line(text, out)?;
    }
    entries.iter().try_for_each(|entry| event(entry, about, out))?;
    line("END:VCALENDAR", out)
}

fn event(entry: &Entry, about: &About<'_>, out: &mut dyn Write) -> io::Result<()> {
    let at = stamp(entry.at);
    let (scope, what) = match entry.scope {
        Scope::Tls => ("tls", about.tls),
        Scope::PlainHttp => ("plain-http", "Plain HTTP"),
    };
    let (kind, summary) = match entry.kind {
        Kind::Brownout => ("brownout", format!("{what}: refused for a while")),
        Kind::Ramp if entry.percent == 0 => ("ramp", format!("{what}: nobody refused")),
        Kind::Ramp => ("ramp", format!("{what}: {} % of clients refused", entry.percent)),
        Kind::Cut => ("cut", format!("{what}: refused for good")),
    };
    line("BEGIN:VEVENT", out)?;
    line(&format!("UID:{scope}-{kind}-{at}-{}@{}", entry.percent, about.domain), out)?;
    line(&format!("DTSTAMP:{at}"), out)?;
    line(&format!("DTSTART:{at}"), out)?;
    if let Some(until) = entry.until {
        line(&format!("DTEND:{}", stamp(until)), out)?;
    }
    if let Some(repeats) = &entry.repeats {
        line(&rule(repeats), out)?;
    }
    line(&format!("SUMMARY:{}", text(&summary)), out)?;
    let description = format!("Refused: {}. {}", entry.who(), about.text);
    line(&format!("DESCRIPTION:{}", text(&description)), out)?;
    if let Some(url) = about.url {
        line(&format!("URL:{url}"), out)?;
    }
    line("TRANSP:TRANSPARENT", out)?;
    alarm(entry, &summary, out)?;
    line("END:VEVENT", out)
}

/// A week before what stays, a day before a brownout; of one that comes back only before the first.
fn alarm(entry: &Entry, summary: &str, out: &mut dyn Write) -> io::Result<()> {
    const DAY: i64 = 86_400;
    let trigger = match (entry.kind, entry.repeats) {
        (_, Some(_)) => format!("TRIGGER;VALUE=DATE-TIME:{}", stamp(entry.at - DAY)),
        (Kind::Brownout, None) => "TRIGGER:-P1D".to_owned(),
        (Kind::Ramp | Kind::Cut, None) => "TRIGGER:-P7D".to_owned(),
    };
    line("BEGIN:VALARM", out)?;
    line("ACTION:DISPLAY", out)?;
    line(&trigger, out)?;
    line(&format!("DESCRIPTION:{}", text(summary)), out)?;
    line("END:VALARM", out)
}

/// In the largest unit that says it exactly.
fn rule(Repeats { every, count, .. }: &Repeats) -> String {
    let units = [(604_800, "WEEKLY"), (86_400, "DAILY"), (3600, "HOURLY"), (60, "MINUTELY")];
    let unit = units.into_iter().find(|(unit, _)| every % unit == 0);
    let (unit, word) = unit.unwrap_or((1, "SECONDLY"));
    format!("RRULE:FREQ={word};INTERVAL={};COUNT={count}", every / unit)
}

/// `20270112T100000Z`
fn stamp(at: i64) -> String {
    let text = Timestamp::from_second(at).map_or_else(|_| String::new(), |at| at.to_string());
    text.replace(['-', ':'], "")
}

/// RFC 5545 3.3.11
fn text(plain: &str) -> String {
    let mut safe = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '\\' | ';' | ',' => {
                safe.push('\\');
                safe.push(character);
            }
            '\n' => safe.push_str("\\n"),
            _ if character.is_control() => {}
            _ => safe.push(character),
        }
    }
    safe
}

/// One content line, folded (RFC 5545 3.1); no character is torn apart.
fn line(content: &str, out: &mut dyn Write) -> io::Result<()> {
    const LONGEST: usize = 75;
    let mut length = 0;
    for character in content.chars() {
        if length + character.len_utf8() > LONGEST {
            write!(out, "\r\n ")?;
            length = 1;
        }
        write!(out, "{character}")?;
        length += character.len_utf8();
    }
    write!(out, "\r\n")
}

#[cfg(test)]
mod tests {
    use super::{Repeats, line, rule, stamp, text};

    #[test]
    fn lines_are_folded_after_75_octets_between_characters() {
        let long = format!("DESCRIPTION:{}", "ä".repeat(100));
        let mut out = Vec::new();
        line(&long, &mut out).unwrap();
        let folded = String::from_utf8(out).unwrap();
        assert!(folded.ends_with("\r\n") && folded.matches("\r\n ").count() == 2, "{folded:?}");
        assert!(folded.split("\r\n").all(|line| line.len() <= 75), "{folded:?}");
        assert_eq!(folded.replace("\r\n ", "").trim_end(), long);
    }

    #[test]
    fn texts_times_and_rules() {
        assert_eq!(text("a, b; c\\d\ne\r"), "a\\, b\\; c\\\\d\\ne");
        assert_eq!(stamp(1_800_000_000), "20270115T080000Z");
        let every = |every| rule(&Repeats { every, count: 7, over: 0 });
        assert_eq!(every(3600), "RRULE:FREQ=HOURLY;INTERVAL=1;COUNT=7");
        assert_eq!(every(14 * 86_400), "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=7");
        assert_eq!(every(90), "RRULE:FREQ=SECONDLY;INTERVAL=90;COUNT=7");
    }
}

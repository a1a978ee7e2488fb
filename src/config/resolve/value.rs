//! One value each: parsed, or reported with what was found and what is expected.

use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;
use toml::Spanned;

use crate::config::{
    FileAt,
    document::{Document, MOMENT, nearest},
    raw::{Moment, Number, Switch, Text},
    units,
};

/// Reports that `value` is not what it should be.
pub(in crate::config) fn wrong(
    document: &mut Document<'_>,
    value: &Text,
    key: &str,
    expected: &str,
) {
    let found = value.get_ref();
    document.report(value.span(), key, format!("found \"{found}\", expected {expected}"));
}

/// A section's content, and its place for what is missing in it; absent: the first line.
pub(in crate::config) fn section<T: Default>(
    section: Option<Spanned<T>>,
) -> (T, std::ops::Range<usize>) {
    section.map_or_else(Default::default, |section| {
        let span = section.span();
        (section.into_inner(), span)
    })
}

/// Reports that `key` is missing, unless its value was reported already.
pub(in crate::config) fn missing(
    document: &mut Document<'_>,
    span: std::ops::Range<usize>,
    key: &str,
    what: &str,
) {
    if !document.has_reported(key) {
        document.report(span, key, format!("found nothing, expected {what}"));
    }
}

/// A duration within `range`.
pub(in crate::config) fn duration(
    document: &mut Document<'_>,
    value: Option<&Text>,
    key: &str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Duration {
    let Some(text) = value else { return default };
    match units::duration(text.get_ref()) {
        Some(duration) if range.contains(&duration) => duration,
        Some(_) => {
            let (least, most) = (range.start(), range.end());
            wrong(document, text, key, &format!("a duration from {least:?} to {most:?}"));
            default
        }
        None => {
            wrong(document, text, key, units::DURATION);
            default
        }
    }
}

/// A size in bytes within `range`.
pub(in crate::config) fn size(
    document: &mut Document<'_>,
    value: Option<&Text>,
    key: &str,
    default: usize,
    range: RangeInclusive<usize>,
) -> usize {
    let Some(text) = value else { return default };
    match units::size(text.get_ref()) {
        Some(size) if range.contains(&size) => size,
        Some(_) => {
            let (least, most) = (units::shown(*range.start()), units::shown(*range.end()));
            wrong(document, text, key, &format!("a size from {least} to {most}"));
            default
        }
        None => {
            wrong(document, text, key, units::SIZE);
            default
        }
    }
}

/// A whole number within `range`.
pub(in crate::config) fn number<N: TryFrom<i64> + Copy>(
    document: &mut Document<'_>,
    value: Option<&Number>,
    key: &str,
    default: N,
    range: RangeInclusive<i64>,
) -> N {
    let Some(number) = value else { return default };
    let found = *number.get_ref();
    match N::try_from(found) {
        Ok(number) if range.contains(&found) => number,
        _ => {
            let (least, most) = (range.start(), range.end());
            let text = format!("found {found}, expected a whole number from {least} to {most}");
            document.report(number.span(), key, text);
            default
        }
    }
}

/// One of a few words.
pub(in crate::config) fn word<T: Copy>(
    document: &mut Document<'_>,
    value: Option<&Text>,
    key: &str,
    default: T,
    words: &[(&str, T)],
) -> T {
    let Some(text) = value else { return default };
    if let Some((_, meant)) = words.iter().find(|(word, _)| word == text.get_ref()) {
        return *meant;
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = match nearest(text.get_ref(), &known) {
        Some(near) => format!("\"{near}\"?"),
        None => format!("one of \"{}\"", known.join("\", \"")),
    };
    wrong(document, text, key, &expected);
    default
}

/// A moment: a date-time that says its offset.
pub(in crate::config) fn moment(
    document: &mut Document<'_>,
    value: Option<&Moment>,
    key: &str,
) -> Option<Timestamp> {
    let value = value?;
    let found = value.get_ref().to_string();
    let moment = found.parse();
    if moment.is_err() {
        let text = format!("found {found}, expected {MOMENT}");
        document.report(value.span(), key, text);
    }
    moment.ok()
}

/// Reports a sunset that comes before its deprecation (RFC 9745 4).
pub(in crate::config) fn sunset_is_last(
    document: &mut Document<'_>,
    value: Option<&Moment>,
    key: &str,
    (deprecation, sunset): (Option<Timestamp>, Option<Timestamp>),
) {
    if let (Some(text), true) = (value, sunset.is_some() && sunset < deprecation) {
        let said = format!("found {}, expected a time not before deprecation", text.get_ref());
        document.report(text.span(), key, said);
    }
}

/// A file; its path begins at the configuration's folder.
pub(in crate::config) fn file(
    document: &mut Document<'_>,
    value: Option<&Text>,
    key: &str,
) -> Option<FileAt> {
    let text = value?;
    if text.get_ref().is_empty() {
        wrong(document, text, key, "the name of a file");
        return None;
    }
    let path = document.folder().join(text.get_ref());
    Some(FileAt { path, place: document.place(text.span(), key) })
}

/// An absolute URL; it may stand between `<` and `>` in a header field.
pub(in crate::config) fn url(
    document: &mut Document<'_>,
    value: Text,
    key: &str,
) -> Option<String> {
    let url = value.get_ref();
    let scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\');
    if scheme.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits)) {
        return Some(value.into_inner());
    }
    wrong(document, &value, key, "a URL such as \"https://api.example.com/tls-notice\"");
    None
}

/// A switch.
pub(in crate::config) fn switch(value: Option<&Switch>, default: bool) -> bool {
    value.map_or(default, |value| *value.get_ref())
}

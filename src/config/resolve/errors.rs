//! `[errors]`

use toml::Spanned;

use super::value;
use crate::config::{Errors, UnknownHost, document::Document, raw_errors};

pub(super) fn errors(
    raw: Option<Spanned<raw_errors::Errors>>,
    document: &mut Document<'_>,
) -> Errors {
    let (raw, _) = value::section(raw);
    let unknown_host = match raw.unknown_host.as_ref().map(|number| (*number.get_ref(), number)) {
        None | Some((404, _)) => UnknownHost::NotFound,
        Some((421, _)) => UnknownHost::Misdirected,
        Some((found, number)) => {
            let text = format!("found {found}, expected 404 or 421");
            document.report(number.span(), "errors.unknown_host", text);
            UnknownHost::NotFound
        }
    };
    Errors { unknown_host }
}

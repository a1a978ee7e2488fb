//! `[errors]`

use std::ops::Range;

use hyper::{StatusCode, header::HeaderValue};
use toml::Spanned;

use super::{
    route_target::media_type,
    value::{self, wrong},
};
use crate::config::{ErrorPage, Errors, UnknownHost, document::Document, raw::Text, raw_errors};

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
    let mut pages: Vec<ErrorPage> = Vec::new();
    for (index, raw) in raw.pages.into_iter().enumerate() {
        let span = raw.span();
        let key = format!("errors.pages[{index}]");
        let Some(page) = page(&raw.into_inner(), span.clone(), &key, document) else { continue };
        if pages.iter().any(|other| other.status == page.status) {
            let text = format!("found status {} again, expected each once", page.status.as_u16());
            document.report(span, &key, text);
        }
        pages.push(page);
    }
    Errors { unknown_host, pages }
}

fn page(
    raw: &raw_errors::Page,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<ErrorPage> {
    let (status_key, file_key) = (format!("{key}.status"), format!("{key}.file"));
    if raw.status.is_none() {
        value::missing(document, span.clone(), &status_key, "a status from 400 to 599");
    }
    if raw.file.is_none() {
        value::missing(document, span, &file_key, "the name of a file");
    }
    let status = value::number(document, raw.status.as_ref(), &status_key, 500u16, 400..=599);
    let file = value::file(document, raw.file.as_ref(), &file_key);
    let kind = raw.content_type.as_ref();
    let content_type = content_type(kind, &format!("{key}.content_type"), document);
    Some(ErrorPage { status: StatusCode::from_u16(status).ok()?, file: file?, content_type })
}

/// Programs read these answers, so HTML is none of their types.
fn content_type(text: Option<&Text>, key: &str, document: &mut Document<'_>) -> HeaderValue {
    const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
    let Some(text) = text else { return PROBLEM };
    let html = text.get_ref().to_ascii_lowercase().contains("html");
    match media_type(text.get_ref()) {
        Some(value) if !html => value,
        _ => {
            wrong(document, text, key, "a media type other than HTML such as \"application/json\"");
            PROBLEM
        }
    }
}

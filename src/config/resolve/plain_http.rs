//! `[plain_http]`

use hyper::header::{AUTHORIZATION, COOKIE, HeaderName};
use toml::Spanned;

use super::{
    route_target::redirect_status,
    routes::path,
    value::{self, wrong},
};
use crate::config::{
    PlainAction, PlainHttp, RedirectOnly, document::Document, raw::Text, raw_plain_http, rollout,
};

pub(super) fn plain_http(
    raw: Option<Spanned<raw_plain_http::PlainHttp>>,
    document: &mut Document<'_>,
) -> PlainHttp {
    let (raw, _) = value::section(raw);
    let PlainHttp { action, redirect_only, https_port, .. } = PlainHttp::default();
    let rollout = rollout::resolve::plain_http(raw.rollout, document);
    // A rollout begins at what plain clients have today.
    let action = if rollout.is_some() { PlainAction::Forward } else { action };
    let action = value::word(document, raw.action.as_ref(), "plain_http.action", action, ACTIONS);
    if let (Some(text), true) = (&raw.action, rollout.is_some() && action != PlainAction::Forward) {
        let expected = "\"forward\": plain_http.rollout leads from there to what its key to says";
        wrong(document, text, "plain_http.action", expected);
    }
    let key = "plain_http.redirect_only";
    let only = value::word(document, raw.redirect_only.as_ref(), key, redirect_only, ONLY);
    let status = redirect_status(raw.status.as_ref(), "plain_http.status", 301, document);
    let key = "plain_http.https_port";
    let https_port = value::number(document, raw.https_port.as_ref(), key, https_port, 1..=65_535);
    let mut exempt_paths = Vec::new();
    for (index, text) in raw.exempt_paths.unwrap_or_default().iter().enumerate() {
        exempt_paths.push(path(text, &format!("plain_http.exempt_paths[{index}]"), document));
    }
    let deprecation = raw.deprecation.as_ref();
    let deprecation = value::moment(document, deprecation, "plain_http.deprecation");
    let sunset = value::moment(document, raw.sunset.as_ref(), "plain_http.sunset");
    let dates = (deprecation, sunset);
    value::sunset_is_last(document, raw.sunset.as_ref(), "plain_http.sunset", dates);
    let key = raw.credentials_key.as_ref();
    PlainHttp {
        action,
        status,
        redirect_only: only,
        https_port,
        exempt_paths,
        deprecation,
        sunset,
        notice: raw.notice.and_then(|text| value::url(document, text, "plain_http.notice")),
        credential_headers: headers(&raw.credential_headers.unwrap_or_default(), document),
        credential_params: params(&raw.credential_params.unwrap_or_default(), document),
        credentials_key: value::file(document, key, "plain_http.credentials_key"),
        rollout,
    }
}

const ACTIONS: &[(&str, PlainAction)] = &[
    ("redirect", PlainAction::Redirect),
    ("refuse", PlainAction::Refuse),
    ("forward", PlainAction::Forward),
];

const ONLY: &[(&str, RedirectOnly)] = &[("all", RedirectOnly::All), ("safe", RedirectOnly::Safe)];

fn headers(list: &[Text], document: &mut Document<'_>) -> Vec<HeaderName> {
    let mut headers = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let key = format!("plain_http.credential_headers[{index}]");
        match HeaderName::from_bytes(text.get_ref().as_bytes()) {
            Ok(AUTHORIZATION | COOKIE) => {
                wrong(document, text, &key, "another field: this one is always looked for");
            }
            Ok(name) => headers.push(name),
            Err(_) => wrong(document, text, &key, "a field's name such as \"x-api-key\""),
        }
    }
    headers
}

fn params(list: &[Text], document: &mut Document<'_>) -> Vec<String> {
    for (index, text) in list.iter().enumerate() {
        if text.get_ref().is_empty() {
            let key = format!("plain_http.credential_params[{index}]");
            wrong(document, text, &key, "a query parameter's name such as \"api_key\"");
        }
    }
    list.iter().map(|text| text.get_ref().clone()).collect()
}

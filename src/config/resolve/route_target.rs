//! What a route leads to: exactly one of upstream, split, redirect and respond.

use std::ops::Range;

use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};
use toml::Spanned;

use super::value::{self, wrong};
use crate::config::{
    Redirect, RedirectTarget, Respond, RouteTarget, Share, Split, Upstream,
    document::{Document, nearest},
    raw::{Number, Text},
    raw_routes,
};

/// The most that a route's own answer may say.
const LONGEST_BODY: usize = 64 << 10;

/// The upstreams that there are.
pub(super) struct Upstreams<'a>(pub &'a [Upstream]);

/// What stands there.
pub(super) struct Written {
    pub upstream: Option<Text>,
    pub split: Option<Spanned<Vec<Spanned<raw_routes::Share>>>>,
    pub redirect: Option<Spanned<raw_routes::Redirect>>,
    pub respond: Option<Spanned<raw_routes::Respond>>,
}

impl Written {
    pub(super) fn resolve(
        self,
        span: &Range<usize>,
        key: &str,
        upstreams: &Upstreams<'_>,
        document: &mut Document<'_>,
    ) -> Option<RouteTarget> {
        const EXPECTED: &str = "exactly one of upstream, split, redirect and respond";
        match (self.upstream, self.split, self.redirect, self.respond) {
            (Some(name), None, None, None) => {
                let key = format!("{key}.upstream");
                upstreams.named(&name, &key, document).map(RouteTarget::Upstream)
            }
            (None, Some(split), None, None) => {
                let key = format!("{key}.split");
                upstreams.split(split, &key, document).map(RouteTarget::Split)
            }
            (None, None, Some(raw), None) => {
                redirect(raw, &format!("{key}.redirect"), document).map(RouteTarget::Redirect)
            }
            (None, None, None, Some(raw)) => {
                respond(raw, &format!("{key}.respond"), document).map(RouteTarget::Respond)
            }
            (None, None, None, None) => {
                value::missing(document, span.clone(), key, EXPECTED);
                None
            }
            _ => {
                let text = format!("found more than one, expected {EXPECTED}");
                document.report(span.clone(), key, text);
                None
            }
        }
    }
}

impl Upstreams<'_> {
    /// The index of the upstream of this name.
    fn named(&self, text: &Text, key: &str, document: &mut Document<'_>) -> Option<usize> {
        let named = self.0.iter().position(|upstream| *upstream.name == **text.get_ref());
        if named.is_none() && !document.has_reported("upstreams") {
            let names: Vec<&str> = self.0.iter().map(|upstream| &*upstream.name).collect();
            let expected = match nearest(text.get_ref(), &names) {
                Some(near) => format!("the name of an upstream, did you mean \"{near}\"?"),
                None => format!("the name of an upstream: {}", names.join(", ")),
            };
            wrong(document, text, key, &expected);
        }
        named
    }

    fn split(
        &self,
        raw: Spanned<Vec<Spanned<raw_routes::Share>>>,
        key: &str,
        document: &mut Document<'_>,
    ) -> Option<Split> {
        let span = raw.span();
        let mut shares = Vec::new();
        for (index, raw) in raw.into_inner().into_iter().enumerate() {
            shares.extend(self.share(raw, &format!("{key}[{index}]"), document));
        }
        let total = shares.iter().try_fold(0u32, |sum, share| sum.checked_add(share.weight));
        if total.is_none_or(|total| total == 0) && !document.has_reported(key) {
            let text = "found no weight, expected at least one upstream with a weight above 0";
            document.report(span, key, text.to_owned());
        }
        total.map(|total| Split { shares, total })
    }

    fn share(
        &self,
        raw: Spanned<raw_routes::Share>,
        key: &str,
        document: &mut Document<'_>,
    ) -> Option<Share> {
        let span = raw.span();
        let raw = raw.into_inner();
        let (name_key, weight_key) = (format!("{key}.upstream"), format!("{key}.weight"));
        if raw.upstream.is_none() {
            value::missing(document, span.clone(), &name_key, "the name of an upstream");
        }
        if raw.weight.is_none() {
            value::missing(document, span, &weight_key, "a weight");
        }
        let name = raw.upstream?;
        let upstream = self.named(&name, &name_key, document);
        let weight = value::number(document, raw.weight.as_ref(), &weight_key, 0, 0..=HEAVIEST);
        Some(Share { upstream: upstream?, weight })
    }
}

/// The most weight that one upstream may have.
const HEAVIEST: i64 = 1_000_000;

fn redirect(
    raw: Spanned<raw_routes::Redirect>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Redirect> {
    let span = raw.span();
    let raw = raw.into_inner();
    let status_key = format!("{key}.status");
    let status = redirect_status(raw.status.as_ref(), &status_key, 308, document);
    let to_key = format!("{key}.to");
    let Some(text) = raw.to else {
        value::missing(document, span, &to_key, "a URL or a path");
        return None;
    };
    let to = RedirectTarget::parse(text.get_ref());
    if let Err(expected) = &to {
        wrong(document, &text, &to_key, expected);
    }
    Some(Redirect { to: to.ok()?, status: StatusCode::from_u16(status).ok()? })
}

/// The redirects that keep their place: 303 would turn any request into a GET.
pub(super) fn redirect_status(
    value: Option<&Number>,
    key: &str,
    default: u16,
    document: &mut Document<'_>,
) -> u16 {
    let Some(status) = value else { return default };
    let found = *status.get_ref();
    if !matches!(found, 301 | 302 | 307 | 308) {
        let text = format!("found {found}, expected 301, 302, 307 or 308");
        document.report(status.span(), key, text);
    }
    u16::try_from(found).unwrap_or(default)
}

fn respond(
    raw: Spanned<raw_routes::Respond>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Respond> {
    let span = raw.span();
    let raw = raw.into_inner();
    let status_key = format!("{key}.status");
    if raw.status.is_none() {
        value::missing(document, span, &status_key, "a status from 200 to 599");
    }
    let status = value::number(document, raw.status.as_ref(), &status_key, 503u16, 200..=599);
    let body = raw.body.map_or_else(Bytes::new, |text| {
        if text.get_ref().len() > LONGEST_BODY {
            let found = text.get_ref().len();
            let said = format!("found a text of {found} bytes, expected one of 65536 at the most");
            document.report(text.span(), &format!("{key}.body"), said);
        }
        Bytes::from(text.into_inner())
    });
    let bodiless = matches!(status, 204 | 205 | 304);
    if bodiless && !body.is_empty() {
        let text = format!("found a text, expected none with status {status}");
        document.report(raw.status.map_or(0..0, |status| status.span()), &status_key, text);
    }
    let kind = content_type(raw.content_type.as_ref(), &format!("{key}.content_type"), document);
    Some(Respond { status: StatusCode::from_u16(status).ok()?, body, content_type: kind })
}

fn content_type(text: Option<&Text>, key: &str, document: &mut Document<'_>) -> HeaderValue {
    const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    let Some(text) = text else { return PLAIN };
    match media_type(text.get_ref()) {
        Some(value) => value,
        None => {
            wrong(document, text, key, "a media type such as \"text/plain; charset=utf-8\"");
            PLAIN
        }
    }
}

/// `type/subtype` with whatever parameters.
pub(super) fn media_type(text: &str) -> Option<HeaderValue> {
    let (kind, rest) = text.split_once('/')?;
    let subtype = rest.split(';').next()?.trim_end();
    let token = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte))
    };
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (token(kind) && token(subtype) && plain).then(|| HeaderValue::from_str(text).ok()).flatten()
}

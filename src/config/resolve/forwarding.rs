//! `[forwarding]`

use toml::Spanned;

use super::value;
use crate::config::{ForwardedStyle, Forwarding, document::Document, raw};

pub(super) fn forwarding(
    raw: Option<Spanned<raw::Forwarding>>,
    document: &mut Document<'_>,
) -> Forwarding {
    let (raw, _) = value::section(raw);
    let styles = [
        ("x-forwarded", ForwardedStyle::XForwarded),
        ("forwarded", ForwardedStyle::Forwarded),
        ("both", ForwardedStyle::Both),
    ];
    let (style, default) = (raw.style.as_ref(), ForwardedStyle::XForwarded);
    Forwarding {
        style: value::word(document, style, "forwarding.style", default, &styles),
        via: value::switch(raw.via.as_ref(), false),
        traceparent: value::switch(raw.traceparent.as_ref(), false),
        hide_server: value::switch(raw.hide_server.as_ref(), false),
    }
}

//! `[hsts]`

use std::time::Duration;

use toml::Spanned;

use super::value;
use crate::config::{Hsts, document::Document, raw};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn hsts(raw: Option<Spanned<raw::Hsts>>, document: &mut Document<'_>) -> Hsts {
    let (raw, _) = value::section(raw);
    let (age, most) = (raw.max_age.as_ref(), 3650 * DAY);
    Hsts {
        max_age: value::duration(document, age, "hsts.max_age", 365 * DAY, Duration::ZERO..=most),
        include_subdomains: value::switch(raw.include_subdomains.as_ref(), false),
        preload: value::switch(raw.preload.as_ref(), false),
    }
}

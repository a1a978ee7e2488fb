//! `[limits]` that bound one client, and what `[[routes]]` overrides of them.

use std::time::Duration;

use super::value;
use crate::config::{
    ClientBounds, RouteBounds,
    document::Document,
    raw,
    raw::{Number, Text},
    raw_routes,
};

/// Longer, and it is as good as none.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(100);
/// A size beyond any body.
const LARGEST: usize = 1 << 40;

pub(super) fn client(raw: &raw::Limits, document: &mut Document<'_>) -> ClientBounds {
    let (count, key) = (raw.header_count.as_ref(), "limits.header_count");
    let header_count = value::number(document, count, key, 100, 8..=10_000);
    let (length, key) = (raw.uri_length.as_ref(), "limits.uri_length");
    let uri_length = value::size(document, length, key, 8 << 10, 256..=64 << 10);
    let (rate, key) = (raw.body_rate.as_ref(), "limits.body_rate");
    let body_rate = value::size(document, rate, key, 128, 0..=1 << 30);
    let (window, key) = (raw.body_rate_window.as_ref(), "limits.body_rate_window");
    let default = Duration::from_secs(10);
    let body_rate_window = value::duration(document, window, key, default, SHORTEST..=LONGEST);
    let body_size = body_size(document, raw.body_size.as_ref(), "limits.body_size");
    let timeout = raw.request_timeout.as_ref();
    let timeout = request_timeout(document, timeout, "limits.request_timeout");
    ClientBounds {
        header_count,
        uri_length,
        body_size: body_size.unwrap_or(0),
        body_rate,
        body_rate_window,
        request_timeout: timeout.unwrap_or(Duration::ZERO),
        connections: cap(document, raw.connections.as_ref(), "connections"),
        connections_per_client: cap(
            document,
            raw.connections_per_client.as_ref(),
            "connections_per_client",
        ),
        requests_per_connection: cap(
            document,
            raw.requests_per_connection.as_ref(),
            "requests_per_connection",
        ),
    }
}

pub(super) fn route(
    raw: &raw_routes::Route,
    key: &str,
    document: &mut Document<'_>,
) -> RouteBounds {
    let timeout = raw.request_timeout.as_ref();
    RouteBounds {
        body_size: body_size(document, raw.body_size.as_ref(), &format!("{key}.body_size")),
        request_timeout: request_timeout(document, timeout, &format!("{key}.request_timeout")),
        compress: raw.compress.as_ref().map(|switch| *switch.get_ref()),
    }
}

fn body_size(document: &mut Document<'_>, value: Option<&Text>, key: &str) -> Option<usize> {
    value.map(|text| value::size(document, Some(text), key, 0, 0..=LARGEST))
}

/// Nothing at all, or as long as the timers can tell.
fn request_timeout(
    document: &mut Document<'_>,
    value: Option<&Text>,
    key: &str,
) -> Option<Duration> {
    let range = Duration::ZERO..=LONGEST;
    let found = value.map(|text| value::duration(document, Some(text), key, LONGEST, range))?;
    if !found.is_zero() && found < SHORTEST {
        let text = format!("found {found:?}, expected 0s for no limit, or at least {SHORTEST:?}");
        document.report(value.map(toml::Spanned::span).unwrap_or_default(), key, text);
    }
    Some(found)
}

fn cap<N: TryFrom<i64> + Copy + Default>(
    document: &mut Document<'_>,
    value: Option<&Number>,
    key: &str,
) -> N {
    value::number(document, value, &format!("limits.{key}"), N::default(), 0..=100_000_000)
}

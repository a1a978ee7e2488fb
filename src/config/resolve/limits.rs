//! `[reload]`, `[log]`, `[drain]` and `[limits]`

use std::time::Duration;

use toml::Spanned;

use super::{bounds, value};
use crate::config::{
    AtCapacity, Drain, Limits, Log, LogFormat, Place, Reload, document::Document, raw, raw::Text,
};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn reload(raw: Option<Spanned<raw::Reload>>, document: &mut Document<'_>) -> Reload {
    let (raw, _) = value::section(raw);
    let (default, key) = (Duration::from_secs(10), "reload.poll");
    let poll = value::duration(document, raw.poll.as_ref(), key, default, Duration::ZERO..=HOUR);
    Reload { poll }
}

pub(super) fn log(raw: Option<Spanned<raw::Log>>, document: &mut Document<'_>) -> Log {
    let (raw, _) = value::section(raw);
    let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
    let format =
        value::word(document, raw.format.as_ref(), "log.format", LogFormat::Json, &formats);
    let lines = raw.refused_per_minute.as_ref();
    let key = "log.refused_per_minute";
    let refused_per_minute = value::number(document, lines, key, 30, 0..=1_000_000);
    let key = "log.level";
    let level_place = raw.level.as_ref().map(|level| document.place(level.span(), key));
    let level_place = level_place.unwrap_or_else(|| Place::bare(key));
    let level = raw.level.map_or_else(|| "info".to_owned(), Spanned::into_inner);
    let access = value::switch(raw.access.as_ref(), false);
    let (share, key) = (raw.access_percent.as_ref(), "log.access_percent");
    let access_percent = value::number(document, share, key, 100, 0..=100);
    Log { format, level, level_place, access, access_percent, refused_per_minute }
}

pub(super) fn drain(raw: Option<Spanned<raw::Drain>>, document: &mut Document<'_>) -> Drain {
    let (raw, _) = value::section(raw);
    let mut duration = |value: Option<Text>, key, seconds| {
        let default = Duration::from_secs(seconds);
        value::duration(document, value.as_ref(), key, default, Duration::ZERO..=24 * HOUR)
    };
    Drain {
        delay: duration(raw.delay, "drain.delay", 5),
        grace: duration(raw.grace, "drain.grace", 20),
        linger: duration(raw.linger, "drain.linger", 0),
    }
}

pub(super) fn limits(raw: Option<Spanned<raw::Limits>>, document: &mut Document<'_>) -> Limits {
    let (raw, _) = value::section(raw);
    let client = bounds::client(&raw, document);
    let (at_capacity, memory) = room(&raw, document);
    let mut timeout = |value: Option<Text>, key: &str, seconds| {
        let (key, default) = (format!("limits.{key}"), Duration::from_secs(seconds));
        let least = Duration::from_millis(100);
        value::duration(document, value.as_ref(), &key, default, least..=24 * HOUR)
    };
    let handshake_timeout = timeout(raw.handshake_timeout, "handshake_timeout", 10);
    let header_timeout = timeout(raw.header_timeout, "header_timeout", 15);
    let body_timeout = timeout(raw.body_timeout, "body_timeout", 30);
    let write_timeout = timeout(raw.write_timeout, "write_timeout", 60);
    let idle_timeout = timeout(raw.idle_timeout, "idle_timeout", 75);
    let tunnel_timeout = timeout(raw.tunnel_timeout, "tunnel_timeout", 3600);
    let connect_timeout = timeout(raw.connect_timeout, "connect_timeout", 5);
    let response_timeout = timeout(raw.response_timeout, "response_timeout", 60);
    let response_body_timeout = timeout(raw.response_body_timeout, "response_body_timeout", 60);
    let upstream_idle_timeout = timeout(raw.upstream_idle_timeout, "upstream_idle_timeout", 30);
    let mut size = |value: Option<Text>, key: &str, default| {
        value::size(document, value.as_ref(), key, default, 8 << 10..=1 << 20)
    };
    let header_size = size(raw.header_size, "limits.header_size", 32 << 10);
    let buffer = size(raw.buffer, "limits.buffer", 64 << 10);
    let kept = raw.upstream_idle_connections.as_ref();
    let key = "limits.upstream_idle_connections";
    let upstream_idle_connections = value::number(document, kept, key, 256, 0..=100_000);
    let streams = raw.http2_streams.as_ref();
    let http2_streams = value::number(document, streams, "limits.http2_streams", 128, 1..=10_000);
    Limits {
        handshake_timeout,
        header_timeout,
        body_timeout,
        write_timeout,
        idle_timeout,
        tunnel_timeout,
        connect_timeout,
        response_timeout,
        response_body_timeout,
        upstream_idle_timeout,
        upstream_idle_connections,
        header_size,
        client,
        at_capacity,
        memory,
        http2_streams,
        buffer,
    }
}

/// What happens where there is no room, and how much memory there is.
fn room(raw: &raw::Limits, document: &mut Document<'_>) -> (AtCapacity, usize) {
    let words = [("wait", AtCapacity::Wait), ("close", AtCapacity::Close)];
    let (word, key) = (raw.at_capacity.as_ref(), "limits.at_capacity");
    let at_capacity = value::word(document, word, key, AtCapacity::Wait, &words);
    let (memory, key) = (raw.memory.as_ref(), "limits.memory");
    (at_capacity, value::size(document, memory, key, 0, 0..=1 << 50))
}

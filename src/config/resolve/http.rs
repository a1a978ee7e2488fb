//! `[hsts]` and `[[upstreams]]`

use std::{sync::Arc, time::Duration};

use toml::Spanned;

use super::value::{self, wrong};
use crate::{
    config::{Hsts, Server, Upstream, document::Document, raw, raw::Text},
    host::Host,
};

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

pub(super) fn upstreams(
    raw: Vec<Spanned<raw::Upstream>>,
    document: &mut Document<'_>,
) -> Vec<Upstream> {
    if raw.is_empty() {
        let what = "at least one [[upstreams]] with name and servers";
        value::missing(document, 0..0, "upstreams", what);
    }
    let mut upstreams: Vec<Upstream> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let key = format!("upstreams[{index}]");
        let span = raw.span();
        let raw = raw.into_inner();
        let servers = servers(raw.servers, span.clone(), &format!("{key}.servers"), document);
        let name_key = format!("{key}.name");
        let Some(name) = raw.name else {
            value::missing(document, span, &name_key, "the name that routes use");
            continue;
        };
        if name.get_ref().is_empty() {
            wrong(document, &name, &name_key, "the name that routes use");
        } else if upstreams.iter().any(|upstream| *upstream.name == **name.get_ref()) {
            wrong(document, &name, &name_key, "a name that no upstream above has");
        }
        upstreams.push(Upstream { name: Arc::from(name.into_inner()), servers });
    }
    upstreams
}

fn servers(
    list: Option<Vec<Text>>,
    span: std::ops::Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<Server> {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        value::missing(document, span, key, "at least one \"http://HOST:PORT\"");
    }
    let mut servers = Vec::new();
    for (index, text) in list.iter().enumerate() {
        match server(text.get_ref()) {
            Ok(server) => servers.push(server),
            Err(expected) => wrong(document, text, &format!("{key}[{index}]"), expected),
        }
    }
    servers
}

fn server(url: &str) -> Result<Server, &'static str> {
    const EXPECTED: &str = "a URL such as \"http://10.0.0.11:8080\" or \"http://orders:8080\"";
    const HTTP_ONLY: &str = "\"http://HOST:PORT\"; other protocols to upstreams are not served by \
        this version";
    let Some(rest) = url.strip_prefix("http://") else {
        let other = ["https://", "h2c://"].iter().any(|scheme| url.starts_with(scheme));
        return Err(if other { HTTP_ONLY } else { EXPECTED });
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, "80"),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    match (Host::parse(host), port.parse()) {
        (Ok(host), Ok(port)) if digits && port != 0 && !bare_ipv6 => Ok(Server { host, port }),
        _ => Err(EXPECTED),
    }
}

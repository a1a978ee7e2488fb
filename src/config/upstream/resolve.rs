//! `[[upstreams]]`: from what is written to what is meant.
//!
//! Called by `config::resolve`. Every default stands here.

use std::{ops::Range, sync::Arc, time::Duration};

use hyper::http::uri::Authority;
use toml::Spanned;

use super::{
    Authorities, Balance, Ejection, HashKey, Health, LEGACY, ProxyVersion, Retry, Scheme, Server,
    Upstream, UpstreamTls, raw,
};
use crate::{
    config::{
        document::Document,
        raw::{Certificate, Number, ShownCertificate, Text},
        resolve::{
            tls::{certificate, file},
            value::{self, wrong},
        },
    },
    host::Host,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(in crate::config) fn upstreams(
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
        let mut raw = raw.into_inner();
        let name_key = format!("{key}.name");
        let Some(name) = raw.name.take() else {
            // Its servers are still read, so that what is wrong with them is said too.
            upstream(Arc::from(""), raw, span.clone(), &key, document);
            value::missing(document, span, &name_key, "the name that routes use");
            continue;
        };
        if name.get_ref().is_empty() {
            wrong(document, &name, &name_key, "the name that routes use");
        } else if name.get_ref() == LEGACY {
            wrong(document, &name, &name_key, "another name: this one is the legacy lane's");
        } else if upstreams.iter().any(|upstream| *upstream.name == **name.get_ref()) {
            wrong(document, &name, &name_key, "a name that no upstream above has");
        }
        upstreams.push(upstream(Arc::from(name.into_inner()), raw, span, &key, document));
    }
    upstreams
}

fn upstream(
    name: Arc<str>,
    raw: raw::Upstream,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Upstream {
    let servers = servers(raw.servers, raw.weights, span, key, document);
    let (slow, most) = (raw.slow_start.as_ref(), raw.max_requests.as_ref());
    let http1 = servers.iter().any(|server| server.scheme == Scheme::Http);
    let at = |name: &str| format!("{key}.{name}");
    let zero = Duration::ZERO;
    Upstream {
        name,
        servers,
        balance: balance(raw.balance.as_ref(), raw.hash.as_ref(), key, document),
        slow_start: value::duration(document, slow, &at("slow_start"), zero, zero..=HOUR),
        health: raw.health.map(|raw| health(raw.into_inner(), http1, &at("health"), document)),
        ejection: ejection(raw.ejection, &at("ejection"), document),
        retry: retry(raw.retry, &at("retry"), document),
        tls: tls(raw.tls, &at("tls"), document),
        max_requests: value::number(document, most, &at("max_requests"), 0, 0..=100_000),
        queue: value::number(document, raw.queue.as_ref(), &at("queue"), 0, 0..=100_000),
        queue_timeout: value::duration(
            document,
            raw.queue_timeout.as_ref(),
            &at("queue_timeout"),
            5 * SECOND,
            SECOND / 10..=HOUR,
        ),
        proxy_protocol: value::word(
            document,
            raw.proxy_protocol.as_ref(),
            &at("proxy_protocol"),
            None,
            &[("none", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))],
        ),
    }
}

fn servers(
    list: Option<Vec<Text>>,
    weights: Option<Vec<Number>>,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<Server> {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        let what = "at least one \"http://HOST:PORT\"";
        value::missing(document, span.clone(), &format!("{key}.servers"), what);
    }
    let mut servers = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let weight = weights.as_ref().and_then(|weights| weights.get(index));
        let weight_key = format!("{key}.weights[{index}]");
        let weight = value::number(document, weight, &weight_key, 1, 1..=1000);
        match server(text.get_ref(), weight) {
            Some(server) => servers.push(server),
            None => wrong(document, text, &format!("{key}.servers[{index}]"), SERVER),
        }
    }
    let weights = weights.map_or(list.len(), |weights| weights.len());
    if weights != list.len() {
        let text = format!("found {weights} weights, expected one for each of {}", list.len());
        document.report(span, &format!("{key}.weights"), text);
    }
    servers
}

const SERVER: &str = "a URL such as \"http://10.0.0.11:8080\", \"https://orders:8443\" or \
    \"h2c://orders:8080\"";

/// A server by its URL.
pub(in crate::config) fn server(url: &str, weight: u32) -> Option<Server> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme {
        "http" => (Scheme::Http, "80"),
        "h2c" => (Scheme::H2c, "80"),
        "https" => (Scheme::Https, "443"),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, port),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    match (Host::parse(host), port.parse()) {
        (Ok(host), Ok(port)) if digits && port != 0 && !bare_ipv6 => {
            Some(Server { scheme, host, port, weight })
        }
        _ => None,
    }
}

fn balance(
    word: Option<&Text>,
    hash: Option<&Text>,
    key: &str,
    document: &mut Document<'_>,
) -> Balance {
    let of = hash.map_or(Some(HashKey::Client), |text| match text.get_ref().as_str() {
        "client" => Some(HashKey::Client),
        other => {
            let name = other.strip_prefix("header:")?;
            hyper::header::HeaderName::try_from(name).ok()?;
            Some(HashKey::Header(name.to_ascii_lowercase()))
        }
    });
    if let (None, Some(text)) = (&of, hash) {
        wrong(document, text, &format!("{key}.hash"), "\"client\" or \"header:NAME\"");
    }
    let words = [("least_requests", 0), ("round_robin", 1), ("hash", 2)];
    let at = format!("{key}.balance");
    match value::word(document, word, &at, if hash.is_some() { 2 } else { 0 }, &words) {
        2 => Balance::Hash(of.unwrap_or(HashKey::Client)),
        chosen => {
            if let Some(text) = hash {
                wrong(document, text, &format!("{key}.hash"), "it only with balance = \"hash\"");
            }
            if chosen == 1 { Balance::RoundRobin } else { Balance::LeastRequests }
        }
    }
}

fn health(raw: raw::Health, http1: bool, key: &str, document: &mut Document<'_>) -> Health {
    let at = |name: &str| format!("{key}.{name}");
    let (interval, timeout) = (raw.interval.as_ref(), raw.timeout.as_ref());
    let path = raw.path.map_or_else(
        || "/".to_owned(),
        |path| {
            if !path.get_ref().starts_with('/') || path.get_ref().parse::<hyper::Uri>().is_err() {
                wrong(document, &path, &at("path"), "a path that begins with /");
            }
            path.into_inner()
        },
    );
    if let Some(host) =
        raw.host.as_ref().filter(|host| host.get_ref().parse::<Authority>().is_err())
    {
        wrong(document, host, &at("host"), "a host name, or one with a port");
    }
    if let Some(grpc) = raw.grpc.as_ref().filter(|_| http1) {
        wrong(document, grpc, &at("grpc"), "it only where all servers are h2c:// or https://");
    }
    Health {
        path,
        host: raw.host.map(Spanned::into_inner),
        interval: value::duration(
            document,
            interval,
            &at("interval"),
            5 * SECOND,
            SECOND / 10..=HOUR,
        ),
        timeout: value::duration(document, timeout, &at("timeout"), 2 * SECOND, SECOND / 10..=HOUR),
        codes: codes(raw.codes, key, document),
        healthy: value::number(document, raw.healthy.as_ref(), &at("healthy"), 2, 1..=100),
        unhealthy: value::number(document, raw.unhealthy.as_ref(), &at("unhealthy"), 3, 1..=100),
        grpc: raw.grpc.map(Spanned::into_inner),
    }
}

fn codes(raw: Option<Vec<Text>>, key: &str, document: &mut Document<'_>) -> Vec<(u16, u16)> {
    let mut codes = Vec::new();
    for (index, text) in raw.iter().flatten().enumerate() {
        match range(text.get_ref()) {
            Some(range) => codes.push(range),
            None => {
                let expected = "a status code or a range such as \"200-299\"";
                wrong(document, text, &format!("{key}.codes[{index}]"), expected);
            }
        }
    }
    if codes.is_empty() {
        codes.push((200, 299));
    }
    codes
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (100 <= from && from <= to && to <= 599).then_some((from, to))
}

fn ejection(
    raw: Option<Spanned<raw::Ejection>>,
    key: &str,
    document: &mut Document<'_>,
) -> Ejection {
    let (raw, _) = value::section(raw);
    let at = |name: &str| format!("{key}.{name}");
    let (time, longest) = (raw.time.as_ref(), raw.longest.as_ref());
    Ejection {
        failures: value::number(document, raw.failures.as_ref(), &at("failures"), 5, 0..=1_000_000),
        time: value::duration(document, time, &at("time"), 10 * SECOND, SECOND..=24 * HOUR),
        longest: value::duration(
            document,
            longest,
            &at("longest"),
            300 * SECOND,
            SECOND..=24 * HOUR,
        ),
    }
}

fn retry(raw: Option<Spanned<raw::Retry>>, key: &str, document: &mut Document<'_>) -> Retry {
    let (raw, _) = value::section(raw);
    let at = |name: &str| format!("{key}.{name}");
    let mut retry = Retry {
        tries: value::number(document, raw.tries.as_ref(), &at("tries"), 1, 0..=10),
        connect: raw.on.is_none(),
        refused: raw.on.is_none(),
        timeout: false,
        codes: Vec::new(),
        budget: value::number(document, raw.budget.as_ref(), &at("budget"), 20, 0..=100),
        floor: value::number(document, raw.floor.as_ref(), &at("floor"), 10, 0..=100_000),
    };
    for (index, text) in raw.on.iter().flatten().enumerate() {
        match (text.get_ref().as_str(), text.get_ref().parse()) {
            ("connect", _) => retry.connect = true,
            ("refused", _) => retry.refused = true,
            ("timeout", _) => retry.timeout = true,
            (_, Ok(code @ 500..=599)) => retry.codes.push(code),
            _ => {
                let expected = "\"connect\", \"refused\", \"timeout\" or a status code from \
                    \"500\" to \"599\"";
                wrong(document, text, &at(&format!("on[{index}]")), expected);
            }
        }
    }
    retry
}

fn tls(
    raw: Option<Spanned<raw::UpstreamTls>>,
    key: &str,
    document: &mut Document<'_>,
) -> UpstreamTls {
    let (raw, span) = value::section(raw);
    let at = |name: &str| format!("{key}.{name}");
    let ca = raw.ca.and_then(|ca| {
        let key = at("ca");
        let (span, path) = file(Some(ca), span, &key, "the PEM file of the authorities", document)?;
        Some(Authorities { file: path, place: document.place(span, &key) })
    });
    let server_name = raw.server_name.and_then(|text| {
        let name = Host::parse(text.get_ref());
        if name.is_err() {
            wrong(document, &text, &at("server_name"), "a host name");
        }
        name.ok()
    });
    let certificate = raw.certificate.and_then(|shown| {
        let span = shown.span();
        let ShownCertificate { chain, key } = shown.into_inner();
        let shown = Spanned::new(span, Certificate { chain, key, ocsp: None });
        certificate(shown, &at("certificate"), document)
    });
    UpstreamTls { ca, server_name, certificate }
}

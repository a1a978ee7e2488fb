//! `[rollout]`: from what is written to what is meant.
//!
//! Called by `config::resolve` for TLS and for plain HTTP. What cannot work is a problem here; what
//! works and may surprise is explained by `tlsfloor check`.

use std::{ops::Range, time::Duration};

use jiff::Timestamp;
use toml::Spanned;

use super::{
    Fuse, LegacyLane, LegacyServer, PlainRollout, Rollout, Salt, exemptions::exemptions, raw,
    schedule::schedule,
};
use crate::{
    config::{
        Listen, PlainAction, ProxyVersion,
        document::Document,
        raw::{Moment, Text},
        resolve::value::{self, wrong},
    },
    host::Host,
};

/// `[rollout]`; a legacy lane that leads back here would go round for ever.
pub(in crate::config) fn tls(
    raw: Option<Spanned<raw::Rollout>>,
    listen: &Listen,
    document: &mut Document<'_>,
) -> Rollout {
    let Some(raw) = raw else {
        let lane = Some(lane(&raw::Rollout::default(), document));
        return Rollout { lane, ..Rollout::default() };
    };
    let span = raw.span();
    let mut raw = raw.into_inner();
    let legacy = raw.legacy.take().map(|servers| legacy(servers, listen, document));
    let lane = Some(lane(&raw, document));
    let needs = [
        (!raw.ramp.is_empty(), "ramp"),
        (!raw.brownouts.is_empty(), "brownouts"),
        (!raw.exemptions.is_empty(), "exemptions"),
        (raw.exemptions_file.is_some(), "exemptions_file"),
        (raw.fuse.is_some(), "fuse"),
    ];
    let needing: Vec<_> = needs.iter().filter(|(there, _)| *there).map(|(_, key)| *key).collect();
    if legacy.is_none() && !needing.is_empty() {
        let what = format!(
            "today's TLS terminator as \"HOST:PORT\": without one every failing hello is refused \
             at once, and {} has nobody to let through",
            needing.join(", ")
        );
        value::missing(document, span.clone(), "rollout.legacy", &what);
    }
    let legacy = legacy.unwrap_or_default();
    Rollout { legacy, lane, ..common(raw, &span, "rollout", document) }
}

/// How clients are passed on.
fn lane(raw: &raw::Rollout, document: &mut Document<'_>) -> LegacyLane {
    let zero = Duration::ZERO;
    let (timeout, check) = (raw.legacy_timeout.as_ref(), raw.legacy_check.as_ref());
    let versions = [("v2", Some(ProxyVersion::V2)), ("v1", Some(ProxyVersion::V1)), ("none", None)];
    LegacyLane {
        proxy_protocol: value::word(
            document,
            raw.proxy_protocol.as_ref(),
            "rollout.proxy_protocol",
            Some(ProxyVersion::V2),
            &versions,
        ),
        timeout: value::duration(document, timeout, "rollout.legacy_timeout", zero, zero..=LONGEST),
        check: value::duration(document, check, "rollout.legacy_check", CHECK, zero..=HOUR),
    }
}

const CHECK: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);

/// A connection that lasts longer is one for which there is no limit.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// `[plain_http.rollout]`
pub(in crate::config) fn plain_http(
    raw: Option<Spanned<raw::Rollout>>,
    document: &mut Document<'_>,
) -> Option<PlainRollout> {
    let raw = raw?;
    let span = raw.span();
    let mut raw = raw.into_inner();
    let words = [("redirect", PlainAction::Redirect), ("refuse", PlainAction::Refuse)];
    let key = "plain_http.rollout.to";
    let to = raw.to.take();
    let to = value::word(document, to.as_ref(), key, PlainAction::Redirect, &words);
    let rollout = common(raw, &span, "plain_http.rollout", document);
    Some(PlainRollout { to, rollout })
}

fn common(
    raw: raw::Rollout,
    span: &Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Rollout {
    let raw::Rollout { cut, ramp, brownouts, allow_loosening, fuse: raw_fuse, .. } = raw;
    let at = |name: &str| format!("{key}.{name}");
    let loosens = value::switch(allow_loosening.as_ref(), false);
    let schedule = schedule((cut, ramp, brownouts), loosens, key, document);
    let fuse = raw_fuse.and_then(|raw| fuse(raw, &at("fuse"), document));
    let file = raw.exemptions_file.as_ref();
    Rollout {
        legacy: Vec::new(),
        lane: None,
        schedule,
        fuse,
        salt: salt(raw.salt, raw.salt_file, key, document),
        exemptions_file: value::file(document, file, &at("exemptions_file")),
        notice: raw.notice.and_then(|text| value::url(document, text, &at("notice"))),
        exemptions: exemptions(raw.exemptions, &at("exemptions"), document),
        place: document.place(span.clone(), key),
    }
}

/// The day that a rollout is about: a moment in whole seconds, because all of it counts in seconds.
pub(super) fn second(
    value: Option<&Moment>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Timestamp> {
    let moment = value::moment(document, value, key)?;
    if moment.subsec_nanosecond() != 0 {
        let (found, span) = value.map(|one| (one.get_ref().to_string(), one.span()))?;
        document.report(span, key, format!("found {found}, expected whole seconds"));
    }
    Some(moment)
}

fn legacy(
    servers: Spanned<raw::OneOrMore>,
    listen: &Listen,
    document: &mut Document<'_>,
) -> Vec<LegacyServer> {
    let span = servers.span();
    let list = match servers.into_inner() {
        raw::OneOrMore::One(one) => vec![("rollout.legacy".to_owned(), span, one)],
        raw::OneOrMore::More(more) => {
            if more.is_empty() {
                let text = "found an empty list, expected at least one \"HOST:PORT\"";
                document.report(span, "rollout.legacy", text.to_owned());
            }
            let keyed = more.into_iter().enumerate().map(|(index, text)| {
                (format!("rollout.legacy[{index}]"), text.span(), text.into_inner())
            });
            keyed.collect()
        }
    };
    let mut servers: Vec<LegacyServer> = Vec::new();
    for (key, span, text) in list {
        let wrong = match server(&text) {
            None => "\"HOST:PORT\" such as \"10.0.0.9:443\" or \"[2001:db8::9]:443\"",
            Some(server) if is_here(&server, listen) => {
                "an address other than one that tlsfloor itself listens on, because such a \
                 connection would come back for ever"
            }
            Some(server) if servers.contains(&server) => "each address once",
            Some(server) => {
                servers.push(server);
                continue;
            }
        };
        document.report(span, &key, format!("found \"{text}\", expected {wrong}"));
    }
    servers
}

fn server(text: &str) -> Option<LegacyServer> {
    let (host, port) = text.rsplit_once(':')?;
    // An IPv6 address without brackets could be read two ways.
    let bare = host.contains(':') && !host.starts_with('[');
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(LegacyServer { host: Host::parse(host).ok().filter(|_| !bare)?, port })
}

/// Whether a connection to `server` is one to ourselves, as far as the configuration can tell.
fn is_here(server: &LegacyServer, listen: &Listen) -> bool {
    let ip = server.host.ip().map(|ip| ip.to_canonical());
    let local = ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
        || server.host.as_str() == "localhost";
    let own = listen.https.iter().chain(&listen.http).chain([&listen.admin]);
    own.into_iter().any(|own| {
        let same = ip == Some(own.ip().to_canonical());
        let all = own.ip().is_unspecified() || own.ip().is_loopback() && ip.is_none();
        own.port() == server.port && (same || local && all)
    })
}

fn salt(
    text: Option<Text>,
    file: Option<Text>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Salt> {
    let file_key = format!("{key}.salt_file");
    match (text, file) {
        (Some(_), Some(file)) => {
            wrong(document, &file, &file_key, "either salt or salt_file");
            None
        }
        (Some(text), None) if text.get_ref().is_empty() => {
            wrong(document, &text, &format!("{key}.salt"), "any text such as \"tls12-2027\"");
            None
        }
        (Some(text), None) => Some(Salt::Text(text.into_inner())),
        (None, file) => value::file(document, file.as_ref(), &file_key).map(Salt::File),
    }
}

fn fuse(raw: Spanned<raw::Fuse>, key: &str, document: &mut Document<'_>) -> Option<Fuse> {
    let span = raw.span();
    let raw = raw.into_inner();
    let (refused_key, within_key) = (format!("{key}.refused"), format!("{key}.within"));
    if raw.refused.is_none() {
        value::missing(document, span.clone(), &refused_key, "a number of clients");
    }
    if raw.within.is_none() {
        value::missing(document, span, &within_key, "a duration such as \"1m\"");
    }
    let refused = value::number(document, raw.refused.as_ref(), &refused_key, 1, 1..=100_000);
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(86_400));
    let within = value::duration(document, raw.within.as_ref(), &within_key, least, least..=most);
    Some(Fuse { refused, within, rearm: raw.rearm.map(Spanned::into_inner) })
}

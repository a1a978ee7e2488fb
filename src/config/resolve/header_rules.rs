//! `request_headers` and `response_headers` of a route

use hyper::{
    header::{HOST, HeaderName},
    http::uri::Authority,
};
use toml::Spanned;

use super::value::{self, wrong};
use crate::{
    config::{
        HeaderRules,
        document::{Document, nearest},
        raw,
        raw::{Fields, Text},
    },
    fields::{self, Side},
    host::Host,
    label::Label,
    template::{Template, TemplateError, Variable},
};

pub(super) fn header_rules(
    raw: Option<Spanned<raw::HeaderRules>>,
    side: Side,
    key: &str,
    document: &mut Document<'_>,
) -> HeaderRules {
    let (raw, _) = value::section(raw);
    let mut remove = Vec::new();
    for (index, text) in raw.remove.unwrap_or_default().iter().enumerate() {
        remove.extend(name(text, side, false, &format!("{key}.remove[{index}]"), document));
    }
    HeaderRules {
        remove,
        set: fields(raw.set, side, true, &format!("{key}.set"), document),
        append: fields(raw.append, side, false, &format!("{key}.append"), document),
    }
}

fn fields(
    raw: Fields,
    side: Side,
    sets: bool,
    key: &str,
    document: &mut Document<'_>,
) -> Vec<(HeaderName, Template)> {
    let mut fields: Vec<(HeaderName, Template)> = Vec::new();
    for (text, written) in raw {
        let key = format!("{key}.{}", text.get_ref());
        let (Some(name), Some(template)) =
            (name(&text, side, sets, &key, document), template(&written, &key, document))
        else {
            continue;
        };
        if name == HOST && !makes_hosts(&template) {
            wrong(document, &written, &key, "a host, which may have {host} and {sni} in it");
        } else if fields.iter().any(|(other, _)| *other == name) {
            wrong(document, &text, &key, "each field once; case makes no difference");
        }
        fields.push((name, template));
    }
    fields
}

fn name(
    text: &Text,
    side: Side,
    sets: bool,
    key: &str,
    document: &mut Document<'_>,
) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.get_ref().as_bytes()) else {
        wrong(document, text, key, "the name of a header field");
        return None;
    };
    if name == HOST && !(sets && side == Side::Request) {
        wrong(document, text, key, "another field: Host can be set for requests, and no more");
        return None;
    }
    if !fields::may_be_ruled(name.as_str(), side) {
        let expected =
            "a field that frames no message and that tlsfloor does not answer for itself";
        wrong(document, text, key, expected);
        return None;
    }
    Some(name)
}

fn template(text: &Text, key: &str, document: &mut Document<'_>) -> Option<Template> {
    let expected = match Template::parse(text.get_ref()) {
        Ok(template) => return Some(template),
        Err(TemplateError::Brace) => {
            "a variable in braces; a brace itself is written {{ or }}".to_owned()
        }
        Err(TemplateError::Value) => {
            "a text in ASCII without spaces around it; remove takes a field away".to_owned()
        }
        Err(TemplateError::Unknown(name)) => {
            let known: Vec<&str> = Variable::ALL.iter().map(|one| one.as_str()).collect();
            match nearest(&name, &known) {
                Some(near) => format!("{{{near}}} for {{{name}}}?"),
                None => format!("a variable of {{{}}}", known.join("}, {")),
            }
        }
    };
    wrong(document, text, key, &expected);
    None
}

/// Whether whatever is filled in, the result is `host` or `host:port`.
fn makes_hosts(template: &Template) -> bool {
    let known = |variable| matches!(variable, Variable::Host | Variable::Sni);
    let sample = template.fill(|_variable| Some("sample".into()));
    let sample = sample.as_ref().and_then(|sample| sample.to_str().ok()).unwrap_or_default();
    let is_host = sample.parse::<Authority>().is_ok_and(|authority| {
        let port = sample.strip_prefix(authority.host());
        Host::parse(authority.host()).is_ok() && port.is_some_and(is_port)
    });
    is_host && template.variables().all(known)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

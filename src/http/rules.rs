//! A route's header rules, filled in for one request.
//!
//! Called by `service`: for the request at once, for the response before there is one, because
//! what a rule speaks of is the request's. A route without rules costs one look.

use std::borrow::Cow;

use hyper::{
    HeaderMap,
    header::{HOST, HeaderName, HeaderValue},
};

use super::forwarding::Hop;
use crate::{
    config::HeaderRules,
    host::Host,
    template::{Template, Variable},
};

/// One change of a message's fields.
#[derive(Debug)]
pub(super) enum Change {
    /// The field goes.
    Remove(HeaderName),
    /// The field has this value and no other.
    Set(HeaderName, HeaderValue),
    /// The field has this value too.
    Append(HeaderName, HeaderValue),
}

impl Change {
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Remove(name) => drop(headers.remove(name)),
            Self::Set(name, value) => drop(headers.insert(name, value)),
            Self::Append(name, value) => drop(headers.append(name, value)),
        }
    }
}

/// What `rules` make of a request for `path`.
///
/// A value with an empty variable sets nothing, and what the sender had there goes all the same:
/// an upstream that trusts the field must not get a client's own.
pub(super) fn changes<'r>(
    rules: &'r HeaderRules,
    hop: &'r Hop<'_>,
    path: &'r str,
) -> impl Iterator<Item = Change> + 'r {
    let fill = move |template: &Template| template.fill(|variable| value(variable, hop, path));
    let remove = rules.remove.iter().cloned().map(Change::Remove);
    let set = rules.set.iter().filter_map(move |(name, template)| match fill(template) {
        Some(value) => Some(Change::Set(name.clone(), value)),
        // A request needs its host.
        None if *name == HOST => None,
        None => Some(Change::Remove(name.clone())),
    });
    let append = rules
        .append
        .iter()
        .filter_map(move |(name, template)| Some(Change::Append(name.clone(), fill(template)?)));
    remove.chain(set).chain(append)
}

fn value<'a>(variable: Variable, hop: &'a Hop<'_>, path: &'a str) -> Option<Cow<'a, str>> {
    let tls = hop.client.tls.as_ref();
    let identity = tls.and_then(|tls| tls.identity.as_deref());
    match variable {
        Variable::ClientAddress => Some(hop.asker.address.ip.to_string().into()),
        Variable::ClientPort => Some(hop.asker.address.port?.to_string().into()),
        Variable::TlsVersion => Some(tls?.session.version.as_str().into()),
        Variable::TlsCipher => Some(tls?.session.cipher.as_str().into()),
        Variable::Sni => tls?.sni.as_ref().map(Host::as_str).map(Cow::from),
        Variable::Ja4 => Some(tls?.ja4.as_str().into()),
        Variable::ClientCertSubject => identity?.subject.as_deref().map(Cow::from),
        Variable::ClientCertSan => identity?.san.as_deref().map(Cow::from),
        Variable::ClientCertFingerprint => Some(identity?.fingerprint.as_ref().into()),
        Variable::RequestId => hop.asker.id.to_str().ok().map(Cow::from),
        Variable::Host => Some(hop.authority?.host().into()),
        Variable::Path => Some(path.into()),
    }
}

//! Credentials that a client sent in clear: found, counted by kind, named in the log.
//!
//! Called by `plain` for each request on a plain port. What was sent has leaked, whatever the
//! request is answered; the owner is told by a keyed hash. It must never log a secret, a part of
//! one, or a query.

use hyper::{
    HeaderMap, Request,
    header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue},
};
use tokio::time::Instant;

use super::{Client, authority::Authority};
use crate::{
    config::PlainHttp,
    form::decoded,
    metrics::{Credentials, Plain},
    shard::View,
};

/// Each credential of a request, the most telling kind first: a session's cookie says least about
/// who has to rotate what. Of a name that comes twice the first counts, so that one request makes
/// no more lines than the configuration has names.
pub(super) fn seen<'a, B>(
    config: &'a PlainHttp,
    request: &'a Request<B>,
) -> impl Iterator<Item = (Credentials, &'a [u8])> {
    let headers = request.headers();
    let authorization = field(headers, &AUTHORIZATION).map(token);
    let named = config.credential_headers.iter().filter_map(|name| field(headers, name));
    let query = request.uri().query().unwrap_or_default();
    let params = config.credential_params.iter().filter_map(|name| parameter(query, name));
    let cookie = field(headers, &COOKIE);
    let all = authorization.map(|secret| (Credentials::Authorization, secret)).into_iter();
    all.chain(named.map(|secret| (Credentials::Header, secret)))
        .chain(params.map(|secret| (Credentials::Parameter, secret)))
        .chain(cookie.map(|secret| (Credentials::Cookie, secret)))
}

/// One line for each, within the limit of lines about one client. The limit takes a lock, which
/// only requests pay for that should not have been sent.
pub(super) fn record<B>(
    client: &Client,
    view: &View,
    request: &Request<B>,
    authority: Option<&Authority>,
    id: &HeaderValue,
    action: Plain,
) {
    let snapshot = &view.snapshot;
    for (kind, secret) in seen(&snapshot.config.plain_http, request) {
        let Some(suppressed) = client.shard.shared.leaks.admit(client.address.ip, Instant::now())
        else {
            return;
        };
        let secret = if kind == Credentials::Parameter { decoded(secret) } else { secret.into() };
        tracing::info!(
            event = "credentials",
            client = %client.address.ip,
            port = client.address.port,
            request_id = id.to_str().unwrap_or_default(),
            host = authority.map(Authority::host),
            path = request.uri().path(),
            kind = kind.as_str(),
            hash = snapshot.keyed_hash.as_ref().map(|hash| hash.name(&secret)),
            action = action.as_str(),
            generation = snapshot.generation,
            suppressed = (suppressed > 0).then_some(suppressed),
        );
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(HeaderValue::as_bytes).filter(|value| !value.is_empty())
}

/// What stands behind the scheme (RFC 9110 11.4), so that a token has the same name wherever it
/// is sent; all of it where there is no scheme.
fn token(value: &[u8]) -> &[u8] {
    let space = value.iter().position(|byte| *byte == b' ');
    let behind = space.and_then(|space| value.get(space..)).map(<[u8]>::trim_ascii);
    behind.filter(|token| !token.is_empty()).unwrap_or(value)
}

/// A parameter's value as it stands in the query; its name may be percent-encoded.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a [u8]> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(key, value)| {
        !value.is_empty() && (*key == name || *decoded(key.as_bytes()) == *name.as_bytes())
    });
    found.next().map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::{decoded, seen};
    use crate::{config::PlainHttp, metrics::Credentials};

    fn kinds(target: &str, fields: &[(&str, &str)]) -> Vec<(Credentials, String)> {
        let config = PlainHttp {
            credential_headers: vec!["x-api-key".parse().unwrap()],
            credential_params: vec!["api_key".into(), "sig".into()],
            ..PlainHttp::default()
        };
        let bare = Request::get(target);
        let request =
            fields.iter().fold(bare, |request, (name, value)| request.header(*name, *value));
        let request = request.body(()).unwrap();
        let text = |secret: &[u8]| String::from_utf8(secret.to_vec()).unwrap();
        seen(&config, &request).map(|(kind, secret)| (kind, text(secret))).collect()
    }

    #[test]
    fn each_kind_is_found_once_the_most_telling_first() {
        let fields = [
            ("cookie", "s=1"),
            ("x-api-key", "k1"),
            ("x-api-key", "k2"),
            ("authorization", "Bearer  t "),
        ];
        let found = kinds("/?a=b&api%5Fkey=p%31&api_key=q&sig=z", &fields);
        let expected = [
            (Credentials::Authorization, "t"),
            (Credentials::Header, "k1"),
            (Credentials::Parameter, "p%31"),
            (Credentials::Parameter, "z"),
            (Credentials::Cookie, "s=1"),
        ];
        assert_eq!(found, expected.map(|(kind, secret)| (kind, secret.to_owned())));
    }

    #[test]
    fn what_is_empty_or_named_otherwise_is_none() {
        assert_eq!(kinds("/?api_key=&api_keys=1&API_KEY=1&api_key", &[("cookie", "")]), []);
        let bare = kinds("/", &[("authorization", "token")]);
        assert_eq!(bare, [(Credentials::Authorization, "token".to_owned())]);
    }

    #[test]
    fn encoded_values_mean_what_a_form_means_at_every_prefix() {
        let text = b"a%20b+%zz%4";
        assert_eq!(*decoded(text), *b"a b %zz%4");
        for end in 0..text.len() {
            assert!(decoded(&text[..end]).len() <= end);
        }
        assert_eq!(*decoded(b"%E4%2b"), [0xe4, b'+']);
    }
}

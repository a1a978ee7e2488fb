//! Which responses are compressed, and what their heads say then.
//!
//! Called by `service` where the route compresses: [`Wish`] before the request goes upstream,
//! [`apply`] when the response's head is here. Off by default, because a body that mixes a secret
//! with what an attacker chooses tells the secret by its length (BREACH).

pub(super) mod accept;
mod body;
mod encoder;

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::Body as HttpBody,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, VARY,
    },
};

pub(super) use self::body::Compressed;
use self::encoder::Encoder;
use super::body::Content;
use crate::{
    config::{Algorithm, Compression},
    upstream,
};

/// Digests of the content as the upstream sent it (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [HeaderName; 3] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What a request allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    /// Its response goes as it is.
    #[default]
    Untouched,
    /// Another client might get it compressed; this one does not.
    Plain,
    /// The best that the client accepts.
    Coded(Algorithm),
}

impl Wish {
    /// What `request` allows; HTTP/1.0 knows neither chunks nor `Vary`.
    pub(super) fn of<B>(config: &Compression, request: &Request<B>) -> Self {
        if *request.method() == Method::HEAD || request.version() < Version::HTTP_11 {
            return Self::Untouched;
        }
        let fields = request.headers().get_all(ACCEPT_ENCODING).iter();
        let fields = fields.filter_map(|field| field.to_str().ok());
        accept::best(&config.algorithms, fields).map_or(Self::Plain, Self::Coded)
    }
}

/// Compresses a response that may be, for a client that wants it.
pub(super) fn apply(
    config: &Compression,
    wish: Wish,
    response: Response<upstream::Body>,
) -> Response<Content> {
    if wish == Wish::Untouched || !may_be_coded(config, &response) {
        return response.map(Content::Upstream);
    }
    let (mut parts, body) = response.into_parts();
    vary(&mut parts.headers);
    let encoder = match wish {
        Wish::Untouched | Wish::Plain => None,
        Wish::Coded(algorithm) => encoder(algorithm),
    };
    let content = match encoder {
        None => Content::Upstream(body),
        Some((algorithm, encoder)) => {
            relabel(&mut parts.headers, algorithm);
            Content::Compressed(Box::new(Compressed::new(body, encoder)))
        }
    };
    Response::from_parts(parts, content)
}

/// Without one the response goes as it is.
fn encoder(algorithm: Algorithm) -> Option<(Algorithm, Encoder)> {
    match Encoder::new(algorithm) {
        Ok(encoder) => Some((algorithm, encoder)),
        Err(error) => {
            tracing::error!(%error, "no encoder; responses go uncompressed");
            None
        }
    }
}

fn may_be_coded(config: &Compression, response: &Response<upstream::Body>) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let has_content = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let size = response.body().size_hint().exact();
    let least = u64::try_from(config.min_size).unwrap_or(u64::MAX);
    has_content
        && !response.body().is_end_stream()
        && size.is_none_or(|size| size >= least)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !DIGESTS.iter().any(|digest| headers.contains_key(digest))
        && !must_not_be_transformed(headers)
        && headers.get(CONTENT_TYPE).is_some_and(|kind| is_listed(&config.types, kind))
}

/// RFC 9110 7.7
fn must_not_be_transformed(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let mut directives = values.flat_map(|value| value.split(|byte| *byte == b','));
    directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Streams of events are small pieces that somebody waits for: they are never touched.
fn is_listed(types: &[String], kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let begins =
        |with: &[u8]| kind.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if kind.eq_ignore_ascii_case(b"text/event-stream") || begins(b"application/grpc") {
        return false;
    }
    types.iter().any(|listed| match listed.strip_suffix('*') {
        Some(family) => begins(family.as_bytes()),
        None => kind.eq_ignore_ascii_case(listed.as_bytes()),
    })
}

fn vary(headers: &mut HeaderMap) {
    let values = headers.get_all(VARY).iter().map(HeaderValue::as_bytes);
    let mut fields = values.flat_map(|value| value.split(|byte| *byte == b','));
    let said = fields.any(|field| {
        let field = field.trim_ascii();
        field == b"*" || field.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str().as_bytes())
    });
    if !said {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// What was true of the content as it came and is not any more.
fn relabel(headers: &mut HeaderMap, algorithm: Algorithm) {
    let coding = match algorithm {
        Algorithm::Zstd => "zstd",
        Algorithm::Br => "br",
        Algorithm::Gzip => "gzip",
    };
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    // The bytes are not those that the upstream gave this name (RFC 9110 8.8.3.3).
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    let weak = strong
        .and_then(|tag| HeaderValue::from_bytes(&[b"W/".as_slice(), tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

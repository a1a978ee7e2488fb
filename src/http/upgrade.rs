//! Requests that ask for another protocol, and what runs once both sides speak it.
//!
//! Called by `service`. Over HTTP/1.1 that is the Upgrade field (RFC 9110 7.8), over HTTP/2 an
//! extended CONNECT (RFC 8441), which becomes an HTTP/1.1 WebSocket handshake towards the server.
//! Never another HTTP or TLS: what is inside would pass us by.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    ext::Protocol,
    header::{
        CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
    http::request,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Client, access::Exchange, headers};
use crate::{
    metrics::Limit,
    tunnel::{self, Passed, TunnelError},
    upstream,
};

/// How a client asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// By the Upgrade field; its value.
    Http1(HeaderValue),
    /// By an extended CONNECT for a WebSocket; the key that we send in its place.
    Http2(OnUpgrade, HeaderValue),
}

impl Asked {
    /// Whether `request` asks, and for something that we pass on.
    pub(super) fn by(request: &mut Request<Incoming>) -> Option<Self> {
        match request.version() {
            Version::HTTP_11 if request.headers().contains_key(UPGRADE) => {
                let token = token(request.headers())?;
                request.body().is_end_stream().then_some(Self::Http1(token))
            }
            Version::HTTP_2 if is_extended_connect(request) => {
                Some(Self::Http2(hyper::upgrade::on(request), key()))
            }
            _ => None,
        }
    }

    /// Makes it a request for an HTTP/1.1 server; the fields of the connection are gone by now.
    pub(super) fn put(&self, parts: &mut request::Parts) {
        let headers = &mut parts.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        match self {
            Self::Http1(token) => drop(headers.insert(UPGRADE, token.clone())),
            Self::Http2(_, key) => {
                parts.method = Method::GET;
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_KEY, key.clone());
                headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
            }
        }
    }

    /// Makes the server's 101 an answer to this client; none where the server did not do what
    /// was asked.
    pub(super) fn answer(&self, response: &mut Response<()>) -> Option<()> {
        let upgrade = response.headers().get(UPGRADE).cloned()?;
        headers::end_of_connection(response.headers_mut());
        match self {
            Self::Http1(_) => {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(UPGRADE, upgrade);
            }
            Self::Http2(_, key) => {
                let accepted = response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT)?;
                (accepted.as_bytes() == accept(key).as_bytes()).then_some(())?;
                *response.status_mut() = StatusCode::OK;
            }
        }
        Some(())
    }
}

/// RFC 8441 4; WebSocket is the one protocol for which a server's side is known.
pub(super) fn is_extended_connect<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    *request.method() == Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// The Upgrade field, if Connection nominates it and it names nothing that is HTTP or TLS again.
fn token(headers: &HeaderMap) -> Option<HeaderValue> {
    let nominated = headers::tokens(headers, &CONNECTION);
    let mut wanted = headers::tokens(headers, &UPGRADE);
    let again = |token: &str| {
        let name = token.split('/').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "h2" | "h2c" | "http" | "tls" | "")
    };
    let asks = nominated.into_iter().any(|token| token.eq_ignore_ascii_case("upgrade"));
    (asks && !wanted.any(again)).then(|| headers.get(UPGRADE).cloned()).flatten()
}

/// A key for RFC 6455 4.1. It is no secret: it shows that the server means this handshake.
fn key() -> HeaderValue {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::warn!("no random numbers for a WebSocket key");
    }
    HeaderValue::try_from(BASE64_STANDARD.encode(bytes)).unwrap_or(HeaderValue::from_static(""))
}

/// What a server makes of a key (RFC 6455 4.2.2).
fn accept(key: &HeaderValue) -> String {
    let said = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    BASE64_STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &said))
}

/// A server's side of what was agreed, and the request that led to it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    upstream: upstream::Tunnel,
    exchange: Exchange,
}

impl Tunnel {
    pub(super) fn new(upstream: upstream::Tunnel, exchange: Exchange) -> Self {
        Self { upstream, exchange }
    }

    /// Passes bytes both ways until both sides have ended; `ahead` came from the client already.
    ///
    /// # Errors
    /// Where a side breaks or nothing moves for too long.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: &mut S,
        ahead: Bytes,
        client: &Client,
    ) -> Result<(), TunnelError> {
        let Self { mut upstream, mut exchange } = self;
        let timer = client.shard.timers.timer();
        let idle = client.shard.view().timeouts.tunnel;
        let mut passed = Passed::default();
        let server = (&mut upstream.stream, std::mem::take(&mut upstream.ahead));
        let result = tunnel::run((stream, ahead), server, (&timer, idle.into()), &mut passed).await;
        exchange.tunnelled(passed.back);
        match &result {
            Ok(()) => upstream.ended(),
            Err(TunnelError::Idle) => client.shard.counters.limit(Limit::TunnelTimeout),
            Err(TunnelError::Broken(_) | TunnelError::Total) => {}
        }
        result
    }

    /// The same over a stream of an HTTP/2 connection, once the client has its answer.
    pub(super) async fn run_on(self, stream: OnUpgrade, client: std::rc::Rc<Client>) {
        match stream.await {
            Ok(stream) => {
                let mut stream = TokioIo::new(stream);
                if let Err(error) = self.run(&mut stream, Bytes::new(), &client).await {
                    tracing::debug!(%error, "a WebSocket over HTTP/2 ended");
                }
            }
            Err(error) => tracing::debug!(%error, "the client left before its WebSocket began"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::{accept, token};

    #[test]
    fn the_example_of_rfc_6455() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn nothing_becomes_http_or_tls_again() {
        let of = |connection: &'static str, upgrade: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("connection", HeaderValue::from_static(connection));
            headers.insert("upgrade", HeaderValue::from_static(upgrade));
            token(&headers).is_some()
        };
        assert!(of("keep-alive, Upgrade", "websocket"));
        assert!(of("upgrade", "IRC/6.9"));
        for (connection, upgrade) in [
            ("keep-alive", "websocket"),
            ("upgrade", "h2c"),
            ("upgrade, http2-settings", "websocket, H2C"),
            ("upgrade", "TLS/1.0"),
            ("upgrade", "HTTP/2.0"),
            ("upgrade", ""),
        ] {
            assert!(!of(connection, upgrade), "{connection}: {upgrade}");
        }
    }
}

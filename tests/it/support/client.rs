//! Clients: TLS with HTTP/1.1 or HTTP/2, plain HTTP, and bare bytes.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{HeaderMap, Request, Response, Version, body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, SupportedProtocolVersion, client::ResolvesClientCert, pki_types::ServerName,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    pki::{Issued, Pki},
    soon,
};

pub(crate) type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// A field's one value; empty where it is absent.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a TLS client presents itself.
#[derive(Clone)]
pub(crate) struct TlsClient {
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub alpn: Vec<Vec<u8>>,
    pub name: &'static str,
    /// Its certificate, whatever the server asks for.
    pub shows: Option<Arc<dyn ResolvesClientCert>>,
    /// In the names of the signature schemes that it can verify.
    pub verifying: &'static str,
}

impl TlsClient {
    pub(crate) fn http1() -> Self {
        let alpn = vec![b"http/1.1".to_vec()];
        let versions = rustls::ALL_VERSIONS.to_vec();
        Self { versions, alpn, name: "localhost", shows: None, verifying: "" }
    }

    pub(crate) fn http2() -> Self {
        Self { alpn: vec![b"h2".to_vec()], ..Self::http1() }
    }

    pub(crate) fn only(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub(crate) fn showing(mut self, issued: &Issued) -> Self {
        self.shows = Some(issued.shown());
        self
    }

    /// Can verify only the signature schemes whose names have this word.
    pub(crate) fn verifying(mut self, word: &'static str) -> Self {
        self.verifying = word;
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = Pki::shared().client_config(&self.versions, self.verifying);
        config.alpn_protocols.clone_from(&self.alpn);
        if let Some(shown) = &self.shows {
            config.client_auth_cert_resolver = Arc::clone(shown);
        }
        config
    }

    /// Shakes hands; the error is rustls's, in an `io::Error`.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(self.name).unwrap();
        soon(TlsConnector::from(Arc::new(self.config())).connect(name, stream)).await
    }

    /// A connection that speaks HTTP.
    pub(crate) async fn open(&self, address: SocketAddr) -> Sender {
        let stream = self.connect(address).await.unwrap();
        if self.alpn == [b"h2".to_vec()] { http2(stream).await } else { http1(stream).await }
    }

    /// One request over a connection of its own.
    pub(crate) async fn send(&self, address: SocketAddr, request: Request<Body>) -> Answer {
        self.open(address).await.send(request).await
    }

    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> Answer {
        self.open(address).await.get(path).await
    }
}

/// A client's connection, whichever HTTP it speaks.
pub(crate) enum Sender {
    Http1(conn::http1::SendRequest<Body>),
    Http2(conn::http2::SendRequest<Body>),
}

impl Sender {
    /// The head of the response; the body can be read later.
    pub(crate) async fn begin(
        &mut self,
        mut request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                if !request.headers().contains_key("host") {
                    request.headers_mut().insert("host", "localhost".parse().unwrap());
                }
                soon(sender.send_request(request)).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                if request.uri().authority().is_none() {
                    let uri = format!("https://localhost{}", request.uri());
                    *request.uri_mut() = uri.parse().unwrap();
                }
                *request.version_mut() = Version::HTTP_2;
                soon(sender.send_request(request)).await
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.begin(request).await.unwrap();
        whole(response).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(empty()).unwrap()).await
    }
}

/// Reads a response to its end.
pub(crate) async fn whole(response: Response<Incoming>) -> hyper::Result<Answer> {
    let (parts, body) = response.into_parts();
    let body = soon(body.collect()).await?;
    let trailers = body.trailers().cloned();
    Ok(Answer {
        status: parts.status.as_u16(),
        version: parts.version,
        headers: parts.headers,
        body: body.to_bytes(),
        trailers,
    })
}

pub(crate) async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Sender {
    let (sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Sender::Http1(sender)
}

async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Sender {
    let handshake = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    Sender::Http2(sender)
}

/// GET over plain HTTP/1.1.
pub(crate) async fn plain_get(address: SocketAddr, path: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    http1(stream).await.get(path).await
}

/// Sends bytes and returns all that comes back until the other side closes; a reset is an error.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await?;
    Ok(answer)
}

/// As `raw`, over TLS with HTTP/1.1.
pub(crate) async fn raw_tls(address: SocketAddr, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TlsClient::http1().connect(address).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(crate) fn empty() -> Body {
    bytes("")
}

pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

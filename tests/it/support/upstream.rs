//! Upstreams on loopback: a real server that records requests, and one that plays bytes.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, Version,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: String,
    pub version: Version,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    /// All values of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// A server that records whole requests and answers them with what a function makes of them.
pub(crate) struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers 200 with `text`.
    pub(crate) async fn text(text: &'static str) -> Self {
        Self::answer(move |_| Response::new(full(text))).await
    }

    pub(crate) async fn answer(
        answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::speaking(Speaks::Http1, answer).await
    }

    /// Over a protocol of one's choice.
    pub(crate) async fn speaking(
        speaks: Speaks,
        answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::listening(anywhere, speaks, answer).await.unwrap()
    }

    /// On this address, if it is free.
    pub(crate) async fn at(
        address: SocketAddr,
        answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
    ) -> Option<Self> {
        Self::listening(address, Speaks::Http1, answer).await
    }

    async fn listening(
        address: SocketAddr,
        speaks: Speaks,
        answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
    ) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::<AtomicUsize>::default());
        let (record, count, answer) =
            (Arc::clone(&seen), Arc::clone(&connections), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(
                    stream,
                    speaks.clone(),
                    Arc::clone(&record),
                    Arc::clone(&answer),
                ));
            }
        });
        Some(Self { address, seen, connections })
    }

    /// Requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("no request reached the upstream")
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What an upstream speaks.
#[derive(Clone)]
pub(crate) enum Speaks {
    Http1,
    H2c,
    /// By ALPN, like any server.
    Tls(Arc<ServerConfig>),
}

async fn serve(
    stream: TcpStream,
    speaks: Speaks,
    record: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().cloned();
            let seen = Seen {
                method: parts.method.to_string(),
                version: parts.version,
                target: parts.uri.to_string(),
                headers: parts.headers,
                body: body.to_bytes(),
                trailers,
            };
            let response = answer(&seen);
            record.lock().unwrap().push(seen);
            Ok::<_, hyper::Error>(response)
        }
    });
    match speaks {
        Speaks::Http1 => {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
        Speaks::H2c => {
            let builder = http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        }
        Speaks::Tls(config) => {
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            let io = |stream| TokioIo::new(stream);
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let builder = http2::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(io(stream), service).await);
            } else {
                drop(http1::Builder::new().serve_connection(io(stream), service).await);
            }
        }
    }
}

/// An upstream that does to each connection whatever `play` does.
pub(crate) async fn scripted<F>(play: impl Fn(TcpStream, usize) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(play(stream, number));
        }
    });
    address
}

/// An upstream that reads a request's head and answers with these bytes, then closes.
pub(crate) async fn answers_bytes(answer: &'static [u8]) -> SocketAddr {
    scripted(move |mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(answer).await.unwrap();
    })
    .await
}

/// An upstream that says `text` to each request, once it is let go.
pub(crate) async fn held_back(text: &'static str) -> (SocketAddr, watch::Sender<bool>) {
    let (go, held) = watch::channel(false);
    let address = scripted(move |mut stream, _| {
        let mut held = held.clone();
        async move {
            read_head(&mut stream).await;
            drop(held.wait_for(|go| *go).await);
            let length = text.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (address, go)
}

/// Reads up to the empty line behind a head.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            break;
        };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

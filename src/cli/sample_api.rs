//! The API behind `tlsfloor demo`: answers every request with what reached it.
//!
//! A plain HTTP/1.1 server on a loopback port and a thread of its own, as a real upstream would
//! be a process of its own.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
};

/// Starts it and says where it listens; it ends with the process.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime =
        || Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    thread::Builder::new().name("sample-api".into()).spawn(move || {
        let served = runtime().and_then(|runtime| runtime.block_on(serve(listener)));
        if let Err(error) = served {
            tracing::error!(%error, "the sample API is gone");
        }
    })?;
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _proxy) = listener.accept().await?;
        tokio::task::spawn_local(connection(stream));
    }
}

async fn connection(stream: TcpStream) {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request)));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "sample API");
    }
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let field = |name: HeaderName| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let seen = serde_json::json!({
        "message": "hello from the sample API",
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "query": request.uri().query(),
        "client": field(HeaderName::from_static("x-forwarded-for")),
        "scheme": field(HeaderName::from_static("x-forwarded-proto")),
        "request_id": field(HeaderName::from_static("x-request-id")),
        "tls_version": field(HeaderName::from_static("x-tls-version")),
        "tls_cipher": field(HeaderName::from_static("x-tls-cipher")),
        "tls_ja4": field(HeaderName::from_static("x-tls-ja4")),
    });
    let mut response = Response::new(Full::from(format!("{seen:#}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

//! `tlsfloor ready`: whether a running proxy says that it is ready.
//!
//! For health checks of containers: an image from scratch has no curl. It asks the admin port once
//! and never waits for readiness; whoever calls it asks again.

use std::{convert::Infallible, time::Duration};

use http_body_util::Empty;
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, USER_AGENT},
    http::uri::{Authority, Scheme},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Failure, print, runtime};

/// What the admin port, which answers from memory, may take: less than the second that
/// Kubernetes gives a probe by default.
const PATIENCE: Duration = Duration::from_millis(900);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The admin port of the proxy
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901", value_parser = base)]
    admin: Authority,
}

/// Why a proxy is not ready, as far as can be told from outside.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error("{0}: nobody answers within {time:?}", time = PATIENCE)]
    Timeout(Authority),
    #[error("{admin}: nobody listens there")]
    Connect {
        admin: Authority,
        #[source]
        cause: std::io::Error,
    },
    #[error("{admin}: what answers there is no admin port")]
    Http {
        admin: Authority,
        #[source]
        cause: hyper::Error,
    },
    #[error("{admin}: not ready: /readyz says {status}")]
    Status { admin: Authority, status: StatusCode },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let admin = &arguments.admin;
    let runtime = runtime()?;
    let asked = runtime.block_on(async { timeout(PATIENCE, ask(admin)).await });
    // Not before the system has looked up a name that nobody needs any more.
    runtime.shutdown_background();
    asked.unwrap_or_else(|_elapsed| Err(NotReady::Timeout(admin.clone())))?;
    print("ready")
}

/// Host and port of `http://HOST[:PORT][/]`.
fn base(text: &str) -> Result<Authority, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let parts = uri.into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    let is_bare = path == "/" && !text.contains(['@', '#']);
    match (parts.scheme, parts.authority) {
        (Some(scheme), Some(authority))
            if scheme == Scheme::HTTP
                && is_bare
                && !authority.host().is_empty()
                && authority.port_u16().is_some() =>
        {
            Ok(authority)
        }
        _ => Err("it has to be http://HOST:PORT, as in http://127.0.0.1:9901".to_owned()),
    }
}

async fn ask(admin: &Authority) -> Result<(), NotReady> {
    let host = admin.host().trim_start_matches('[').trim_end_matches(']');
    let port = admin.port_u16().unwrap_or_default();
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|cause| NotReady::Connect { admin: admin.clone(), cause })?;
    match status(admin, stream).await {
        Ok(StatusCode::OK) => Ok(()),
        Ok(status) => Err(NotReady::Status { admin: admin.clone(), status }),
        Err(cause) => Err(NotReady::Http { admin: admin.clone(), cause }),
    }
}

async fn status(admin: &Authority, stream: TcpStream) -> Result<StatusCode, hyper::Error> {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static("/readyz");
    let agent =
        hyper::header::HeaderValue::from_static(concat!("tlsfloor/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    if let Ok(host) = admin.as_str().parse() {
        request.headers_mut().insert(HOST, host);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the admin port broke off");
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        response = sender.send_request(request) => Ok(response?.status()),
        never = driven => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn the_address_is_a_url_of_the_admin_port_and_nothing_else() {
        assert_eq!(base("http://127.0.0.1:9901").unwrap(), "127.0.0.1:9901");
        assert_eq!(base("http://[::1]:9901/").unwrap(), "[::1]:9901");
        assert_eq!(base("http://tlsfloor-admin:9901").unwrap(), "tlsfloor-admin:9901");
        for wrong in [
            "127.0.0.1:9901",
            "https://127.0.0.1:9901",
            "http://a:1/readyz",
            "http://a",
            "http://a:",
            "http://a:99019",
            "http://a:x",
            "http://:9901",
            "http://user:secret@a:1",
            "http://a:1/#x",
            "",
            "http://",
        ] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }
}

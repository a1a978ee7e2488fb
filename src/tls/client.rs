//! TLS towards API servers: whom we trust, what we show, and the handshake.
//!
//! Built by `snapshot` for each upstream with `https://` servers, used by `upstream`. A server is
//! always verified, and TLS below 1.2 is never spoken here either.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    sign::SingleCertAndKey,
};
use tokio_rustls::TlsConnector;

use super::{
    HandshakeError,
    authorities::bundle,
    certificate::{Certificate, Findings},
};
use crate::{
    config::{Authorities, Problem, UpstreamTls},
    files::Files,
    host::Host,
    io::Socket,
    wire::Wire,
};

/// A server's decrypted stream.
pub type ServerStream = tokio_rustls::client::TlsStream<Wire>;

impl Socket for Box<ServerStream> {
    fn tcp(&self) -> &tokio::net::TcpStream {
        &self.get_ref().0.0
    }
}

/// How the servers of one upstream are spoken to over TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    name: Option<Host>,
}

/// A handshake with a server that came to its end.
#[derive(Debug)]
pub struct Agreed {
    /// The stream; boxed, because it is moved often and is large.
    pub stream: Box<ServerStream>,
    /// Whether it speaks HTTP/2; else it is HTTP/1.1.
    pub http2: bool,
}

/// Which protocols are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/2, then HTTP/1.1.
    Any,
    /// HTTP/1.1 only: what is to be upgraded cannot be HTTP/2.
    Http1,
}

impl ClientTls {
    /// Reads what `tls` names.
    ///
    /// # Errors
    /// Every problem of it at once.
    pub fn build(
        tls: &UpstreamTls,
        files: &Files,
        now: i64,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut findings = Findings::new(files, now);
        let roots = roots(tls.ca.as_ref(), files, &mut findings);
        let shown = tls.certificate.as_ref();
        let shown = shown.map(|source| Certificate::load(source, &mut findings));
        let Findings { problems, warnings, .. } = findings;
        if !problems.is_empty() {
            return Err(problems);
        }
        let shown = shown.flatten().map(|certificate| certificate.key);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| vec![Problem::bare("upstreams.tls", error.to_string())])?
            .with_root_certificates(roots);
        let mut any = match shown {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut http1 = any.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = tls.server_name.clone();
        Ok((Self { any: Arc::new(any), http1: Arc::new(http1), name }, warnings))
    }

    /// Shakes hands with the server called `host`; the caller bounds the time.
    ///
    /// # Errors
    /// Whatever kept the two from agreeing, a certificate that is not trusted among it.
    pub async fn connect(
        &self,
        wire: Wire,
        host: &Host,
        offer: Offer,
    ) -> Result<Agreed, HandshakeError> {
        let name = server_name(self.name.as_ref().unwrap_or(host));
        let name = name.map_err(io::Error::other)?;
        let config = if offer == Offer::Any { &self.any } else { &self.http1 };
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, wire).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Agreed { stream: Box::new(stream), http2 })
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    match host.ip() {
        Some(ip) => Ok(ServerName::from(ip)),
        None => ServerName::try_from(host.as_str().to_owned()),
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// Those of a file, or else the system's, or else (an image from scratch has none) Mozilla's.
fn roots(file: Option<&Authorities>, files: &Files, findings: &mut Findings<'_>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if let Some(Authorities { file, place }) = file {
        match bundle(file, files) {
            Ok((bundle, _)) => roots = bundle,
            Err(error) => {
                let text = format!("{}: {error}", file.display());
                findings.problems.push(Problem { place: place.clone(), text });
            }
        }
        return roots;
    }
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

//! The handshake with a client whose hello has passed.
//!
//! Called by `greet` with the bytes that were peeked: rustls reads the very same ones and judges
//! them by its own list of versions. The caller bounds the time.

use std::io;

use rustls::{
    AlertDescription, CertificateError, CommonState, Error as TlsError, HandshakeKind,
    ProtocolVersion,
    pki_types::UnixTime,
    server::{Accepted as Hello, Acceptor, ServerConnection},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::StartHandshake;

use super::{ClientCertificate, Site, Terms};
use crate::{
    io::Socket,
    session::{Alpn, CertificateFault, Cipher, Group, HandshakeFailure, Session},
    version::TlsVersion,
    wire::Wire,
};

/// Bytes that may wait to be written to one client; with fewer, large bodies cost more writes.
const BUFFER: usize = 128 * 1024;

/// A client's decrypted stream.
pub type TlsStream = tokio_rustls::server::TlsStream<Wire>;

impl Socket for Box<TlsStream> {
    fn tcp(&self) -> &TcpStream {
        &self.get_ref().0.0
    }
}

/// A handshake that came to its end.
#[derive(Debug)]
pub struct Accepted {
    /// The stream; boxed, because it is moved often and is large.
    pub stream: Box<TlsStream>,
    /// What was agreed.
    pub session: Session,
    /// What the site asked for, and got.
    pub terms: Terms,
    /// What the client has shown and we have verified.
    pub certificate: Option<ClientCertificate>,
}

/// A handshake that did not.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: HandshakeError,
    /// The socket, where the client has been told and may still have to read it.
    pub stream: Option<TcpStream>,
}

/// Why a handshake did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The socket's fault.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// What rustls did not like; the client has been told by an alert.
    #[error("{0}")]
    Tls(#[source] TlsError),
}

impl HandshakeError {
    /// Whether the other side speaks none of the protocols that were offered (RFC 7301 3.2).
    #[must_use]
    pub fn lacks_protocol(&self) -> bool {
        matches!(self, Self::Tls(TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)))
    }

    /// What it is counted as.
    #[must_use]
    pub fn failure(&self) -> HandshakeFailure {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                HandshakeFailure::Eof
            }
            Self::Io(_) => HandshakeFailure::Reset,
            Self::Tls(error) => match error {
                TlsError::AlertReceived(_) => HandshakeFailure::AlertReceived,
                TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => {
                    HandshakeFailure::PeerIncompatible
                }
                TlsError::PeerMisbehaved(_)
                | TlsError::InappropriateMessage { .. }
                | TlsError::InappropriateHandshakeMessage { .. } => {
                    HandshakeFailure::PeerMisbehaved
                }
                TlsError::InvalidMessage(_) => HandshakeFailure::InvalidMessage,
                TlsError::DecryptError => HandshakeFailure::Decrypt,
                _ if self.certificate_fault().is_some() => HandshakeFailure::ClientCertificate,
                _ => HandshakeFailure::Other,
            },
        }
    }
}

impl HandshakeError {
    /// What is wrong with the other side's certificate, if that is what it failed by.
    #[must_use]
    pub fn certificate_fault(&self) -> Option<CertificateFault> {
        let Self::Tls(error) = self else { return None };
        Some(match error {
            TlsError::NoCertificatesPresented => CertificateFault::Missing,
            TlsError::InvalidCertRevocationList(_) => CertificateFault::NoList,
            TlsError::InvalidCertificate(error) => match error {
                CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => CertificateFault::Expired,
                CertificateError::Revoked => CertificateFault::Revoked,
                CertificateError::UnknownRevocationStatus => CertificateFault::NoList,
                CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. } => {
                    CertificateFault::StaleList
                }
                CertificateError::ApplicationVerificationFailure => CertificateFault::Name,
                CertificateError::InvalidPurpose
                | CertificateError::InvalidPurposeContext { .. } => CertificateFault::Purpose,
                _ => CertificateFault::Invalid,
            },
            _ => return None,
        })
    }
}

/// tokio-rustls puts what rustls says inside an `io::Error`.
impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<TlsError>() {
            Ok(error) => Self::Tls(error),
            Err(error) => Self::Io(error),
        }
    }
}

/// Shakes hands as `site`; `received` are all bytes read from `stream` so far.
///
/// # Errors
/// The client has been sent the alert that belongs to it, where there is one.
pub async fn accept(
    mut stream: TcpStream,
    received: &[u8],
    site: &Site,
    prefers_chacha20: bool,
) -> Result<Accepted, Failed> {
    let hello = match read_hello(received) {
        Ok(hello) => hello,
        Err((error, alert)) => {
            // It may be gone; then there is nobody left to tell.
            let told = stream.write_all(&alert).await.is_ok();
            return Err(Failed { error, stream: told.then_some(stream) });
        }
    };
    let handshake = StartHandshake::from_parts(hello, Wire(stream));
    let config = site.settings.config(prefers_chacha20);
    let limit = |connection: &mut ServerConnection| {
        connection.set_buffer_limit(Some(BUFFER));
    };
    match handshake.into_stream_with(config, limit).into_fallible().await {
        Ok(stream) => finish(Box::new(stream), site).await,
        Err((error, wire)) => {
            let error = HandshakeError::from(error);
            let told = matches!(error, HandshakeError::Tls(_));
            Err(Failed { error, stream: told.then_some(wire.0) })
        }
    }
}

/// What has been agreed, and shown.
async fn finish(mut stream: Box<TlsStream>, site: &Site) -> Result<Accepted, Failed> {
    let state = stream.get_ref().1;
    let session = session(state);
    let shown = site
        .client_auth
        .as_ref()
        .map(|asked| asked.shown(state.peer_certificates(), session.resumed, UnixTime::now()));
    match shown.transpose() {
        Ok(certificate) => {
            let (terms, certificate) = (site.terms(session.version), certificate.flatten());
            Ok(Accepted { stream, session, terms, certificate })
        }
        Err(error) => {
            // Too late for an alert of ours; the client may be gone, and then nobody is told.
            let told = stream.shutdown().await.is_ok();
            let (wire, _) = stream.into_inner();
            Err(Failed { error: HandshakeError::Tls(error), stream: told.then_some(wire.0) })
        }
    }
}

fn read_hello(mut received: &[u8]) -> Result<Hello, (HandshakeError, Vec<u8>)> {
    let mut acceptor = Acceptor::default();
    let silent = |error| (HandshakeError::Io(error), Vec::new());
    // All of it, and not only up to the end of the hello: what is behind it is never read again.
    while !received.is_empty() {
        acceptor.read_tls(&mut received).map_err(silent)?;
    }
    match acceptor.accept() {
        Ok(Some(hello)) => Ok(hello),
        // Our own reading found a whole hello in these bytes.
        Ok(None) => Err(silent(io::ErrorKind::UnexpectedEof.into())),
        Err((error, mut alert)) => {
            let mut bytes = Vec::new();
            alert.write_all(&mut bytes).map_err(silent)?;
            Err((HandshakeError::Tls(error), bytes))
        }
    }
}

fn session(state: &CommonState) -> Session {
    let number = state.negotiated_cipher_suite().map_or(0, |suite| u16::from(suite.suite()));
    let group = state.negotiated_key_exchange_group().map_or(0, |group| u16::from(group.name()));
    Session {
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        },
        cipher: Cipher::from_wire(number),
        group: Group::from_wire(group),
        alpn: match state.alpn_protocol() {
            Some(b"h2") => Alpn::H2,
            Some(b"http/1.1") => Alpn::Http11,
            _ => Alpn::None,
        },
        resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::read_hello;
    use crate::{
        config::{CertificateSource, Tls},
        files::Files,
        hello::{Outcome, read, samples::families},
        policy::{Verdict, judge},
        tls::{Basis, Site, Sites, build},
        version::TlsVersion,
    };

    /// A site with a certificate of its own, good for years.
    fn sites() -> Sites {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["api.example.com".to_owned()]).unwrap();
        let certificate = CertificateSource::Memory {
            name: "test".to_owned(),
            chain: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        };
        let minimum = TlsVersion::Tls12;
        let tls = Tls::new(minimum, vec![certificate]);
        let (files, counters) = (Files::default(), Arc::default());
        let basis =
            Basis { files: &files, now: 1_800_000_000, before: None, counters, policies: &[] };
        build(&tls, basis).unwrap().0
    }

    /// Whether rustls would go on after this hello.
    fn rustls_accepts(bytes: &[u8], site: &Site) -> bool {
        let Ok(hello) = read_hello(bytes) else { return false };
        hello.into_connection(site.settings.config(false)).is_ok()
    }

    fn we_accept(bytes: &[u8], site: &Site) -> bool {
        match read(bytes) {
            Outcome::Hello(hello) => judge(&site.policy, &hello) == Verdict::Pass,
            _ => false,
        }
    }

    #[test]
    fn on_each_family_we_and_rustls_agree() {
        let sites = sites();
        let site = sites.find(None);
        for family in families() {
            // RFC 7507 is ours; rustls does not know it.
            if family.name.contains("fell back") {
                continue;
            }
            let (ours, theirs) =
                (we_accept(&family.bytes, site), rustls_accepts(&family.bytes, site));
            assert_eq!(ours, theirs, "{}", family.name);
        }
    }

    /// Our reading may let pass what rustls then refuses, never the other way round.
    #[test]
    fn whatever_is_changed_in_a_hello_we_never_refuse_what_rustls_accepts() {
        let sites = sites();
        let site = sites.find(None);
        let mut accepted = 0;
        for family in families().iter().filter(|family| family.ecdsa == "pass") {
            for place in (0..family.bytes.len().min(600)).step_by(3) {
                for value in [0, 1, 0x80, 0xff] {
                    let mut bytes = family.bytes.clone();
                    bytes[place] = value;
                    if rustls_accepts(&bytes, site) {
                        accepted += 1;
                        let ours = read(&bytes);
                        // 0x5600 can come about by the change.
                        let falls_back =
                            matches!(&ours, Outcome::Hello(hello) if hello.is_fallback());
                        let name = &family.name;
                        assert!(
                            falls_back || we_accept(&bytes, site),
                            "{name}: {place} = {value}: {ours:?}"
                        );
                    }
                }
            }
        }
        assert!(accepted > 100, "rustls accepted {accepted} of them: the test proves nothing");
    }
}

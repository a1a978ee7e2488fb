//! What rustls is told for one site, and what a policy is told of the same.
//!
//! Called by `sites`. Both come from one provider and one floor, so that our judgement and
//! rustls's cannot drift apart.

use std::sync::Arc;

use rustls::{
    ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{certificate::Certificate, client_auth::ClientAuth, clock, tickets::Ticketer};
use crate::{
    host::Host,
    policy::{Auth, Policy, Served, Suite},
    version::TlsVersion,
};

/// Why a site cannot be set up. Nothing in a configuration leads here.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up here: {0}")]
pub(super) struct SettingsError(#[from] rustls::Error);

/// rustls's settings for a site, in both orders of suites.
#[derive(Debug)]
pub(super) struct Settings {
    ours: Arc<ServerConfig>,
    theirs: Arc<ServerConfig>,
}

impl Settings {
    /// For a floor, certificates, and what is asked of clients.
    ///
    /// # Errors
    /// Where rustls has nothing for that floor.
    pub(super) fn new(
        minimum: TlsVersion,
        certificates: &[Arc<Certificate>],
        client_auth: Option<&ClientAuth>,
        ticketer: Arc<Ticketer>,
    ) -> Result<Self, SettingsError> {
        let mut ours = server_config(minimum, certificates, client_auth)?;
        ours.ticketer = ticketer;
        ours.ignore_client_order = true;
        let mut theirs = ours.clone();
        theirs.ignore_client_order = false;
        Ok(Self { ours: Arc::new(ours), theirs: Arc::new(theirs) })
    }

    /// Our order, in which AES-128 comes first: it is the cheapest for both where AES is done in
    /// hardware. A client that puts ChaCha20 first has no such hardware and gets its own order.
    pub(super) fn config(&self, prefers_chacha20: bool) -> Arc<ServerConfig> {
        Arc::clone(if prefers_chacha20 { &self.theirs } else { &self.ours })
    }
}

fn server_config(
    minimum: TlsVersion,
    certificates: &[Arc<Certificate>],
    client_auth: Option<&ClientAuth>,
) -> Result<ServerConfig, SettingsError> {
    let asked = client_auth.map_or_else(WebPkiClientVerifier::no_client_auth, ClientAuth::verifier);
    let versions: Vec<&'static SupportedProtocolVersion> =
        TlsVersion::ALL.into_iter().filter(|version| *version >= minimum).map(supported).collect();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&versions)?
        .with_client_cert_verifier(asked)
        .with_cert_resolver(Arc::new(Choice(certificates.to_vec())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// What a site with these settings asks of a hello.
pub(super) fn policy(minimum: TlsVersion, certificates: &[Arc<Certificate>]) -> Policy {
    let provider = provider();
    let served = Served {
        suites: provider.cipher_suites.iter().filter_map(suite).collect(),
        groups: provider.kx_groups.iter().map(|group| u16::from(group.name())).collect(),
        keys: certificates.iter().map(|certificate| certificate.kind).collect(),
    };
    Policy { minimum, served }
}

/// rustls prefers X25519MLKEM768 where a client has it (feature `prefer-post-quantum`).
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // A stable sort: TLS 1.3 stays before 1.2, and ChaCha20 last.
    provider.cipher_suites.sort_by_key(|suite| match u16::from(suite.suite()) {
        0x1301 | 0xc02b | 0xc02f => 0,
        0x1302 | 0xc02c | 0xc030 => 1,
        _ => 2,
    });
    provider
}

fn supported(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    }
}

fn suite(suite: &SupportedCipherSuite) -> Option<Suite> {
    let number = u16::from(suite.suite());
    match suite {
        SupportedCipherSuite::Tls13(_) => {
            Some(Suite { number, version: TlsVersion::Tls13, auth: Auth::Any })
        }
        SupportedCipherSuite::Tls12(suite) => {
            let rsa = suite.sign.contains(&SignatureScheme::RSA_PSS_SHA256);
            let auth = if rsa { Auth::Rsa } else { Auth::Ecdsa };
            Some(Suite { number, version: TlsVersion::Tls12, auth })
        }
    }
}

/// Chooses among a site's certificates: one for the name, whose signature the client can check.
#[derive(Debug)]
struct Choice(Vec<Arc<Certificate>>);

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().and_then(|name| Host::parse(name).ok());
        let covers =
            |certificate: &Certificate| host.as_ref().is_none_or(|host| certificate.covers(host));
        // rustls has left out the schemes that no shared suite can use.
        let signs = |certificate: &&Arc<Certificate>| {
            certificate.key.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let usable = || self.0.iter().filter(signs);
        let chosen = usable().find(|certificate| covers(certificate));
        // A certificate with another name still lets the client say what it expected.
        let chosen = chosen.or_else(|| usable().next()).or_else(|| self.0.first());
        let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
        chosen.map(|certificate| Arc::clone(certificate.served(now)))
    }
}

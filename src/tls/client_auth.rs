//! Which certificates clients have to show, or may, and what is made of them.
//!
//! Built by `sites` for each site that asks for one, asked by rustls in a handshake and by
//! `accept` after it. A chain is verified, then its revocation, then its names, all before the
//! handshake is over; a bad certificate is refused where none would be served.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    authorities::bundle,
    certificate::{Findings, is_authority},
    identity::{ClientCertificate, Identity, names},
    revocation::Revocation,
};
use crate::{
    client_name::ClientName,
    config::{self, ClientAuthMode, FileAt, Problem, StaleCrl},
};

/// What one site asks of its clients.
#[derive(Debug)]
pub(super) struct ClientAuth {
    verifier: Arc<Verifier>,
    fingerprint: [u8; 32],
    forward_chain: bool,
}

impl ClientAuth {
    /// Reads the files that `config` names; none where there is a problem.
    pub(super) fn load(config: &config::ClientAuth, findings: &mut Findings<'_>) -> Option<Self> {
        let authorities = authorities(&config.ca, findings);
        let certificates = authorities.as_ref().map_or(&[][..], |(_, certificates)| certificates);
        let stale = config.stale_crl;
        let crl = config.crl.as_ref();
        let revocation = crl.map(|file| Revocation::load(file, stale, certificates, findings));
        let (roots, certificates) = authorities?;
        let revocation = match revocation {
            Some(loaded) => Some(loaded?),
            None => None,
        };
        let fingerprint = fingerprint(config, &certificates, revocation.as_ref());
        let chain = match chain_verifier(config.mode, roots, revocation.as_ref()) {
            Ok(chain) => chain,
            Err(error) => {
                let file = crl.unwrap_or(&config.ca);
                let text = format!("{}: {error}", file.path.display());
                findings.problems.push(Problem { place: file.place.clone(), text });
                return None;
            }
        };
        let verifier = Arc::new(Verifier { chain, revocation, names: config.names.clone() });
        Some(Self { verifier, fingerprint, forward_chain: config.forward_chain })
    }

    /// What rustls asks.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::<Verifier>::clone(&self.verifier)
    }

    /// The same for two sites that ask the same of their clients, whose files say the same.
    pub(super) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The file of revocation lists, and when one of them is out of date.
    pub(super) fn expiry(&self) -> Option<(String, i64)> {
        let revocation = self.verifier.revocation.as_ref()?;
        Some((revocation.name.clone(), revocation.ends))
    }

    /// What a client has shown, at the end of its handshake. A session that is taken up brings a
    /// certificate that was verified when it began; it is verified again, because since then it
    /// may have expired or its revocation list gone out of date.
    ///
    /// # Errors
    /// As in a handshake.
    pub(super) fn shown(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        resumed: bool,
        now: UnixTime,
    ) -> Result<Option<ClientCertificate>, TlsError> {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else {
            let required = self.verifier.client_auth_mandatory();
            return if required { Err(TlsError::NoCertificatesPresented) } else { Ok(None) };
        };
        if resumed {
            self.verifier.verify_client_cert(leaf, rest, now)?;
        }
        let rest = if self.forward_chain { rest } else { &[] };
        Ok(Some(ClientCertificate {
            identity: Identity::read(leaf),
            leaf: leaf.to_vec(),
            chain: rest.iter().map(|certificate| certificate.to_vec()).collect(),
        }))
    }
}

/// Whose certificates count.
fn authorities(
    file: &FileAt,
    findings: &mut Findings<'_>,
) -> Option<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let wrong = match bundle(&file.path, findings.files) {
        Ok(bundle) if bundle.1.iter().any(|certificate| is_authority(certificate)) => {
            return Some(bundle);
        }
        Ok(_) => "found no authority, expected the certificates that clients' are signed by \
            (basic constraints CA)"
            .to_owned(),
        Err(error) => error.to_string(),
    };
    let text = format!("{}: {wrong}", file.path.display());
    findings.problems.push(Problem { place: file.place.clone(), text });
    None
}

fn chain_verifier(
    mode: ClientAuthMode,
    roots: RootCertStore,
    revocation: Option<&Revocation>,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::server::VerifierBuilderError> {
    let provider = Arc::new(default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if mode == ClientAuthMode::Optional {
        builder = builder.allow_unauthenticated();
    }
    if let Some(revocation) = revocation {
        // The whole chain, and no list is a refusal: as nginx and HAProxy have it.
        builder = builder.with_crls(revocation.lists.iter().cloned());
        if revocation.stale == StaleCrl::Refuse {
            builder = builder.enforce_revocation_expiration();
        }
    }
    builder.build()
}

/// Everything that decides who is served; sessions of one must not be taken up under another.
fn fingerprint(
    config: &config::ClientAuth,
    certificates: &[CertificateDer<'_>],
    revocation: Option<&Revocation>,
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut parts = |parts: &[&[u8]]| {
        // Lengths first: no two lists of parts read alike.
        context.update(&parts.len().to_be_bytes());
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
    };
    let settings = format!("{:?} {:?} {}", config.mode, config.stale_crl, config.forward_chain);
    parts(&[settings.as_bytes()]);
    parts(&certificates.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let lists = revocation.map_or(&[][..], |revocation| &revocation.lists);
    parts(&lists.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let names: Vec<String> = config.names.iter().map(ToString::to_string).collect();
    parts(&names.iter().map(String::as_bytes).collect::<Vec<_>>());
    let mut fingerprint = [0; 32];
    let digest = context.finish();
    fingerprint.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    fingerprint
}

/// The chain by rustls, then the names.
struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    revocation: Option<Revocation>,
    names: Vec<ClientName>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Verifier {
    fn admits(&self, leaf: &CertificateDer<'_>) -> bool {
        self.names.is_empty()
            || names(leaf).iter().any(|name| self.names.iter().any(|one| one.admits(name)))
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        if let Some(revocation) = &self.revocation {
            revocation.notice_end(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
        let verified = self.chain.verify_client_cert(leaf, intermediates, now)?;
        if self.admits(leaf) {
            return Ok(verified);
        }
        tracing::debug!(identity = ?Identity::read(leaf), "no name of the certificate is allowed");
        // access_denied: a good certificate, but not here (RFC 8446 6.2).
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

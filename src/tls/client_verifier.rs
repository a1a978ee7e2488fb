//! How a client's certificate is verified: the chain and its revocation by rustls, then the names.
//!
//! Built by `client_auth`, asked by rustls in the handshake, so that the client is told there. It
//! must never admit what rustls's own verifier does not.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    identity::{Identity, names},
    revocation::Revocation,
};
use crate::{
    client_name::ClientName,
    config::{ClientAuth, ClientAuthMode, StaleCrl},
};

/// The chain by rustls, then the names.
pub(super) struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    /// What was revoked.
    pub revocation: Option<Revocation>,
    names: Vec<ClientName>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Of a site's clients.
    ///
    /// # Errors
    /// Where a revocation list is not of a kind that rustls can go by.
    pub(super) fn new(
        config: &ClientAuth,
        roots: RootCertStore,
        revocation: Option<Revocation>,
    ) -> Result<Self, VerifierBuilderError> {
        let chain = chain_verifier(config.mode, roots, revocation.as_ref())?;
        Ok(Self { chain, revocation, names: config.names.clone() })
    }

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

fn chain_verifier(
    mode: ClientAuthMode,
    roots: RootCertStore,
    revocation: Option<&Revocation>,
) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
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

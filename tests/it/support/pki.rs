//! Certificates for tests: one authority a process, anything issued from it in memory.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, SignatureAlgorithm, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// A certificate authority that test clients trust.
pub(crate) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key as PEM.
pub(crate) struct Issued {
    chain: String,
    key: String,
}

impl Issued {
    pub(crate) fn chain_pem(&self) -> &str {
        &self.chain
    }

    pub(crate) fn key_pem(&self) -> &str {
        &self.key
    }
}

impl Pki {
    /// The one of this process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Pki> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
        })
    }

    /// For these names, with a key on P-256.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.sign(names, &PKCS_ECDSA_P256_SHA256, |_params| {})
    }

    /// With an RSA key of 2048 bits.
    pub(crate) fn issue_rsa(&self, names: &[&str]) -> Issued {
        self.sign(names, &PKCS_RSA_SHA256, |_params| {})
    }

    /// One that ended long ago.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Issued {
        self.sign(names, &PKCS_ECDSA_P256_SHA256, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// The authority's own certificate.
    pub(crate) fn authority_pem(&self) -> String {
        self.issuer.pem()
    }

    fn sign(
        &self,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A server with a certificate for `names`; it asks clients for one if `mutual`.
    pub(crate) fn server_config(
        &self,
        names: &[&str],
        alpn: &[&str],
        mutual: bool,
    ) -> Arc<ServerConfig> {
        let issued = self.issue(names);
        let certificate = CertificateDer::from_pem_slice(issued.chain_pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A client that trusts this authority and nobody else, and verifies the signature schemes
    /// whose names have this word.
    pub(crate) fn client_config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        verifying: &str,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut provider = aws_lc_rs::default_provider();
        let schemes = &mut provider.signature_verification_algorithms;
        let has_word = |scheme: &rustls::SignatureScheme| {
            scheme.as_str().unwrap().split('_').any(|word| word.starts_with(verifying))
        };
        let some: Vec<_> =
            schemes.mapping.iter().filter(|(scheme, _)| has_word(scheme)).copied().collect();
        schemes.mapping = some.leak();
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

//! Certificates for tests: one authority a process, anything issued from it in memory.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, SignatureAlgorithm, date_time_ymd,
};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs};

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

    /// A client that trusts this authority and nobody else.
    pub(crate) fn client_config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

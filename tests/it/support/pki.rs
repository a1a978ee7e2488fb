//! Certificates for tests: one authority a process, anything issued from it in memory.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    RevokedCertParams, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
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

    /// Its chain in DER, the leaf first.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect()
    }

    /// The same with its issuer's certificate behind it.
    pub(crate) fn behind(mut self, issuer: &Pki) -> Self {
        self.chain.push_str(&issuer.authority_pem());
        self
    }

    /// For a client that shows it to whoever asks.
    pub(crate) fn shown(&self) -> Arc<dyn ResolvesClientCert> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(self.chain(), key)))
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

    /// Another one, with a name of its own.
    pub(crate) fn called(name: &str) -> Self {
        let (params, key) = authority(name);
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// One below this.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = authority(name);
        Self { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap() }
    }

    /// For a client.
    pub(crate) fn client(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        self.sign(&[], &PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            change(params);
        })
    }

    /// Its list of what it has revoked, good until a year begins; in DER.
    pub(crate) fn revokes(&self, serials: &[u64], until: i32) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
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

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().unwrap())
}

//! OCSP responses from files: stapled while they are good, fresh and the certificate's own.

use std::sync::{Arc, Mutex};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{
    client::TlsClient,
    ocsp::{Hash, REVOKED, Said, UNKNOWN},
    pki::Pki,
    private_folder,
    proxy::{self, Proxy},
    soon,
};

/// Keeps what was stapled and trusts everybody.
#[derive(Debug, Default)]
struct Stapled(Mutex<Vec<u8>>);

impl ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = stapled.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// What clients of both versions find stapled.
async fn stapled(proxy: &Proxy) -> [Vec<u8>; 2] {
    let mut found = Vec::new();
    for version in [&TLS12, &TLS13] {
        let kept = Arc::new(Stapled::default());
        let mut config = TlsClient::http1().only(version).config();
        config.dangerous().set_certificate_verifier(Arc::<Stapled>::clone(&kept));
        let stream = TcpStream::connect(proxy.https).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap();
        found.push(kept.0.lock().unwrap().clone());
    }
    found.try_into().unwrap()
}

/// A proxy with a response that `make` gives for its leaf.
fn with(make: impl FnOnce(&CertificateDer<'_>) -> Option<Vec<u8>>) -> Proxy {
    let folder = private_folder();
    let issued = Pki::shared().issue(&["localhost"]);
    let leaf = CertificateDer::from_pem_slice(issued.chain_pem().as_bytes()).unwrap();
    std::fs::write(folder.path().join("own.pem"), issued.chain_pem()).unwrap();
    std::fs::write(folder.path().join("own.key"), issued.key_pem()).unwrap();
    if let Some(response) = make(&leaf) {
        std::fs::write(folder.path().join("own.ocsp"), response).unwrap();
    }
    let text = proxy::base("127.0.0.1:1".parse().unwrap()).replace(
        "[{ chain = \"chain.pem\", key = \"key.pem\" }]",
        "[{ chain = \"own.pem\", key = \"own.key\", ocsp = \"own.ocsp\" }]",
    );
    Proxy::in_folder(&text, folder, |_| {})
}

const LONG_AGO: &str = "20200101000000Z";
const FAR_AWAY: &str = "20700101000000Z";

#[tokio::test]
async fn a_good_one_is_stapled_to_both_versions() {
    let mut response = Vec::new();
    let proxy = with(|leaf| {
        let said = Said::good(leaf, LONG_AGO, FAR_AWAY);
        response = Said { hash: Hash::Sha256, ..said }.response();
        Some(response.clone())
    });
    assert_eq!(stapled(&proxy).await, [response.clone(), response]);
    assert_eq!(proxy.warnings(), "");
}

#[tokio::test]
async fn any_other_is_a_warning_and_clients_are_served_without() {
    type Make = fn(&CertificateDer<'_>) -> Option<Vec<u8>>;
    let cases: [(Make, &str); 6] = [
        (|_| None, "cannot be read"),
        (|_| Some(b"nonsense".to_vec()), "it is no OCSP response"),
        (
            |leaf| Some(Said::good(leaf, LONG_AGO, "20200108000000Z").response()),
            "it counted until Jan  8 00:00:00 2020",
        ),
        (
            |leaf| {
                let said = Said::good(leaf, LONG_AGO, FAR_AWAY);
                Some(Said { status: REVOKED, ..said }.response())
            },
            "it says that the certificate is revoked",
        ),
        (
            |leaf| {
                let said = Said::good(leaf, LONG_AGO, FAR_AWAY);
                Some(Said { status: UNKNOWN, ..said }.response())
            },
            "it says that the responder does not know the certificate",
        ),
        (
            |_| {
                let other = Pki::shared().issue(&["other.example"]);
                let other = CertificateDer::from_pem_slice(other.chain_pem().as_bytes()).unwrap();
                Some(Said::good(&other, LONG_AGO, FAR_AWAY).response())
            },
            "it speaks for another certificate",
        ),
    ];
    for (make, said) in cases {
        let proxy = with(make);
        let warnings = proxy.warnings();
        assert!(warnings.contains("tls.certificates[0].ocsp: "), "{warnings}");
        assert!(warnings.contains(said), "{said}: {warnings}");
        assert_eq!(stapled(&proxy).await, [Vec::<u8>::new(), Vec::new()], "{said}");
    }
}

//! Who a client is by the certificate that it has shown: names and fingerprint, in plain text.
//!
//! Called by `client_auth` once the chain is verified, never before. What a certificate says is
//! its authority's word and partly its owner's wish: no byte of it may break a log line or a
//! header, and what is too long is left out whole, because a name that was cut could be somebody
//! else's.

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{
    certificate::alternative_names,
    subject::{hexadecimal, written},
};
use crate::client_name::AltName;

/// A verified client in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The subject (RFC 4514), where there is one.
    pub subject: Option<Box<str>>,
    /// The first subjectAltName that is a host, a URI or a mailbox.
    pub san: Option<Box<str>>,
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: Box<str>,
}

/// A verified client's certificate, as upstreams are told of it.
#[derive(Debug)]
pub struct ClientCertificate {
    /// In words.
    pub identity: Identity,
    /// The certificate itself in DER.
    pub leaf: Vec<u8>,
    /// What the client sent behind it, where upstreams get that too.
    pub chain: Vec<Vec<u8>>,
}

/// The longest subject that is told.
const LONGEST: usize = 1024;

impl Identity {
    /// What a verified certificate says of its owner.
    pub(super) fn read(der: &CertificateDer<'_>) -> Self {
        let (mut subject, mut san) = (None, None);
        // What rustls has verified can be parsed; were it not so, the fingerprint still says who.
        if let Ok((_, certificate)) = X509Certificate::from_der(der) {
            let text = written(certificate.subject());
            subject = (1..=LONGEST).contains(&text.len()).then(|| text.into());
            san = names_in(&certificate).next().map(|name| name.as_str().into());
        }
        let fingerprint = hexadecimal(digest::digest(&digest::SHA256, der).as_ref()).into();
        Self { subject, san, fingerprint }
    }
}

/// The names that a certificate bears; none where it cannot be understood.
pub(super) fn names(der: &CertificateDer<'_>) -> Vec<AltName> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => names_in(&certificate).collect(),
        Err(_) => Vec::new(),
    }
}

fn names_in<'a>(certificate: &'a X509Certificate<'a>) -> impl Iterator<Item = AltName> + 'a {
    alternative_names(certificate).iter().filter_map(|name| match name {
        GeneralName::DNSName(text) => AltName::dns(text),
        GeneralName::URI(text) => AltName::uri(text),
        GeneralName::RFC822Name(text) => AltName::email(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    use super::{Identity, names};

    fn read(subject: &[(DnType, DnValue)], names: Vec<SanType>) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        Identity::read(params.self_signed(&key).unwrap().der())
    }

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn a_subject_is_written_last_part_first_and_escaped() {
        let subject = [
            (DnType::OrganizationName, utf8(" A, \"B\" + C; <d>\\ ")),
            (DnType::OrganizationalUnitName, utf8("#1\r\nX: y\0")),
            (DnType::CommonName, utf8("Zo\u{eb}")),
        ];
        let told = read(&subject, Vec::new()).subject.unwrap();
        let expected = r#"CN=Zo\c3\ab,OU=\#1\0d\0aX: y\00,O=\ A\, \"B\" \+ C\; \<d\>\\\ "#;
        assert_eq!(&*told, expected);
    }

    #[test]
    fn what_is_no_text_or_has_no_name_is_written_by_its_encoding() {
        let custom = DnType::CustomDnType(vec![1, 2, 3, 4]);
        let bmp = DnValue::BmpString("\u{e9}".try_into().unwrap());
        let subject = [(custom, utf8("a")), (DnType::CommonName, bmp)];
        let told = read(&subject, Vec::new()).subject.unwrap();
        assert_eq!(&*told, "CN=#1e0200e9,1.2.3.4=#0c0161");
    }

    #[test]
    fn what_is_empty_or_too_long_is_left_out_whole() {
        assert_eq!(read(&[], Vec::new()).subject, None);
        let long = [(DnType::CommonName, utf8(&"a".repeat(1022)))];
        assert_eq!(read(&long, Vec::new()).subject, None);
        assert_eq!(read(&long, Vec::new()).fingerprint.len(), 64);
    }

    #[test]
    fn the_first_name_of_a_kind_that_names_clients_is_told() {
        let bad = SanType::DnsName("spiffe://e.com/admin".try_into().unwrap());
        let address = SanType::IpAddress([127, 0, 0, 1].into());
        let uri = SanType::URI("spiffe://e.com/a".try_into().unwrap());
        let dns = SanType::DnsName("A.e.com".try_into().unwrap());
        let told = read(&[], vec![address, bad, uri, dns]);
        assert_eq!(told.san.as_deref(), Some("spiffe://e.com/a"));
        assert!(names(&b"no certificate"[..].into()).is_empty());
    }
}

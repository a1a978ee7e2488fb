//! OCSP responses from a file: read, found to speak for a certificate, stapled while fresh.
//!
//! Called by `certificate` for each certificate that names one. A response that cannot be stapled
//! is a warning and never more: clients are served without. Its signature is the client's to check,
//! as with other servers that staple from a file.

use std::ops::Range;

use aws_lc_rs::digest::{self, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::CertificateDer;
use x509_parser::{
    asn1_rs::{Any, Class, Oid, Tag},
    certificate::X509Certificate,
    oid_registry::{
        OID_HASH_SHA1, OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512,
    },
    prelude::FromDer,
    time::ASN1Time,
};

use crate::{config::FileAt, files::Files};

/// A response that says that a certificate is good.
#[derive(Debug)]
pub(super) struct Staple {
    /// As it is sent.
    pub der: Vec<u8>,
    /// Seconds since 1970 in which it counts.
    pub fresh: Range<i64>,
}

/// Why nothing is stapled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum StapleError {
    #[error("it is no OCSP response (RFC 6960), neither DER nor base64 of it")]
    Unreadable,
    #[error("the responder answered with an error; ask it again")]
    Unsuccessful,
    #[error("it speaks for another certificate")]
    Foreign,
    #[error("it says that the certificate is revoked; replace the certificate")]
    Revoked,
    #[error("it says that the responder does not know the certificate")]
    Unknown,
    #[error("it does not say until when it counts (nextUpdate)")]
    Endless,
    #[error("it counted until {0}; fetch another")]
    Stale(ASN1Time),
    #[error("it counts from {0} on; check the clock")]
    Early(ASN1Time),
}

/// More than any response has.
const LONGEST: u64 = 64 * 1024;

impl Staple {
    /// Reads the response for `leaf`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn load(
        file: &FileAt,
        files: &Files,
        leaf: &CertificateDer<'_>,
        now: i64,
    ) -> Result<Self, String> {
        let path = file.path.display();
        let bytes = files.read(&file.path, LONGEST).map_err(|error| format!("{path}: {error}"))?;
        let staple = Self::read(&bytes, leaf, now);
        staple.map_err(|error| format!("{path}: {error}; nothing is stapled"))
    }

    fn read(bytes: &[u8], leaf: &CertificateDer<'_>, now: i64) -> Result<Self, StapleError> {
        let der = decoded(bytes).ok_or(StapleError::Unreadable)?;
        let (_, leaf) =
            X509Certificate::from_der(leaf).map_err(|_no_certificate| StapleError::Foreign)?;
        let single = single(&der, &leaf)?;
        match single.status {
            GOOD => {}
            REVOKED => return Err(StapleError::Revoked),
            _ => return Err(StapleError::Unknown),
        }
        let (begins, ends) = (single.this_update, single.next_update.ok_or(StapleError::Endless)?);
        match now {
            _ if now >= ends.timestamp() => Err(StapleError::Stale(ends)),
            _ if now < begins.timestamp() => Err(StapleError::Early(begins)),
            _ => Ok(Self { der, fresh: begins.timestamp()..ends.timestamp() }),
        }
    }
}

/// DER, or the base64 of it with or without the lines of PEM.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    const SEQUENCE: u8 = 0x30;
    if bytes.first() == Some(&SEQUENCE) {
        return Some(bytes.to_vec());
    }
    let text = str::from_utf8(bytes).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).ok()
}

/// RFC 6960 4.2.1: the tags of `CertStatus`.
const GOOD: u32 = 0;
const REVOKED: u32 = 1;

/// What a response says about one certificate.
struct Single {
    status: u32,
    this_update: ASN1Time,
    next_update: Option<ASN1Time>,
}

/// What is said about `leaf` in an `OCSPResponse` (RFC 6960 4.2.1).
fn single(der: &[u8], leaf: &X509Certificate<'_>) -> Result<Single, StapleError> {
    use StapleError::{Foreign, Unreadable, Unsuccessful};
    let mut response = Values::of(der).ok_or(Unreadable)?;
    let status = response.take(Tag::Enumerated).ok_or(Unreadable)?;
    if status.data != [0] {
        return Err(Unsuccessful);
    }
    let mut singles = singles(&mut response).ok_or(Unreadable)?;
    while !singles.0.is_empty() {
        let mut one = singles.inside().ok_or(Unreadable)?;
        let mut id = one.inside().ok_or(Unreadable)?;
        if speaks_for(&mut id, leaf).ok_or(Unreadable)? {
            return one.single().ok_or(Unreadable);
        }
    }
    Err(Foreign)
}

/// From behind the status of an `OCSPResponse` down to its list of `SingleResponse`.
fn singles<'a>(response: &mut Values<'a>) -> Option<Values<'a>> {
    let mut bytes = response.tagged(0)?.inside()?;
    // Only one type of response was ever made (id-pkix-ocsp-basic).
    let _type = bytes.take(Tag::Oid)?;
    let basic = bytes.take(Tag::OctetString)?;
    let mut data = Values::of(basic.data)?.inside()?;
    let _version = data.tagged(0);
    let _responder = data.next()?;
    let _produced_at = data.take(Tag::GeneralizedTime)?;
    data.inside()
}

/// Whether a `CertID` means `leaf`; none where it cannot be read.
fn speaks_for(id: &mut Values<'_>, leaf: &X509Certificate<'_>) -> Option<bool> {
    let algorithm = id.inside()?.take(Tag::Oid)?.oid().ok()?;
    let issuer = id.take(Tag::OctetString)?;
    let _issuer_key = id.take(Tag::OctetString)?;
    let serial = id.take(Tag::Integer)?;
    let issued = hash(&algorithm, leaf.issuer().as_raw());
    Some(
        serial.data == leaf.raw_serial() && issued.is_some_and(|hash| hash.as_ref() == issuer.data),
    )
}

fn hash(algorithm: &Oid<'_>, bytes: &[u8]) -> Option<digest::Digest> {
    let algorithm = match algorithm {
        // What responders use nearly always; nothing depends on its strength here.
        one if *one == OID_HASH_SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        one if *one == OID_NIST_HASH_SHA256 => &digest::SHA256,
        one if *one == OID_NIST_HASH_SHA384 => &digest::SHA384,
        one if *one == OID_NIST_HASH_SHA512 => &digest::SHA512,
        _ => return None,
    };
    Some(digest(algorithm, bytes))
}

/// DER values one behind the other.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// Those inside the SEQUENCE that `der` is.
    fn of(der: &'a [u8]) -> Option<Self> {
        Self(der).inside()
    }

    fn next(&mut self) -> Option<Any<'a>> {
        let (rest, value) = Any::from_der(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }

    fn take(&mut self, tag: Tag) -> Option<Any<'a>> {
        self.next().filter(|value| value.tag() == tag && value.class() == Class::Universal)
    }

    /// Those inside the next value, a SEQUENCE.
    fn inside(&mut self) -> Option<Self> {
        self.take(Tag::Sequence).map(|value| Self(value.data))
    }

    /// Those inside the next value if it bears this tag of its context; else it stays.
    fn tagged(&mut self, number: u32) -> Option<Self> {
        let (rest, value) = Any::from_der(self.0).ok()?;
        let is_it = value.class() == Class::ContextSpecific && value.tag() == Tag(number);
        is_it.then(|| {
            self.0 = rest;
            Self(value.data)
        })
    }

    /// A `SingleResponse` behind its `CertID`.
    fn single(&mut self) -> Option<Single> {
        let status = self.next().filter(|status| status.class() == Class::ContextSpecific)?;
        let this_update = self.time()?;
        let next_update = self.tagged(0).and_then(|mut inner| inner.time());
        Some(Single { status: status.tag().0, this_update, next_update })
    }

    fn time(&mut self) -> Option<ASN1Time> {
        let (rest, time) = ASN1Time::from_der(self.0).ok()?;
        self.0 = rest;
        Some(time)
    }
}

#[cfg(test)]
#[path = "../../tests/it/support/ocsp.rs"]
mod samples;

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use std::sync::Arc;

    use super::{
        Staple, StapleError,
        samples::{GOOD, Hash, REVOKED, Said, UNKNOWN},
    };
    use crate::{
        config::{CertificateSource, FileAt, Place},
        files::Files,
        tls::certificate::{Certificate, Findings},
    };

    fn leaf() -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    const DAY: i64 = 86_400;
    /// 2027-01-02
    const NOW: i64 = 1_798_848_000;

    fn said(leaf: &CertificateDer<'_>) -> Said {
        Said::good(leaf, "20270101000000Z", "20270108000000Z")
    }

    #[test]
    fn only_what_is_good_fresh_and_its_own_is_stapled() {
        let leaf = leaf();
        let good = || said(&leaf);
        let read = |said: Said, now| Staple::read(&said.response(), &leaf, now);
        for hash in [Hash::Sha1, Hash::Sha256] {
            let staple = read(Said { hash, ..good() }, NOW).unwrap();
            assert_eq!(staple.fresh, NOW - DAY..NOW + 6 * DAY);
        }
        let refused = |said: Said, now| read(said, now).unwrap_err();
        assert!(matches!(refused(good(), NOW + 6 * DAY), StapleError::Stale(_)));
        assert!(matches!(refused(good(), NOW - DAY - 1), StapleError::Early(_)));
        for (other, error) in [
            (Said { status: REVOKED, ..good() }, StapleError::Revoked),
            (Said { status: UNKNOWN, ..good() }, StapleError::Unknown),
            (Said { next_update: None, ..good() }, StapleError::Endless),
            (Said { serial: vec![1], ..good() }, StapleError::Foreign),
            (Said { issuer: vec![0x30, 0], ..good() }, StapleError::Foreign),
        ] {
            assert_eq!(refused(other, NOW), error);
        }
        assert_eq!(Said { status: GOOD, ..good() }.response(), good().response());
    }

    #[test]
    fn der_pem_and_base64_are_read_and_nothing_else() {
        use base64::Engine;
        let leaf = leaf();
        let bytes = said(&leaf).response();
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let pem = pem::encode(&pem::Pem::new("OCSP RESPONSE", bytes.clone()));
        for good in [bytes.as_slice(), text.as_bytes(), pem.as_bytes()] {
            assert_eq!(Staple::read(good, &leaf, NOW).unwrap().der, bytes);
        }
        for length in 0..bytes.len() {
            assert!(Staple::read(&bytes[..length], &leaf, NOW).is_err(), "{length}");
        }
        let refused = |bytes: &[u8]| Staple::read(bytes, &leaf, NOW).unwrap_err();
        assert_eq!(refused(b"x"), StapleError::Unreadable);
        // tryLater
        assert_eq!(refused(&[0x30, 3, 0x0a, 1, 3]), StapleError::Unsuccessful);
    }

    #[test]
    fn a_response_is_served_exactly_while_it_is_fresh() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let leaf = params.self_signed(&key).unwrap();
        let response = Said::good(leaf.der(), "20270101000000Z", "20270103000000Z").response();
        let [chain, private, ocsp] =
            ["c.pem", "k.pem", "o.der"].map(|name| folder.path().join(name));
        std::fs::write(&chain, leaf.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        std::fs::write(&ocsp, &response).unwrap();
        let place = Place { file: Arc::default(), line: 1, column: 1, key: "k".into() };
        let ocsp = Some(FileAt { path: ocsp, place: place.clone() });
        let (chain_place, key_place) = (place.clone(), place);
        let source = CertificateSource::Files { chain, key: private, ocsp, chain_place, key_place };
        let files = Files::default();
        let mut findings = Findings::new(&files, NOW);
        let loaded = Certificate::load(&source, &mut findings).unwrap();
        assert_eq!(findings.problems, []);
        for (now, fresh) in
            [(-DAY - 1, false), (-DAY, true), (0, true), (DAY - 1, true), (DAY, false)]
        {
            let served = loaded.served(NOW + now);
            assert_eq!(served.ocsp.as_ref(), fresh.then_some(&response), "{now}");
            assert_eq!(served.cert, loaded.key.cert);
        }
    }
}

//! A chain and its key: read, checked against each other, the clock and common sense.
//!
//! Called by `sites` for each certificate of a configuration. Everything wrong with it is named
//! with its file and key; what is only doubtful is a warning.

use std::{net::IpAddr, ops::Range, path::Path, sync::Arc};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, oid_registry, prelude::FromDer,
    public_key::PublicKey,
};

use super::{
    expiry::{Ending, Expiring},
    ocsp::Staple,
    pem,
};
use crate::{
    config::{CertificateSource, Place, Problem},
    files::{self, FileError, Files},
    host::{Host, HostPattern},
    policy::KeyKind,
};

/// A certificate that can be served.
#[derive(Debug)]
pub(super) struct Certificate {
    /// Under which name metrics and problems show it.
    pub name: String,
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// The same with an OCSP response, and when that counts, in seconds since 1970.
    stapled: Option<(Arc<CertifiedKey>, Range<i64>)>,
    /// The kind of its key.
    pub kind: KeyKind,
    /// Host names that it covers.
    pub names: Vec<HostPattern>,
    /// Addresses that it covers.
    pub addresses: Vec<IpAddr>,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
}

/// What certificates are read with, and what was found while reading them.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    /// What reads files.
    pub(super) files: &'a Files,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// With these nothing can be served.
    pub problems: Vec<Problem>,
    /// With these it can.
    pub warnings: Vec<Problem>,
}

impl Certificate {
    /// Reads and checks one; none where there is a problem.
    pub(super) fn load(source: &CertificateSource, findings: &mut Findings<'_>) -> Option<Self> {
        let (name, places) = named(source);
        let files = findings.files;
        let chain = text(source, Part::Chain, files).and_then(|text| Ok(pem::chain(&text)?));
        let key = text(source, Part::Key, files).and_then(|text| Ok(pem::key(&text)?));
        let chain = findings.keep(chain, &places.chain, &path(source, Part::Chain));
        let key = findings.keep(key, &places.key, &path(source, Part::Key));
        warn_of_readers(source, &places, findings);
        let (mut chain, key) = (chain?, key?);
        mend_order(&mut chain, &name, &places, findings);
        let leaf = Leaf::read(chain.first()?);
        let leaf = findings.keep(leaf, &places.chain, &name)?;
        let dated = leaf.check_dates(findings.now);
        findings.keep(dated, &places.chain, &name)?;
        if leaf.kind == KeyKind::Rsa && leaf.bits < LEAST_RSA {
            let weak = Err(CertificateError::WeakRsa(leaf.bits));
            findings.keep::<()>(weak, &places.chain, &name);
        }
        let certified = certify(chain, key);
        let certified = findings.keep(certified, &places.key, &path(source, Part::Key))?;
        let stapled = stapled(source, &certified, findings);
        let key = Arc::new(certified);
        let Leaf { kind, names, addresses, expires, .. } = leaf;
        Some(Self { name, key, stapled, kind, names, addresses, expires })
    }

    /// What is served at a time: with an OCSP response while that is fresh.
    #[must_use]
    pub(super) fn served(&self, now: i64) -> &Arc<CertifiedKey> {
        match &self.stapled {
            Some((stapled, fresh)) if fresh.contains(&now) => stapled,
            _ => &self.key,
        }
    }

    /// When it ends, and its OCSP response.
    pub(super) fn endings(&self) -> impl Iterator<Item = Ending> {
        let ending = |kind, ends| Ending { kind, name: self.name.clone(), ends };
        let staple = self.stapled.as_ref().map(|(_, fresh)| ending(Expiring::Staple, fresh.end));
        [ending(Expiring::Certificate, self.expires)].into_iter().chain(staple)
    }

    /// Whether a client that asks for `host` accepts this certificate's names.
    #[must_use]
    pub(super) fn covers(&self, host: &Host) -> bool {
        let parent = host.as_str().split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name {
            HostPattern::Exact(exact) => exact == host,
            HostPattern::Wildcard(suffix) => parent == Some(suffix.as_str()),
            HostPattern::Any => false,
        }) || host.ip().is_some_and(|address| self.addresses.contains(&address))
    }

    /// Whether it covers everything that a pattern names.
    #[must_use]
    pub(super) fn covers_pattern(&self, pattern: &HostPattern) -> bool {
        match pattern {
            HostPattern::Exact(host) => self.covers(host),
            HostPattern::Wildcard(_) => self.names.contains(pattern),
            HostPattern::Any => true,
        }
    }
}

/// RFC 9325 4.5.
const LEAST_RSA: usize = 2048;

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
enum CertificateError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{source}{}", cause(.source))]
    Pem {
        #[from]
        source: pem::PemError,
    },
    #[error("the certificate cannot be understood: {0}")]
    Invalid(#[source] x509_parser::nom::Err<x509_parser::error::X509Error>),
    #[error("the certificate's key is of a kind that is not served; use ECDSA P-256 or RSA")]
    UnknownKey,
    #[error("the certificate expired on {0}; replace it")]
    Expired(String),
    #[error("the certificate is not valid before {0}; check the clock or use the one in force")]
    NotYet(String),
    #[error("the certificate's RSA key has {0} bits; at least 2048 are needed (RFC 9325)")]
    WeakRsa(usize),
    #[error("the key cannot be used: {0}")]
    Key(#[source] rustls::Error),
    #[error("the key does not belong to the certificate in the chain file")]
    Mismatch,
}

fn cause(error: &pem::PemError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

impl<'a> Findings<'a> {
    pub(super) fn new(files: &'a Files, now: i64) -> Self {
        Self { files, now, problems: Vec::new(), warnings: Vec::new() }
    }

    fn keep<T>(
        &mut self,
        result: Result<T, CertificateError>,
        place: &Place,
        file: &str,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let text = format!("{file}: {error}");
                self.problems.push(Problem { place: place.clone(), text });
                None
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Chain,
    Key,
}

/// Where chain and key stand in the configuration.
struct Places {
    chain: Place,
    key: Place,
}

fn named(source: &CertificateSource) -> (String, Places) {
    let places = match source {
        CertificateSource::Files { chain_place, key_place, .. } => {
            Places { chain: chain_place.clone(), key: key_place.clone() }
        }
        CertificateSource::Memory { name, .. } => {
            let place = Place { file: Arc::default(), line: 1, column: 1, key: name.clone() };
            Places { chain: place.clone(), key: place }
        }
    };
    (path(source, Part::Chain), places)
}

fn path(source: &CertificateSource, part: Part) -> String {
    match (source, part) {
        (CertificateSource::Files { chain, .. }, Part::Chain) => chain.display().to_string(),
        (CertificateSource::Files { key, .. }, Part::Key) => key.display().to_string(),
        (CertificateSource::Memory { name, .. }, _) => name.clone(),
    }
}

/// More than any chain or key has.
const LONGEST: u64 = 1 << 20;

fn text(
    source: &CertificateSource,
    part: Part,
    files: &Files,
) -> Result<Vec<u8>, CertificateError> {
    let read = |path: &Path| Ok(files.read(path, LONGEST)?);
    match (source, part) {
        (CertificateSource::Files { chain, .. }, Part::Chain) => read(chain),
        (CertificateSource::Files { key, .. }, Part::Key) => read(key),
        (CertificateSource::Memory { chain, .. }, Part::Chain) => Ok(chain.clone().into_bytes()),
        (CertificateSource::Memory { key, .. }, Part::Key) => Ok(key.clone().into_bytes()),
    }
}

/// rustls's own signing key also tells whether the two belong together.
fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, CertificateError> {
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(CertificateError::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(CertificateError::Mismatch)
        }
        Err(error) => Err(CertificateError::Key(error)),
    }
}

/// A key that others on this machine may read.
fn warn_of_readers(source: &CertificateSource, places: &Places, findings: &mut Findings<'_>) {
    if let CertificateSource::Files { key, .. } = source {
        let place = places.key.clone();
        let text = files::readers_warning(key);
        findings.warnings.extend(text.map(|text| Problem { place, text }));
    }
}

/// The certificate with the OCSP response of its file, where that can be stapled.
fn stapled(
    source: &CertificateSource,
    certified: &CertifiedKey,
    findings: &mut Findings<'_>,
) -> Option<(Arc<CertifiedKey>, Range<i64>)> {
    let CertificateSource::Files { ocsp: Some(file), .. } = source else { return None };
    let leaf = certified.cert.first()?;
    match Staple::load(file, findings.files, leaf, findings.now) {
        Ok(Staple { der, fresh }) => {
            let stapled = CertifiedKey { ocsp: Some(der), ..certified.clone() };
            Some((Arc::new(stapled), fresh))
        }
        Err(text) => {
            findings.warnings.push(Problem { place: file.place.clone(), text });
            None
        }
    }
}

/// A chain file that begins with its issuers is served leaf first all the same.
fn mend_order(
    chain: &mut [CertificateDer<'static>],
    name: &str,
    places: &Places,
    findings: &mut Findings<'_>,
) {
    let leaf = chain.iter().position(|der| !is_authority(der));
    if let Some(leaf) = leaf.filter(|leaf| *leaf > 0) {
        // `leaf` is a position in `chain`.
        if let Some(front) = chain.get_mut(..=leaf) {
            front.reverse();
        }
        let text =
            format!("{name}: the chain does not begin with the leaf; served in the right order");
        findings.warnings.push(Problem { place: places.chain.clone(), text });
    }
}

/// Whether a certificate may sign others.
pub(super) fn is_authority(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.is_ca())
}

/// What a leaf says of itself.
struct Leaf {
    kind: KeyKind,
    bits: usize,
    names: Vec<HostPattern>,
    addresses: Vec<IpAddr>,
    begins: i64,
    expires: i64,
    dates: (String, String),
}

impl Leaf {
    fn read(der: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(CertificateError::Invalid)?;
        let kind = kind(&certificate).ok_or(CertificateError::UnknownKey)?;
        let bits = certificate.public_key().parsed().map_or(0, |key| key.key_size());
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for name in alternative_names(&certificate) {
            match name {
                GeneralName::DNSName(name) => names.extend(HostPattern::parse(name)),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let validity = certificate.validity();
        Ok(Self {
            kind,
            bits,
            names,
            addresses,
            begins: validity.not_before.timestamp(),
            expires: validity.not_after.timestamp(),
            dates: (validity.not_before.to_string(), validity.not_after.to_string()),
        })
    }

    fn check_dates(&self, now: i64) -> Result<(), CertificateError> {
        let (begins, ends) = &self.dates;
        if now > self.expires {
            Err(CertificateError::Expired(ends.clone()))
        } else if now < self.begins {
            Err(CertificateError::NotYet(begins.clone()))
        } else {
            Ok(())
        }
    }
}

/// What else than its subject a certificate is called.
pub(super) fn alternative_names<'a>(certificate: &'a X509Certificate<'a>) -> &'a [GeneralName<'a>] {
    match certificate.subject_alternative_name() {
        Ok(Some(extension)) => &extension.value.general_names,
        Ok(None) | Err(_) => &[],
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_other_length| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn kind(certificate: &X509Certificate<'_>) -> Option<KeyKind> {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(_)) => Some(KeyKind::Rsa),
        Ok(PublicKey::EC(_)) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            match curve {
                _ if curve == oid_registry::OID_EC_P256 => Some(KeyKind::P256),
                _ if curve == oid_registry::OID_NIST_EC_P384 => Some(KeyKind::P384),
                _ if curve == oid_registry::OID_NIST_EC_P521 => Some(KeyKind::P521),
                _ => None,
            }
        }
        _ if info.algorithm.algorithm == oid_registry::OID_SIG_ED25519 => Some(KeyKind::Ed25519),
        _ => None,
    }
}

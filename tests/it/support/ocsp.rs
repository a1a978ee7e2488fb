//! OCSP responses for tests, as a responder would write them (RFC 6960 4.2.1).
//!
//! Included by unit tests and by integration tests alike, so it imports nothing of the crate. The
//! signature is none: whoever staples a response from a file leaves that to the client.

use aws_lc_rs::digest;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// What a response says of one certificate.
pub(crate) struct Said {
    pub(crate) hash: Hash,
    pub(crate) status: &'static [u8],
    pub(crate) serial: Vec<u8>,
    /// The issuer's name in DER.
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: String,
    pub(crate) next_update: Option<String>,
}

/// What the issuer's name is hashed with.
#[derive(Clone, Copy)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

pub(crate) const GOOD: &[u8] = &[0x80, 0];
/// At 2027-01-01.
pub(crate) const REVOKED: &[u8] = b"\xa1\x11\x18\x0f20270101000000Z";
pub(crate) const UNKNOWN: &[u8] = &[0x82, 0];

impl Said {
    /// That a certificate is good, between two times such as `20270101000000Z`.
    pub(crate) fn good(leaf: &[u8], this_update: &str, next_update: &str) -> Self {
        let (_, leaf) = X509Certificate::from_der(leaf).unwrap();
        Self {
            hash: Hash::Sha1,
            status: GOOD,
            serial: leaf.raw_serial().to_vec(),
            issuer: leaf.issuer().as_raw().to_vec(),
            this_update: this_update.to_owned(),
            next_update: Some(next_update.to_owned()),
        }
    }

    /// The response in DER.
    pub(crate) fn response(&self) -> Vec<u8> {
        let (algorithm, oid): (_, &[u8]) = match self.hash {
            Hash::Sha1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, &[0x2b, 0x0e, 0x03, 0x02, 0x1a]),
            Hash::Sha256 => {
                (&digest::SHA256, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01])
            }
        };
        let issuer = digest::digest(algorithm, &self.issuer);
        let algorithm = value(0x30, &[&value(6, &[oid])]);
        let octets = |bytes| value(4, &[bytes]);
        let id =
            [&algorithm, &octets(issuer.as_ref()), &octets(&[0; 20]), &value(2, &[&self.serial])];
        let id = value(0x30, &id.map(Vec::as_slice));
        let time = |text: &str| value(0x18, &[text.as_bytes()]);
        let this = time(&self.this_update);
        let next = self.next_update.as_deref().map(|next| value(0xa0, &[&time(next)]));
        let single = value(0x30, &[&id, self.status, &this, &next.unwrap_or_default()]);
        let responder = value(0xa2, &[&octets(&[1; 20])]);
        let data = value(0x30, &[&responder, &this, &value(0x30, &[&single])]);
        let basic = value(0x30, &[&data, &algorithm, &value(3, &[&[0, 1, 2]])]);
        let kind = value(6, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]]);
        let bytes = value(0x30, &[&kind, &octets(&basic)]);
        value(0x30, &[&[0x0a, 1, 0], &value(0xa0, &[&bytes])])
    }
}

/// One DER value.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => bytes.push(length),
        _ => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

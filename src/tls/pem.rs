//! PEM files: chains, keys and revocation lists, and what is wrong with a file that has none.
//!
//! The only file that names rustls-pemfile, which is archived (RUSTSEC-2025-0134, see deny.toml).
//! Called by `certificate`, `authorities` and `revocation`. No key material may get into an error.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls_pemfile::Item;

/// What is wrong with PEM text.
#[derive(Debug, thiserror::Error)]
pub(super) enum PemError {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// No PEM block at all.
    #[error(
        "found no PEM block; convert DER with `openssl x509 -inform der` or `openssl pkey -inform der`"
    )]
    NotPem,
    /// A block that cannot be read.
    #[error("found a PEM block that cannot be read")]
    Broken(#[source] std::io::Error),
    /// A key where a chain should be.
    #[error("found a private key, expected certificates; are chain and key swapped?")]
    KeyForChain,
    /// Certificates where a key should be.
    #[error("found certificates, expected a private key; are chain and key swapped?")]
    ChainForKey,
    /// Something else.
    #[error("found no certificate")]
    NoCertificate,
    /// Something else.
    #[error("found no private key (PKCS#8, PKCS#1 or SEC1)")]
    NoKey,
    /// A passphrase would be needed.
    #[error("the private key is encrypted; decrypt it with `openssl pkey -in FILE -out FILE`")]
    EncryptedKey,
    /// Something else.
    #[error("found no revocation list (X509 CRL, or DER)")]
    NoList,
    /// Which one?
    #[error("found {0} private keys, expected one")]
    ManyKeys(usize),
}

/// The certificates in `text`, in their order.
///
/// # Errors
/// Where there are none, or a block cannot be read.
pub(super) fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let items = items(text)?;
    let has_key = items.iter().any(is_key);
    let certificates: Vec<_> = items.into_iter().filter_map(certificate).collect();
    match certificates.is_empty() {
        false => Ok(certificates),
        true if has_key => Err(PemError::KeyForChain),
        true => Err(PemError::NoCertificate),
    }
}

/// The one private key in `text`.
///
/// # Errors
/// Where there is none, more than one, or one that is encrypted.
pub(super) fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let items = match items(text) {
        // The older form has fields in front of the base64, which nobody reads.
        Err(PemError::Broken(_)) if is_encrypted(text) => return Err(PemError::EncryptedKey),
        items => items?,
    };
    let has_certificate = items.iter().any(|item| matches!(item, Item::X509Certificate(_)));
    let mut keys: Vec<_> = items.into_iter().filter_map(private_key).collect();
    match (keys.len(), keys.pop()) {
        (1, Some(key)) => Ok(key),
        (0, _) if is_encrypted(text) => Err(PemError::EncryptedKey),
        (0, _) if has_certificate => Err(PemError::ChainForKey),
        (0, _) => Err(PemError::NoKey),
        (count, _) => Err(PemError::ManyKeys(count)),
    }
}

/// The revocation lists in a file: PEM, or one in DER, as authorities publish it.
///
/// # Errors
/// Where there is none, or a block cannot be read.
pub(super) fn revocation_lists(
    bytes: Vec<u8>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    /// What each value in DER of this kind begins with.
    const SEQUENCE: u8 = 0x30;
    if bytes.first() == Some(&SEQUENCE) {
        return Ok(vec![bytes.into()]);
    }
    let lists = items(&bytes)?.into_iter().filter_map(|item| match item {
        Item::Crl(list) => Some(list),
        _ => None,
    });
    let lists: Vec<_> = lists.collect();
    if lists.is_empty() { Err(PemError::NoList) } else { Ok(lists) }
}

fn items(mut text: &[u8]) -> Result<Vec<Item>, PemError> {
    if text.trim_ascii().is_empty() {
        return Err(PemError::Empty);
    }
    if !contains(text, b"-----BEGIN ") {
        return Err(PemError::NotPem);
    }
    rustls_pemfile::read_all(&mut text).collect::<Result<_, _>>().map_err(PemError::Broken)
}

fn certificate(item: Item) -> Option<CertificateDer<'static>> {
    match item {
        Item::X509Certificate(certificate) => Some(certificate),
        _ => None,
    }
}

fn private_key(item: Item) -> Option<PrivateKeyDer<'static>> {
    match item {
        Item::Pkcs8Key(key) => Some(key.into()),
        Item::Pkcs1Key(key) => Some(key.into()),
        Item::Sec1Key(key) => Some(key.into()),
        _ => None,
    }
}

fn is_key(item: &Item) -> bool {
    matches!(item, Item::Pkcs8Key(_) | Item::Pkcs1Key(_) | Item::Sec1Key(_))
}

/// PKCS#8 says so in its label, the older form in a header of the block.
fn is_encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY") || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::{PemError, chain, key};

    #[test]
    fn what_is_no_pem_is_told_apart() {
        assert!(matches!(chain(b" \n"), Err(PemError::Empty)));
        assert!(matches!(key(b"\x30\x82\x01\x01"), Err(PemError::NotPem)));
        let encrypted =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(matches!(key(encrypted), Err(PemError::EncryptedKey)));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(chain(broken), Err(PemError::Broken(_))));
    }
}

//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440): a verified client's certificate for upstreams.
//!
//! Called once a connection by `client`. What a client itself sends under these names is removed
//! by `headers` from every request, whether its site asks for certificates or not.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{HeaderName, HeaderValue};

use crate::tls::ClientCertificate;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// More than upstreams take beside everything else in a head; many give up at 16 KiB.
const LONGEST: usize = 16 * 1024;

/// The fields that tell of a certificate. One that is too long is left out whole: to an upstream
/// the client is then nobody, and never somebody else.
pub(super) fn fields(
    certificate: &ClientCertificate,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let leaf = item(&certificate.leaf);
    let chain = certificate.chain.iter().map(|certificate| item(certificate));
    let chain = chain.collect::<Vec<_>>().join(", ");
    let room = LONGEST.saturating_sub(leaf.len());
    let fields = [(CLIENT_CERT, leaf, LONGEST), (CLIENT_CERT_CHAIN, chain, room)];
    fields.into_iter().filter_map(|(name, value, most)| {
        if value.len() > most {
            tracing::debug!(%name, bytes = value.len(), "too long for a header: left out");
            return None;
        }
        // A chain of none is no field; colons, commas and base64 fit any.
        let value = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

/// A byte sequence (RFC 9651 3.3.5).
fn item(der: &[u8]) -> String {
    format!(":{}:", BASE64_STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::fields;
    use crate::tls::{ClientCertificate, Identity};

    fn told(leaf: usize, chain: &[usize]) -> Vec<(String, String)> {
        let identity = Identity { subject: None, san: None, fingerprint: "".into() };
        let chain = chain.iter().map(|length| vec![0; *length]).collect();
        let certificate = ClientCertificate { identity, leaf: vec![0xfb; leaf], chain };
        let text = |(name, value): (super::HeaderName, super::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        fields(&certificate).map(text).collect()
    }

    #[test]
    fn each_certificate_is_a_byte_sequence() {
        let leaf = ("client-cert".to_owned(), ":+/v7+w==:".to_owned());
        assert_eq!(told(4, &[]), std::slice::from_ref(&leaf));
        let chain = ("client-cert-chain".to_owned(), ":AAA=:, :AA==:".to_owned());
        assert_eq!(told(4, &[2, 1]), [leaf, chain]);
    }

    #[test]
    fn what_is_too_long_for_a_head_is_left_out() {
        let names = |leaf, chain: &[usize]| -> Vec<String> {
            told(leaf, chain).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(1000, &[5000, 5000]), ["client-cert", "client-cert-chain"]);
        assert_eq!(names(1000, &[6000, 6000]), ["client-cert"]);
        assert!(names(13_000, &[]).is_empty());
    }
}

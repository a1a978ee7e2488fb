//! Numbers of hellos by their IANA names, for people who read what their client offers.
//!
//! Pure tables of what clients really send; a number that is not in them is shown as a number.
//! Nothing is decided by a name.

use super::is_grease;

/// A cipher suite's name (RFC 8447 and its registry).
#[must_use]
pub fn suite(number: u16) -> Option<&'static str> {
    const NAMES: &[(u16, &str)] = &[
        (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
        (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
        (0x0009, "TLS_RSA_WITH_DES_CBC_SHA"),
        (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
        (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
        (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
        (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
        (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
        (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
        (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
        (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
        (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        (0x1301, "TLS_AES_128_GCM_SHA256"),
        (0x1302, "TLS_AES_256_GCM_SHA384"),
        (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
        (0x1304, "TLS_AES_128_CCM_SHA256"),
        (0x5600, "TLS_FALLBACK_SCSV"),
        (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
        (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
        (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
        (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
        (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
        (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
        (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
        (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
        (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ];
    named(NAMES, number)
}

/// A group's name.
#[must_use]
pub fn group(number: u16) -> Option<&'static str> {
    const NAMES: &[(u16, &str)] = &[
        (0x0015, "secp224r1"),
        (0x0016, "secp256k1"),
        (0x0017, "secp256r1"),
        (0x0018, "secp384r1"),
        (0x0019, "secp521r1"),
        (0x001d, "x25519"),
        (0x001e, "x448"),
        (0x0100, "ffdhe2048"),
        (0x0101, "ffdhe3072"),
        (0x0102, "ffdhe4096"),
        (0x0103, "ffdhe6144"),
        (0x0104, "ffdhe8192"),
        (0x0201, "MLKEM768"),
        (0x11eb, "SecP256r1MLKEM768"),
        (0x11ec, "X25519MLKEM768"),
        (0x11ed, "SecP384r1MLKEM1024"),
    ];
    named(NAMES, number)
}

/// A signature scheme's name (RFC 8446 4.2.3; the older pairs of RFC 5246 have none there).
#[must_use]
pub fn scheme(number: u16) -> Option<&'static str> {
    const NAMES: &[(u16, &str)] = &[
        (0x0201, "rsa_pkcs1_sha1"),
        (0x0203, "ecdsa_sha1"),
        (0x0401, "rsa_pkcs1_sha256"),
        (0x0403, "ecdsa_secp256r1_sha256"),
        (0x0501, "rsa_pkcs1_sha384"),
        (0x0503, "ecdsa_secp384r1_sha384"),
        (0x0601, "rsa_pkcs1_sha512"),
        (0x0603, "ecdsa_secp521r1_sha512"),
        (0x0804, "rsa_pss_rsae_sha256"),
        (0x0805, "rsa_pss_rsae_sha384"),
        (0x0806, "rsa_pss_rsae_sha512"),
        (0x0807, "ed25519"),
        (0x0808, "ed448"),
        (0x0809, "rsa_pss_pss_sha256"),
        (0x080a, "rsa_pss_pss_sha384"),
        (0x080b, "rsa_pss_pss_sha512"),
        (0x0904, "mldsa44"),
        (0x0905, "mldsa65"),
        (0x0906, "mldsa87"),
    ];
    named(NAMES, number)
}

fn named(names: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    if is_grease(number) {
        return Some("GREASE");
    }
    let at = names.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    names.get(at).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::{group, scheme, suite};
    use crate::{
        label::Label,
        session::{Cipher, Group},
    };

    #[test]
    fn what_is_served_has_the_same_name_here() {
        for number in 0..=u16::MAX {
            for (ours, name) in [
                (Cipher::from_wire(number).as_str(), suite(number)),
                (Group::from_wire(number).as_str(), group(number)),
            ] {
                assert!(ours == "other" || name == Some(ours), "{number:#06x}");
            }
        }
        assert!(Cipher::ALL.len() > 9);
    }

    #[test]
    fn known_unknown_and_grease() {
        assert_eq!(suite(0x5600), Some("TLS_FALLBACK_SCSV"));
        assert_eq!(scheme(0x0804), Some("rsa_pss_rsae_sha256"));
        assert_eq!((suite(0xfefe), group(0x4242)), (None, None));
        assert_eq!((suite(0x3a3a), scheme(0xfafa)), (Some("GREASE"), Some("GREASE")));
    }
}

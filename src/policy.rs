//! Whether a hello holds a policy: would a handshake with it succeed, and if not, why.
//!
//! Pure; asked once a connection by `greet` for the floor, and for each policy that only counts. It mirrors
//! how rustls chooses, so that what passes here is served there; where the two differ, rustls has
//! the last word, for it may only refuse more.

use crate::{
    config::{CertificateKind, WhatIf},
    hello::{Alert, Format, Hello},
    label::labels,
    session::Cipher,
    version::{Offered, TlsVersion},
};

/// What is required of a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The floor.
    pub minimum: TlsVersion,
    /// What there is to agree on.
    pub served: Served,
}

impl Policy {
    /// What would be asked of a hello if `what_if` were in force beside it.
    #[must_use]
    pub fn under(&self, what_if: &WhatIf) -> Self {
        let minimum = what_if.minimum.map_or(self.minimum, |minimum| minimum.max(self.minimum));
        let Served { suites, groups, keys } = &self.served;
        let allowed =
            |suite: &&Suite| !what_if.ban_suites.contains(&Cipher::from_wire(suite.number));
        let kept = |key: &&KeyKind| match what_if.without_certificates {
            None => true,
            Some(CertificateKind::Rsa) => **key != KeyKind::Rsa,
            Some(CertificateKind::Ecdsa) => **key == KeyKind::Rsa,
        };
        let required: Vec<u16> = what_if.groups.iter().map(|group| group.number).collect();
        let served = Served {
            suites: suites.iter().filter(allowed).copied().collect(),
            groups: if required.is_empty() { groups.clone() } else { required },
            keys: keys.iter().filter(kept).copied().collect(),
        };
        Self { minimum, served }
    }
}

/// What a site can do, in numbers of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Cipher suites.
    pub suites: Vec<Suite>,
    /// Key exchange groups.
    pub groups: Vec<u16>,
    /// The keys of the certificates.
    pub keys: Vec<KeyKind>,
}

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its number.
    pub number: u16,
    /// The version it belongs to.
    pub version: TlsVersion,
    /// What kind of key it needs; in TLS 1.3 any.
    pub auth: Auth,
}

/// What kind of key a suite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Any kind.
    Any,
    /// RSA.
    Rsa,
    /// ECDSA or Ed25519 (RFC 8422 2.2).
    Ecdsa,
}

/// A certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The signature schemes that the key can make (RFC 8446 4.2.3; PKCS#1 only below 1.3).
    const fn schemes(self, version: TlsVersion) -> &'static [u16] {
        match (self, version) {
            (Self::Rsa, TlsVersion::Tls13) => &[0x0804, 0x0805, 0x0806],
            (Self::Rsa, TlsVersion::Tls12) => &[0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601],
            (Self::P256, _) => &[0x0403],
            (Self::P384, _) => &[0x0503],
            (Self::P521, _) => &[0x0603],
            (Self::Ed25519, _) => &[0x0807],
        }
    }

    fn serves(self, auth: Auth) -> bool {
        match auth {
            Auth::Any => true,
            Auth::Rsa => self == Self::Rsa,
            Auth::Ecdsa => self != Self::Rsa,
        }
    }
}

labels! {
    /// The first reason by which a hello fails, in the order in which they are looked at.
    pub enum Reason {
        /// No version at or above the floor.
        Version = "version",
        /// No cipher suite in common.
        Cipher = "cipher",
        /// No key exchange group in common.
        Group = "group",
        /// No certificate whose signature the client can check.
        Signature = "signature",
        /// No hello that can be read.
        Malformed = "malformed",
        /// No TLS at all: plain HTTP, in the census of `plain_http.rollout`.
        Plaintext = "plaintext",
    }
}

/// Whether a hello holds a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail(Failure),
}

/// Why not, and what its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// In the client's words.
    pub alert: Alert,
}

/// Whether a handshake with the sender of `hello` would succeed under `policy`.
#[must_use]
pub fn judge(policy: &Policy, hello: &Hello) -> Verdict {
    let fail = |reason, alert| Verdict::Fail(Failure { reason, alert });
    let Some(version) = choose_version(policy, hello) else {
        let alert = if is_inappropriate_fallback(hello) {
            Alert::InappropriateFallback
        } else {
            Alert::ProtocolVersion
        };
        return fail(Reason::Version, alert);
    };
    if is_inappropriate_fallback(hello) {
        return fail(Reason::Version, Alert::InappropriateFallback);
    }
    let served = &policy.served;
    let shared = |auth_of: KeyKind| {
        let mut suites = served.suites.iter().filter(|suite| suite.version == version);
        suites.any(|suite| auth_of.serves(suite.auth) && hello.suites.contains(&suite.number))
    };
    if !served.keys.iter().any(|key| shared(*key)) {
        return fail(Reason::Cipher, Alert::HandshakeFailure);
    }
    if !shares_group(served, hello, version) {
        return fail(Reason::Group, Alert::HandshakeFailure);
    }
    let schemes = hello.signature_schemes.as_deref().unwrap_or_default();
    let signs = |key: KeyKind| key.schemes(version).iter().any(|scheme| schemes.contains(scheme));
    if served.keys.iter().any(|key| shared(*key) && signs(*key)) {
        Verdict::Pass
    } else {
        fail(Reason::Signature, Alert::HandshakeFailure)
    }
}

/// The highest version that both have; what is chosen is final, there is no second try.
fn choose_version(policy: &Policy, hello: &Hello) -> Option<TlsVersion> {
    if hello.format == Format::Sslv2 {
        return None;
    }
    let both = |version: &&TlsVersion| **version >= policy.minimum && hello.offers(version.wire());
    TlsVersion::ALL.iter().rev().find(both).copied()
}

/// RFC 7507 3: a client that says it fell back, although we can do better than it offers.
fn is_inappropriate_fallback(hello: &Hello) -> bool {
    hello.is_fallback() && hello.offered() < Offered::Tls13
}

/// A group that both have; and in TLS 1.3 a key share field at all, in TLS 1.2 points as we write
/// them (RFC 8422 5.1.2).
fn shares_group(served: &Served, hello: &Hello, version: TlsVersion) -> bool {
    const UNCOMPRESSED: u8 = 0;
    let groups = hello.groups.as_deref().unwrap_or_default();
    let usable = |group: &u16| groups.contains(group) && is_usable(*group, version);
    served.groups.iter().any(usable)
        && match version {
            TlsVersion::Tls13 => hello.key_shares.is_some(),
            TlsVersion::Tls12 => {
                hello.point_formats.as_ref().is_none_or(|formats| formats.contains(&UNCOMPRESSED))
            }
        }
}

/// Post-quantum hybrids are for TLS 1.3 only.
fn is_usable(group: u16, version: TlsVersion) -> bool {
    const HYBRIDS: std::ops::RangeInclusive<u16> = 0x11eb..=0x11ed;
    version == TlsVersion::Tls13 || !HYBRIDS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::{Auth, KeyKind, Policy, Reason, Served, Suite, Verdict, judge};
    use crate::{
        hello::{Alert, Hello, Outcome, read, samples},
        version::TlsVersion,
    };

    fn policy(minimum: TlsVersion, keys: &[KeyKind]) -> Policy {
        let suite = |number, version, auth| Suite { number, version, auth };
        let (tls12, tls13) = (TlsVersion::Tls12, TlsVersion::Tls13);
        let mut suites: Vec<_> =
            [0x1301, 0x1302, 0x1303].map(|n| suite(n, tls13, Auth::Any)).into();
        suites.extend([0xc02b, 0xc02c, 0xcca9].map(|n| suite(n, tls12, Auth::Ecdsa)));
        suites.extend([0xc02f, 0xc030, 0xcca8].map(|n| suite(n, tls12, Auth::Rsa)));
        let groups = vec![0x11ec, 0x1d, 0x17, 0x18];
        Policy { minimum, served: Served { suites, groups, keys: keys.to_vec() } }
    }

    fn hello(bytes: &[u8]) -> Hello {
        match read(bytes) {
            Outcome::Hello(hello) => *hello,
            other => panic!("{other:?}"),
        }
    }

    fn word(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Pass => "pass",
            Verdict::Fail(failure) => failure.reason.as_str(),
        }
    }

    #[test]
    fn each_family_by_the_certificate_that_there_is() {
        for family in samples::families() {
            let hello = hello(&family.bytes);
            let with = |keys: &[KeyKind]| word(judge(&policy(TlsVersion::Tls12, keys), &hello));
            assert_eq!(with(&[KeyKind::Rsa]), family.rsa, "{} with RSA", family.name);
            assert_eq!(with(&[KeyKind::P256]), family.ecdsa, "{} with ECDSA", family.name);
            let both = with(&[KeyKind::P256, KeyKind::Rsa]);
            let either = family.rsa == "pass" || family.ecdsa == "pass";
            assert_eq!(both == "pass", either, "{} with both: {both}", family.name);
        }
    }

    #[test]
    fn a_floor_of_1_3_fails_whoever_offers_less() {
        for family in samples::families() {
            let verdict =
                judge(&policy(TlsVersion::Tls13, &[KeyKind::P256]), &hello(&family.bytes));
            let expected = if family.offered == "1.3" { "pass" } else { "version" };
            assert_eq!(word(verdict), expected, "{}", family.name);
        }
    }

    #[test]
    fn each_reason_has_its_alert() {
        for family in samples::families() {
            let failed = judge(&policy(TlsVersion::Tls12, &[KeyKind::P256]), &hello(&family.bytes));
            let Verdict::Fail(failure) = failed else {
                continue;
            };
            let alert = match failure.reason {
                Reason::Version if family.name.contains("fell back") => {
                    Alert::InappropriateFallback
                }
                Reason::Version => Alert::ProtocolVersion,
                _ => Alert::HandshakeFailure,
            };
            assert_eq!(failure.alert, alert, "{}", family.name);
        }
    }

    #[test]
    fn a_fallback_is_told_below_the_floor_too_and_never_to_who_offers_our_best() {
        let judged = |hello: samples::Hello| {
            judge(&policy(TlsVersion::Tls12, &[KeyKind::P256]), &self::hello(&hello.bytes()))
        };
        let old = judged(samples::Hello::new(0x0301, 0x0301, "002f 5600"));
        let Verdict::Fail(failure) = old else { panic!("{old:?}") };
        assert_eq!((failure.reason, failure.alert.number()), (Reason::Version, 86));
        let best = "groups=001d signatures=0403 versions=0304,0303 shares=001d";
        let best = samples::Hello::new(0x0301, 0x0303, "1301 5600").extensions(best);
        assert_eq!(judged(best), Verdict::Pass);
    }

    #[test]
    fn a_hybrid_group_alone_does_not_make_a_tls_1_2_handshake() {
        let only = samples::Hello::new(0x0301, 0x0303, "c02b");
        let only = only.extensions("groups=11ec signatures=0403");
        let verdict = judge(&policy(TlsVersion::Tls12, &[KeyKind::P256]), &hello(&only.bytes()));
        assert_eq!(word(verdict), "group");
    }
}

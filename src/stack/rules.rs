//! The rules by which a hello is recognised, in order: the first that holds names the stack.
//!
//! Each says on what evidence it rests. "Measured" is a hello of the real client whose JA3 or JA4
//! fingerprint has these very suites; what is not measured says so. A new rule stands before the
//! more general ones, and gets a hello in `tests/data/hellos` and an entry in `remedies.toml`.

use super::{
    Stack,
    shape::{
        CERTIFICATE_TYPE, HEARTBEAT, MASTER_SECRET, NPN, RENEGOTIATION, RENEGOTIATION_SCSV,
        STATUS_REQUEST, Shape,
    },
};
use crate::{hello::Hello, version::Offered};

/// One way to recognise a stack.
pub(super) struct Rule {
    pub(super) stack: Stack,
    /// Why we think so, for who has to judge the rule.
    pub(super) evidence: &'static str,
    pub(super) holds: fn(&Hello) -> bool,
}

/// More suites than any library sends; scanners try all there are in a few hellos.
const TOO_MANY: usize = 80;

pub(super) const RULES: &[Rule] = &[
    Rule {
        stack: Stack::Scanner,
        evidence: "SSL 2.0 alone, suites without authentication or encryption, or more than any library has",
        holds: |hello| {
            hello.offered() == Offered::Sslv2 || hello.is_naked() || hello.suites.len() > TOO_MANY
        },
    },
    Rule {
        stack: Stack::Fallback,
        evidence: "TLS_FALLBACK_SCSV (RFC 7507): it was refused at a higher version before",
        holds: |hello| hello.is_fallback() && hello.offered() < Offered::Tls13,
    },
    Rule {
        stack: Stack::Java6,
        evidence: "Java 6u45 measured: SSL 2 format, TLS 1.0, 20 suites that begin with RC4 and have ECDH; without the format the same suites",
        holds: |hello| {
            hello.is_old() && hello.begins(&[&[0x0004, 0x0005, 0x002f]]) && hello.has_curves()
        },
    },
    Rule {
        stack: Stack::WindowsXp,
        evidence: "IE 6 and IE 8 on Windows XP measured: the 1024-bit export suites 0062 and 0064, which only this SChannel has",
        holds: |hello| hello.is_old() && hello.suites(&[0x000a, 0x0062, 0x0064]),
    },
    Rule {
        stack: Stack::Openssl098,
        evidence: "OpenSSL 0.9.8y measured: DHE-AES256 first, no elliptic curves, host name and ticket as only extensions; built with SSL 2 it says the same in that format",
        holds: |hello| hello.is_old() && hello.begins(&[&[0x0039, 0x0038]]) && !hello.has_curves(),
    },
    Rule {
        stack: Stack::Android2,
        evidence: "Android 2.3.7 measured: RC4 first, no extension at all",
        holds: |hello| {
            hello.is_old()
                && !hello.is_sslv2()
                && hello.extensions.is_empty()
                && hello.begins(&[&[0x0004, 0x0005, 0x002f]])
        },
    },
    Rule {
        stack: Stack::Ssl3,
        evidence: "its highest version is SSL 3.0, and no rule above knows it",
        holds: |hello| hello.offered() == Offered::Ssl3,
    },
    Rule {
        stack: Stack::DotnetFramework,
        evidence: "not measured: the order of suites and the extensions of SChannel since Windows 10, at TLS 1.0 or 1.1",
        holds: |hello| {
            hello.is_old()
                && hello.extends(&[STATUS_REQUEST, MASTER_SECRET, RENEGOTIATION])
                && hello.begins(&[&[0xc00a, 0xc009, 0xc014, 0xc013]])
                && !hello.suites(&[RENEGOTIATION_SCSV])
        },
    },
    Rule {
        stack: Stack::Pinned,
        evidence: "TLS 1.1 or less beside extensions or groups that are younger than TLS 1.2: the library has more than it may use",
        holds: |hello| hello.is_old() && hello.is_young(),
    },
    Rule {
        stack: Stack::Java7,
        evidence: "Java 7u25 measured: c009 c013 002f c004 first; with the unlimited policy c00a c014 0035 c005",
        holds: |hello| {
            let limited: &[u16] = &[0xc009, 0xc013, 0x002f, 0xc004];
            let unlimited: &[u16] = &[0xc00a, 0xc014, 0x0035, 0xc005];
            hello.is_old() && hello.begins(&[limited, unlimited])
        },
    },
    Rule {
        stack: Stack::WindowsVista,
        evidence: "IE 7 on Windows Vista measured (JA3 2baf0161...): AES-RSA first, then curves for ECDSA",
        holds: |hello| hello.is_old() && hello.begins(&[&[0x002f, 0x0035, 0x0005, 0x000a, 0xc009]]),
    },
    Rule {
        stack: Stack::Windows7,
        evidence: "IE 8 to 10 on Windows 7 measured (JA3 2201d8e0... and 1eede9d1... after an update): any program on SChannel says the same",
        holds: |hello| {
            let first: &[u16] = &[0x002f, 0x0035, 0x0005, 0x000a, 0xc013];
            let updated: &[u16] = &[0xc014, 0xc013, 0x0035, 0x002f, 0xc00a, 0xc009];
            hello.is_old() && hello.begins(&[first, updated])
        },
    },
    Rule {
        stack: Stack::Android4,
        evidence: "Android 4.0 to 4.3 measured: the suites of OpenSSL 1.0 with next protocol negotiation",
        holds: |hello| {
            hello.is_old() && hello.begins(&[&[0xc014, 0xc00a]]) && hello.extends(&[NPN])
        },
    },
    Rule {
        stack: Stack::Python2,
        evidence: "the suites of OpenSSL 1.0 without a host name: ssl of Python before 2.7.9, Ruby 1.9 and PHP 5 streams send none",
        holds: |hello| hello.is_old() && hello.begins(&[&[0xc014, 0xc00a]]) && !hello.names_host(),
    },
    Rule {
        stack: Stack::Openssl100,
        evidence: "the suites of OpenSSL 1.0 below TLS 1.2: curves, then 0039 0038 (between them SRP, where that is built in)",
        holds: |hello| {
            hello.is_old() && hello.begins(&[&[0xc014, 0xc00a]]) && hello.suites(&[0x0039, 0x0038])
        },
    },
    Rule {
        stack: Stack::Nss,
        evidence: "Firefox up to 26 measured, curl with NSS the same: Camellia (0088 0087) before AES with DHE",
        holds: |hello| {
            let signal: &[u16] = &[0x00ff, 0xc00a, 0xc014, 0x0088];
            hello.is_old() && hello.begins(&[signal, &[0xc00a, 0xc014, 0x0088]])
        },
    },
    Rule {
        stack: Stack::Macos108,
        evidence: "Safari 6 on OS X 10.8 measured: ECDSA first, RC4 and 3DES on curves before RSA",
        holds: |hello| {
            let signal: &[u16] = &[0x00ff, 0xc00a, 0xc009, 0xc007];
            hello.is_old() && hello.begins(&[signal, &[0xc00a, 0xc009, 0xc007, 0xc008]])
        },
    },
    Rule {
        stack: Stack::Gnutls2,
        evidence: "not measured: GnuTLS 2 has no curves, DHE before RSA, and asks for a certificate type (RFC 6091) because it knows OpenPGP",
        holds: |hello| hello.is_old() && !hello.has_curves() && hello.extends(&[CERTIFICATE_TYPE]),
    },
    Rule {
        stack: Stack::Java8,
        evidence: "Java 8b132 and 8u161 measured: CBC with SHA-2 first; c023 c027 003c c025 or c024 c028 003d c026",
        holds: |hello| {
            let limited: &[u16] = &[0xc023, 0xc027, 0x003c, 0xc025];
            let unlimited: &[u16] = &[0xc024, 0xc028, 0x003d, 0xc026];
            hello.ends_at_12() && hello.begins(&[limited, unlimited])
        },
    },
    Rule {
        stack: Stack::Windows81,
        evidence: "IE 11 on Windows 7 and 8.1 measured: TLS 1.2 with GCM for DHE and ECDSA, but not c02f and c030",
        holds: |hello| {
            hello.ends_at_12()
                && hello.begins(&[&[0xc028, 0xc027, 0xc014, 0xc013]])
                && !hello.suites.contains(&0xc02f)
        },
    },
    Rule {
        stack: Stack::Windows10,
        evidence: "not measured in this order: GCM on curves first, and what all SChannel has: status_request and renegotiation_info, no signal",
        holds: |hello| {
            hello.ends_at_12()
                && hello.begins(&[&[0xc02c, 0xc02b, 0xc030, 0xc02f]])
                && hello.extends(&[STATUS_REQUEST, RENEGOTIATION])
                && !hello.suites(&[RENEGOTIATION_SCSV])
        },
    },
    Rule {
        stack: Stack::Macos109,
        evidence: "Safari 7 and 8 measured: TLS 1.2 with CBC alone, ECDSA first",
        holds: |hello| {
            hello.ends_at_12()
                && hello.begins(&[&[0x00ff, 0xc024, 0xc023, 0xc00a], &[0xc024, 0xc023, 0xc00a]])
                && !hello.has_ecdhe_aead()
        },
    },
    Rule {
        stack: Stack::Openssl101,
        evidence: "heartbeat (RFC 6520) at TLS 1.2, which OpenSSL 1.0.1 and 1.0.2 ask for and hardly anybody else",
        holds: |hello| hello.ends_at_12() && hello.extends(&[HEARTBEAT]) && hello.suites(&[0x00ff]),
    },
    Rule {
        stack: Stack::Tls12,
        evidence: "its highest version is TLS 1.2, and no rule above knows it",
        holds: Shape::ends_at_12,
    },
    Rule {
        stack: Stack::Current,
        evidence: "TLS 1.3 is among the versions that it offers",
        holds: |hello| hello.offered() == Offered::Tls13,
    },
];

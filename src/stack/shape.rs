//! What rules ask of a hello.
//!
//! Numbers are those of the IANA registries. Nothing here knows a library by name.

use crate::{
    hello::{Format, Hello},
    version::Offered,
};

/// Suites without authentication or without encryption (RFC 5246 appendix A.5, RFC 4492 6): no
/// library offers them by default, who looks for weak servers does.
const NAKED: [u16; 25] = [
    0x0001, 0x0002, 0x003b, 0xc001, 0xc006, 0xc00b, 0xc010, 0x0017, 0x0018, 0x0019, 0x001a, 0x001b,
    0x0034, 0x003a, 0x0046, 0x006c, 0x006d, 0x0089, 0x00a6, 0x00a7, 0xc015, 0xc016, 0xc017, 0xc018,
    0xc019,
];

/// Extensions that came after TLS 1.2, or that only libraries with TLS 1.2 have: heartbeat, ALPN,
/// certificate timestamps, encrypt-then-MAC, extended master secret, `supported_versions`.
const YOUNG: [u16; 6] = [15, 16, 18, 22, 23, 43];

const X25519: u16 = 0x001d;

pub(super) const STATUS_REQUEST: u16 = 5;
pub(super) const CERTIFICATE_TYPE: u16 = 9;
pub(super) const HEARTBEAT: u16 = 15;
pub(super) const MASTER_SECRET: u16 = 23;
/// Next protocol negotiation, which went when ALPN came.
pub(super) const NPN: u16 = 0x3374;
pub(super) const RENEGOTIATION: u16 = 0xff01;
/// The signal that stands for `RENEGOTIATION` (RFC 5746 3.3).
pub(super) const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// A hello as rules see it.
pub(super) trait Shape {
    /// Its suites begin with one of these.
    fn begins(&self, with: &[&[u16]]) -> bool;
    /// It has all these suites.
    fn suites(&self, all: &[u16]) -> bool;
    /// It has all these extensions.
    fn extends(&self, all: &[u16]) -> bool;
    /// It offers nothing above TLS 1.1.
    fn is_old(&self) -> bool;
    /// Its highest is TLS 1.2.
    fn ends_at_12(&self) -> bool;
    /// It came in the SSL 2 format.
    fn is_sslv2(&self) -> bool;
    /// It has suites on elliptic curves.
    fn has_curves(&self) -> bool;
    /// It has suites with AEAD on elliptic curves, which a server of TLS 1.2 wants.
    fn has_ecdhe_aead(&self) -> bool;
    /// It names the host that it wants.
    fn names_host(&self) -> bool;
    /// It offers what no client needs.
    fn is_naked(&self) -> bool;
    /// It shows things that are younger than the versions it offers.
    fn is_young(&self) -> bool;
}

impl Shape for Hello {
    fn begins(&self, with: &[&[u16]]) -> bool {
        with.iter().any(|suites| self.suites.starts_with(suites))
    }

    fn suites(&self, all: &[u16]) -> bool {
        all.iter().all(|suite| self.suites.contains(suite))
    }

    fn extends(&self, all: &[u16]) -> bool {
        all.iter().all(|extension| self.extensions.contains(extension))
    }

    fn is_old(&self) -> bool {
        (Offered::Ssl3..Offered::Tls12).contains(&self.offered())
    }

    fn ends_at_12(&self) -> bool {
        self.offered() == Offered::Tls12
    }

    fn is_sslv2(&self) -> bool {
        self.format == Format::Sslv2
    }

    fn has_curves(&self) -> bool {
        self.suites.iter().any(|suite| (0xc001..=0xc019).contains(suite))
    }

    fn has_ecdhe_aead(&self) -> bool {
        let aead = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9];
        self.suites.iter().any(|suite| aead.contains(suite))
    }

    fn names_host(&self) -> bool {
        self.extensions.contains(&0)
    }

    fn is_naked(&self) -> bool {
        self.suites.iter().any(|suite| NAKED.contains(suite))
    }

    fn is_young(&self) -> bool {
        let curve = self.groups.as_ref().is_some_and(|groups| groups.contains(&X25519));
        curve || YOUNG.iter().any(|extension| self.extensions.contains(extension))
    }
}

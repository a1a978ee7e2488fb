//! The programme of a rehearsal: ninety days from the first look to a week after the cut.
//!
//! What each moment means is written here a second time, by hand and in percent, and not asked of
//! the schedule: a mistake there shows as a difference.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use tlsfloor::{config::Salt, files::Files, rollout::Share};

use crate::support::{proxy, terminator::Terminator, upstream::Upstream};

/// With it the networks of the rehearsal are spread over all steps of the ramp.
const SALT: &str = "tls12-rehearsal";

/// Clients that the fuse lets a brownout refuse in ten minutes.
pub(super) const FUSE: usize = 300;

/// The name that an exemption spares beyond the cut.
pub(super) const GLOBEX: &str = "old.globex.example";

/// Who is to be refused at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody.
    Observe,
    /// So many of a hundred.
    Brownout(u8),
    /// Everybody, and plain HTTP is browned out as well.
    Both,
    /// So many of a hundred.
    Ramp(u8),
    /// Everybody; plain HTTP is redirected.
    Cut,
    /// Nobody: an operator has paused it, and plain HTTP's as well.
    Paused,
    /// Nobody: an operator has paused it; plain HTTP is browned out.
    PausedTls,
    /// Nobody: the fuse has blown.
    Fuse,
}

impl Phase {
    /// How many of a hundred are refused, and the word for why.
    pub(super) fn refused(self) -> (u8, &'static str) {
        match self {
            Self::Observe | Self::Paused | Self::PausedTls | Self::Fuse => (0, "observe"),
            Self::Brownout(percent) => (percent, "brownout"),
            Self::Both => (100, "brownout"),
            Self::Ramp(percent) => (percent, "ramp"),
            Self::Cut => (100, "cut"),
        }
    }

    /// The status of a request in clear.
    pub(super) fn plain(self) -> u16 {
        match self {
            Self::Both | Self::PausedTls => 403,
            Self::Cut => 301,
            _ => 200,
        }
    }
}

/// One rehearsal's year and networks; several run at one time and share nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Programme {
    /// One that is no leap year, so that it is ninety days to the first of April.
    pub(super) year: i16,
    /// The second byte of its first network.
    pub(super) home: u8,
}

impl Programme {
    /// A moment of its year, such as `02-03T06:00:00`.
    pub(super) fn at(self, when: &str) -> Timestamp {
        format!("{}-{when}Z", self.year).parse().unwrap()
    }

    /// A client's address in the block with this number.
    pub(super) fn client(self, block: u8, network: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.home + block, network, host)
    }

    /// Whether an address is one of its clients'.
    pub(super) fn has(self, client: &str) -> bool {
        let mut blocks = 0..8u8;
        blocks.any(|block| client.starts_with(&format!("127.{}.", self.home + block)))
    }

    /// Places of clients, by the programme's salt.
    pub(super) fn share() -> Share {
        Share::load(Some(&Salt::Text(SALT.into())), &Files::default()).unwrap()
    }

    /// The customer acme: in the ramp from its first step, but for its exemption.
    pub(super) fn acme(self) -> Ipv4Addr {
        let share = Self::share();
        let mut all = (0..=255).map(|network| self.client(2, network, 1));
        all.find(|client| share.has((*client).into(), 5)).unwrap()
    }

    /// The configuration.
    pub(super) fn text(self, upstream: &Upstream, terminator: &Terminator) -> String {
        let Self { year, .. } = self;
        let ([a, b, c, _], legacy) = (self.acme().octets(), terminator.lane);
        let base = proxy::base(upstream.address);
        format!(
            r#"{base}
            [log]
            refused_per_minute = 0
            [plain_http]
            deprecation = {year}-01-01T00:00:00Z
            sunset = {year}-03-25T09:00:00Z
            notice = "https://api.example.com/plain-http"
            [plain_http.rollout]
            brownouts = [{{ from = {year}-01-22T10:00:00Z, lasts = "30m" }}]
            cut = {year}-03-25T09:00:00Z
            [rollout]
            legacy = "{legacy}"
            proxy_protocol = "v1"
            salt = "{SALT}"
            fuse = {{ refused = {FUSE}, within = "10m" }}
            brownouts = [
                {{ from = {year}-01-22T10:00:00Z, lasts = "30m" }},
                {{ from = {year}-02-03T00:00:00Z, until = {year}-02-05T00:00:00Z, every = "6h", lasts = "10m" }},
                {{ from = {year}-02-11T10:00:00Z, lasts = "2h", percent = 30 }},
            ]
            ramp = [
                {{ at = {year}-02-18T00:00:00Z, percent = 5 }},
                {{ at = {year}-03-01T00:00:00Z, percent = 25 }},
                {{ at = {year}-03-11T00:00:00Z, percent = 50 }},
            ]
            cut = {year}-03-25T09:00:00Z
            [[rollout.exemptions]]
            clients = ["{a}.{b}.{c}.0/24"]
            owner = "acme"
            reason = "contract 4711"
            expires = {year}-03-15T00:00:00Z
            [[rollout.exemptions]]
            sni = ["{GLOBEX}"]
            owner = "globex"
            reason = "devices in the field"
            expires = {year}-06-30T00:00:00Z
            "#
        )
    }
}

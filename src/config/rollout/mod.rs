//! `[rollout]` and `[plain_http.rollout]` as meant: when who is refused that would still be let
//! through today.
//!
//! Made by `resolve` in this folder, read by `rollout`. Times are whole seconds. What depends on
//! the time of reading (a cut in the past, an exemption that has ended) is no problem here.

mod exemptions;
mod lane;
pub(super) mod raw;
pub(super) mod resolve;
mod schedule;

use std::{fmt, net::IpAddr, path::Path, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{
    FileAt, Place, PlainAction, Problems, ProxyVersion, document::Document, types::seconds,
};
use crate::{host::Host, host::HostPattern, network::Network};

/// `[rollout]`, and what `[plain_http.rollout]` has of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rollout {
    /// Today's terminators; none: no working path.
    pub legacy: Vec<LegacyServer>,
    /// How clients are passed on to them; none for plain HTTP.
    #[serde(flatten)]
    pub lane: Option<LegacyLane>,
    /// When who is refused.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// What stops a brownout or a ramp by itself.
    pub fuse: Option<Fuse>,
    /// What places clients in the ramp.
    pub salt: Option<Salt>,
    /// A file with more exemptions.
    pub exemptions_file: Option<FileAt>,
    /// A page about it; of plain HTTP that is `plain_http.notice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Who is spared, and until when.
    pub exemptions: Vec<Exemption>,
    /// Where the section stands, for what is missing in it.
    #[serde(skip)]
    pub place: Place,
}

/// `[plain_http.rollout]`
#[derive(Clone, Debug, Serialize)]
pub struct PlainRollout {
    /// What requests get after the cut: a redirect or 403.
    pub to: PlainAction,
    /// The rest is as in `[rollout]`; `legacy` is always empty.
    #[serde(flatten)]
    pub rollout: Rollout,
}

/// One of `rollout.legacy`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyServer {
    /// Name or address.
    pub host: Host,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for LegacyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.ip() {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Serialize for LegacyServer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How clients are passed on to `rollout.legacy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LegacyLane {
    /// `rollout.proxy_protocol`: the header before a client's bytes.
    pub proxy_protocol: Option<ProxyVersion>,
    /// `rollout.legacy_timeout`: how long a connection may last; zero: any time.
    #[serde(rename = "legacy_timeout", serialize_with = "seconds")]
    pub timeout: Duration,
    /// `rollout.legacy_check`: from one check of a server to the next; zero: none.
    #[serde(rename = "legacy_check", serialize_with = "seconds")]
    pub check: Duration,
}

/// Who is refused when.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Schedule {
    /// From then on everybody; none: never.
    pub cut: Option<Cut>,
    /// Growing shares of the clients, by time. A step after the cut takes it back.
    pub ramp: Vec<RampStep>,
    /// Rehearsals.
    pub brownouts: Vec<Brownout>,
    /// Whether steps may come after the cut.
    pub allow_loosening: bool,
}

/// `rollout.cut`
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Cut {
    /// The moment.
    #[serde(serialize_with = "moment")]
    pub at: Timestamp,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// One of `rollout.ramp`
#[derive(Clone, Debug, Serialize)]
pub struct RampStep {
    /// From then on,
    #[serde(serialize_with = "moment")]
    pub at: Timestamp,
    /// so many of a hundred clients.
    pub percent: u8,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// One of `rollout.brownouts`
#[derive(Clone, Debug, Serialize)]
pub struct Brownout {
    /// The first begins.
    #[serde(serialize_with = "moment")]
    pub from: Timestamp,
    /// No later one begins, and none goes on.
    #[serde(serialize_with = "moment")]
    pub until: Timestamp,
    /// From one beginning to the next; none: there is one only, up to `until`.
    #[serde(serialize_with = "whole", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How long each is.
    #[serde(serialize_with = "seconds")]
    pub lasts: Duration,
    /// How many of a hundred clients.
    pub percent: u8,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// `rollout.fuse`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fuse {
    /// More clients than this,
    pub refused: u32,
    /// within this time, blow it.
    #[serde(serialize_with = "seconds")]
    pub within: Duration,
    /// A word that rearms it when a reload brings another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rearm: Option<String>,
}

/// `rollout.salt` or `rollout.salt_file`: never shown, so that nobody can look for a network with
/// a late place.
#[derive(Clone)]
pub enum Salt {
    /// In the configuration itself.
    Text(String),
    /// In a file of its own.
    File(FileAt),
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(_) => serializer.serialize_str("(not shown)"),
            Self::File(file) => file.serialize(serializer),
        }
    }
}

/// One of `rollout.exemptions`: all kinds of conditions that it has must hold, one of each kind.
#[derive(Clone, Debug, Serialize)]
pub struct Exemption {
    /// Networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Network>,
    /// Names that are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sni: Vec<HostPattern>,
    /// Fingerprints of hellos.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ja4: Vec<String>,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From then on it is inert.
    #[serde(serialize_with = "moment")]
    pub expires: Timestamp,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// Reads the text of an `exemptions_file`; `tls`: whether names and fingerprints can be asked for.
///
/// # Errors
/// Every problem at once, by the file's own lines.
pub fn exemptions(text: &str, file: &Path, tls: bool) -> Result<Vec<Exemption>, Problems> {
    let mut document = Document::new(text, file);
    let raw = if tls {
        document.read::<raw::ExemptionsFile, raw::ExemptionsFile>().exemptions
    } else {
        document.read::<raw::ExemptionsFile, raw::PlainExemptionsFile>().exemptions
    };
    let exemptions = exemptions::exemptions(raw, "exemptions", &mut document);
    document.finish(Some(exemptions))
}

fn moment<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

fn whole<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    super::types::some_seconds(duration, serializer)
}

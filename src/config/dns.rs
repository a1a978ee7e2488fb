//! `[dns]`: how names of API servers are looked up. As written, as meant, and from one to the other.
//!
//! Read by `resolve`; `upstream` carries it out. Every default stands here.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{
    document::Document,
    raw::Text,
    resolve::value::{self, wrong},
    shape,
    types::seconds,
};

/// How names of API servers are looked up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Name servers to ask; empty for those of /etc/resolv.conf.
    #[schemars(with = "Vec<shape::NameServer>")]
    pub servers: Option<Vec<Text>>,
    /// How long an answer is used at the least.
    #[schemars(with = "shape::Duration")]
    pub min_ttl: Option<Text>,
    /// How long at the most.
    #[schemars(with = "shape::Duration")]
    pub max_ttl: Option<Text>,
}

/// `[dns]`
#[derive(Clone, Debug, Serialize)]
pub struct Dns {
    /// Empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// An answer is used so long at the least.
    #[serde(serialize_with = "seconds")]
    pub min_ttl: Duration,
    /// And so long at the most.
    #[serde(serialize_with = "seconds")]
    pub max_ttl: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        let (min_ttl, max_ttl) = (Duration::from_secs(1), Duration::from_secs(30));
        Self { servers: Vec::new(), min_ttl, max_ttl }
    }
}

/// The port of a name server that is given without one.
const PORT: u16 = 53;

pub(super) fn dns(raw: Option<Spanned<Raw>>, document: &mut Document<'_>) -> Dns {
    let (raw, _) = value::section(raw);
    let default = Dns::default();
    let mut servers = Vec::new();
    for (index, text) in raw.servers.iter().flatten().enumerate() {
        let ip = text.get_ref().parse().map(|ip: IpAddr| SocketAddr::new(ip, PORT));
        match ip.or_else(|_not_bare| text.get_ref().parse()) {
            Ok(server) => servers.push(server),
            Err(_) => {
                let expected = "an address such as \"10.96.0.10\" or \"127.0.0.1:5353\"";
                wrong(document, text, &format!("dns.servers[{index}]"), expected);
            }
        }
    }
    let (least, hour) = (Duration::from_millis(100), Duration::from_secs(3600));
    let min = raw.min_ttl.as_ref();
    let min_ttl = value::duration(document, min, "dns.min_ttl", default.min_ttl, least..=hour);
    let most = default.max_ttl.max(min_ttl);
    let max = raw.max_ttl.as_ref();
    let max_ttl = value::duration(document, max, "dns.max_ttl", most, min_ttl..=24 * hour);
    Dns { servers, min_ttl, max_ttl }
}

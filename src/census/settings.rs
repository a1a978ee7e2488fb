//! `[census]` in force: how many rows, and what a client is called in them.
//!
//! Built with each snapshot. An address must never get into a row in any other way than through
//! [`Mask`].

use std::net::IpAddr;

use super::row::Client;
use crate::{
    config::{self, Config, Problem},
    files::Files,
    keyed_hash::KeyedHash,
    named_file,
    network::Network,
};

/// How a census is kept.
#[derive(Debug)]
pub struct Settings {
    /// Rows at the most.
    pub rows: usize,
    /// What a client is called.
    pub(super) mask: Mask,
    /// Whether a load balancer says for whom it speaks.
    pub(super) is_told: bool,
}

/// What makes a name of an address.
#[derive(Debug)]
pub(super) enum Mask {
    /// The IPv4 address or IPv6 /64.
    Full,
    /// The /24 or /48.
    Network,
    /// A keyed hash of what `Full` would say.
    Hashed(Box<KeyedHash>),
}

impl Settings {
    /// As configured.
    ///
    /// # Errors
    /// Where the key cannot be read or is too short.
    pub fn load(config: &Config, files: &Files) -> Result<Self, Problem> {
        let mask = match &config.census.privacy {
            config::Privacy::Full => Mask::Full,
            config::Privacy::Network => Mask::Network,
            config::Privacy::Hashed { hash_key } => {
                Mask::Hashed(KeyedHash::new(&named_file::secret(files, hash_key)?).into())
            }
        };
        let is_told = !config.listen.proxy_protocol_from.is_empty();
        Ok(Self { rows: config.census.rows, mask, is_told })
    }

    /// Whether rows of both can stand in one table.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.rows == other.rows && self.mask.print() == other.mask.print()
    }
}

impl Mask {
    pub(super) fn client(&self, ip: IpAddr) -> Client {
        let network = |ipv4, ipv6| Network::around(ip, if ip.is_ipv4() { ipv4 } else { ipv6 });
        match self {
            Self::Full => Client::Block(network(32, 64)),
            Self::Network => Client::Block(network(24, 48)),
            Self::Hashed(hash) => {
                let full = Client::Block(network(32, 64)).to_string();
                Client::Hashed(hash.number(full.as_bytes()))
            }
        }
    }

    /// Its word.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Network => "network",
            Self::Hashed(_) => "hashed",
        }
    }

    /// The same for masks that make the same names.
    fn print(&self) -> (&'static str, u64) {
        let key = match self {
            Self::Hashed(hash) => hash.number(b"tlsfloor census"),
            Self::Full | Self::Network => 0,
        };
        (self.as_str(), key)
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;
    use crate::keyed_hash::KeyedHash;

    #[test]
    fn what_a_client_is_called() {
        let named = |mask: &Mask, ip: &str| mask.client(ip.parse().unwrap()).to_string();
        assert_eq!(named(&Mask::Full, "203.0.113.7"), "203.0.113.7");
        assert_eq!(named(&Mask::Full, "2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
        assert_eq!(named(&Mask::Network, "203.0.113.7"), "203.0.113.0/24");
        assert_eq!(named(&Mask::Network, "2001:db8:1:2:3::4"), "2001:db8:1::/48");
        let key = KeyedHash::new(b"0123456789abcdef");
        let expected = key.name(b"203.0.113.7");
        let hashed = Mask::Hashed(key.into());
        assert_eq!(named(&hashed, "203.0.113.7"), expected, "as its owner would compute it");
        assert_eq!(named(&hashed, "2001:db8::1"), named(&hashed, "2001:db8::2"));
        assert!(!expected.contains("203"));
    }
}

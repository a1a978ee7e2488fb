//! Blocks of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
//!
//! Configuration names them, whoever asks "is this peer trusted" looks in them. IPv4 addresses in
//! their IPv6-mapped form are the IPv4 addresses that they mean, on both sides.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use serde::Serialize;

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address.
    address: IpAddr,
    /// Leading bits that all its addresses share.
    prefix: u8,
}

impl Network {
    /// Parses `ADDRESS` or `ADDRESS/BITS`.
    ///
    /// # Errors
    /// The text is no block, or its address has bits behind the prefix.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(prefix(bits).ok_or(NetworkError::Malformed)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_not_one| NetworkError::Malformed)?;
        let bits = bits.unwrap_or_else(|| width(address));
        if bits > width(address) {
            return Err(NetworkError::Malformed);
        }
        let network = Self { address: first(address, bits), prefix: bits };
        if network.address != address {
            return Err(NetworkError::HostBits(network));
        }
        Ok(network.canonical())
    }

    /// The block of `bits` that has `address`; of all bits where there are fewer.
    #[must_use]
    pub fn around(address: IpAddr, bits: u8) -> Self {
        let bits = bits.min(width(address));
        Self { address: first(address, bits), prefix: bits }
    }

    /// Its first address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits its addresses share.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in it; an IPv4 address has to come as one.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                first(address, self.prefix) == self.address
            }
            _ => false,
        }
    }

    /// Whether it has every address of its kind.
    #[must_use]
    pub fn is_everything(self) -> bool {
        self.prefix == 0
    }

    /// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
    fn canonical(self) -> Self {
        match (self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (address @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => {
                Self { address, prefix }
            }
            _ => self,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is something else.
    #[error("not a block of addresses")]
    Malformed,
    /// Its address is not the block's first; most often one of the two numbers is a mistake.
    #[error("the address is not the first of its block, which is {0}")]
    HostBits(Network),
}

/// Whether one of `networks` has `address`.
#[must_use]
pub fn any_has(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn prefix(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the block of `prefix` bits that `address` is in.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, NetworkError, any_has};

    #[test]
    fn blocks_have_their_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.2/31", "10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::/0", "::1", true),
            ("::/0", "10.0.0.1", false),
            ("::1", "::1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ];
        for (network, address, has) in cases {
            let network = Network::parse(network).unwrap();
            assert_eq!(any_has(&[network], address.parse().unwrap()), has, "{network} {address}");
        }
        assert!(!any_has(&[], "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_block() {
        for text in ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10/8", "a", "::/129"] {
            assert_eq!(Network::parse(text), Err(NetworkError::Malformed), "{text}");
        }
        let said = Network::parse("10.1.2.3/8").unwrap_err().to_string();
        assert!(said.ends_with("which is 10.0.0.0/8"), "{said}");
    }
}

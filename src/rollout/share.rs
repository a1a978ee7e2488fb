//! A client's place among all clients: the same each time, so that a share that grows keeps
//! everybody that it had.
//!
//! What has a place is a client's network, IPv4 /24 or IPv6 /48: a customer whose machines come
//! from a pool of addresses is in the ramp with all of them or with none. The place is a keyed hash
//! (HMAC-SHA256) of the network, so with the same salt it is the same on every replica and in every
//! version, and nobody can choose it. Without a salt the key is one of this process.

use std::net::IpAddr;

use crate::{
    config::{Problem, Salt},
    files::Files,
    keyed_hash::KeyedHash,
    named_file,
    network::Network,
};

/// Places that there are.
const PLACES: u16 = 10_000;

/// A salt of more bytes is no salt.
const LONGEST: u64 = 4096;

/// Gives out places.
#[derive(Debug)]
pub struct Share {
    /// None only where the system has no randomness: then all have the last place.
    hash: Option<KeyedHash>,
}

impl Share {
    /// With the salt, or with a key of this process.
    ///
    /// # Errors
    /// Where the salt's file cannot be read or is empty.
    pub fn load(salt: Option<&Salt>, files: &Files) -> Result<Self, Problem> {
        let file = match salt {
            None => return KeyedHash::load(None, files).map(|hash| Self { hash }),
            Some(Salt::Text(text)) => return Ok(Self::salted(text.as_bytes())),
            Some(Salt::File(file)) => file,
        };
        let bytes = named_file::read(files, file, LONGEST)?;
        let salt = bytes.trim_ascii();
        if salt.is_empty() {
            let text = format!("{} is empty, expected a salt", file.path.display());
            return Err(Problem { place: file.place.clone(), text });
        }
        Ok(Self::salted(salt))
    }

    fn salted(salt: &[u8]) -> Self {
        Self { hash: Some(KeyedHash::new(salt)) }
    }

    /// Where `client` stands, from 0 to 9999.
    #[must_use]
    pub fn place(&self, client: IpAddr) -> u16 {
        let Some(hash) = &self.hash else { return PLACES - 1 };
        let network = network(client);
        let (address, prefix) = (network.address(), network.bits());
        let number = match address {
            IpAddr::V4(address) => hash.number(&[&address.octets()[..], &[prefix]].concat()),
            IpAddr::V6(address) => hash.number(&[&address.octets()[..], &[prefix]].concat()),
        };
        // The high half of a product is below both factors.
        let place = (u128::from(number) * u128::from(PLACES)) >> 64;
        u16::try_from(place).unwrap_or(PLACES - 1)
    }

    /// Whether `client` is among the first so many of a hundred.
    #[must_use]
    pub fn has(&self, client: IpAddr, percent: u8) -> bool {
        match percent {
            0 => false,
            100.. => true,
            percent => self.place(client) < u16::from(percent) * (PLACES / 100),
        }
    }
}

/// What has a place.
fn network(client: IpAddr) -> Network {
    Network::around(client, if client.is_ipv4() { 24 } else { 48 })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
    };

    use super::{PLACES, Share};
    use crate::{config::Salt, files::Files};

    fn share(salt: &str) -> Share {
        Share::load(Some(&Salt::Text(salt.into())), &Files::default()).unwrap()
    }

    /// Ten thousand networks, both kinds.
    fn clients() -> impl Iterator<Item = IpAddr> {
        (0..5000u32).flat_map(|n| {
            let v4 = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + (n << 8) + 7));
            let v6 = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + (u128::from(n) << 80)));
            [v4, v6]
        })
    }

    #[test]
    fn a_share_that_grows_keeps_everybody_and_is_as_large_as_it_says() {
        let share = share("tls12-2027");
        let mut before: HashSet<IpAddr> = HashSet::new();
        for percent in 0..=100u8 {
            let now: HashSet<IpAddr> = clients().filter(|one| share.has(*one, percent)).collect();
            assert!(before.is_subset(&now), "{percent} lost somebody");
            let expected = usize::from(percent) * 100;
            assert!(now.len().abs_diff(expected) < 200, "{percent}: {}", now.len());
            before = now;
        }
        assert_eq!(before.len(), 10_000);
    }

    #[test]
    fn a_place_is_the_networks_and_the_salts() {
        let (one, other) = (share("tls12-2027"), share("tls13-2028"));
        let place = |share: &Share, client: &str| share.place(client.parse().unwrap());
        assert_eq!(place(&one, "203.0.113.7"), place(&one, "203.0.113.250"));
        assert_eq!(place(&one, "2001:db8:7::1"), place(&one, "2001:db8:7:ffff::9"));
        assert_ne!(place(&one, "203.0.113.7"), place(&one, "203.0.114.7"));
        assert_ne!(place(&one, "203.0.113.7"), place(&other, "203.0.113.7"));
        // HMAC-SHA256(key "tls12-2027", cb 00 71 00 18): a place outlives every release.
        assert_eq!(place(&one, "203.0.113.7"), KNOWN);
        assert!(clients().all(|client| one.place(client) < PLACES));
    }

    /// As computed outside of this program.
    const KNOWN: u16 = 9945;

    #[test]
    fn without_a_salt_the_process_has_one() {
        let load = || Share::load(None, &Files::default()).unwrap();
        let client = "203.0.113.7".parse().unwrap();
        assert_eq!(load().place(client), load().place(client));
    }

    #[test]
    fn a_salt_in_a_file_is_its_text_without_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("salt");
        let file = crate::config::FileAt { path: path.clone(), place: Default::default() };
        let load = || Share::load(Some(&Salt::File(file.clone())), &Files::default());
        assert!(load().unwrap_err().text.contains("cannot be read"));
        std::fs::write(&path, "\n").unwrap();
        assert!(load().unwrap_err().text.ends_with("is empty, expected a salt"));
        std::fs::write(&path, "tls12-2027\n").unwrap();
        let client = "203.0.113.7".parse().unwrap();
        assert_eq!(load().unwrap().place(client), share("tls12-2027").place(client));
    }
}

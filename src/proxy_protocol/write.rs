//! A PROXY header for a server that wants to know whom we speak for.
//!
//! Called by `upstream` at the head of each connection to such a server, and by `legacy` for each
//! client that it passes on. (HAProxy's proxy-protocol.txt, 2.1 and 2.2.)

use std::net::{IpAddr, SocketAddr};

use super::{
    tlv::{self, Kind},
    v2::SIGNATURE,
};

/// The text form, for a TCP connection from `client` to `local`.
#[must_use]
pub fn v1(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let (client, local) = alike(client, local);
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.ip(), local.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), local.port()).into_bytes()
}

/// The binary form of the same.
#[must_use]
pub fn v2(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    v2_with(client, local, &[])
}

/// The same with type-length-values behind the addresses, and a checksum behind these. What would
/// make it longer than [`super::LONGEST`] is left out.
#[must_use]
pub fn v2_with(client: SocketAddr, local: SocketAddr, values: &[(Kind, &[u8])]) -> Vec<u8> {
    /// Version 2, command PROXY.
    const PROXY: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let (client, local) = alike(client, local);
    let family = if client.is_ipv4() { TCP4 } else { TCP6 };
    let mut header = [SIGNATURE, &[PROXY, family, 0, 0]].concat();
    for address in [client, local] {
        match address.ip() {
            IpAddr::V4(ip) => header.extend(ip.octets()),
            IpAddr::V6(ip) => header.extend(ip.octets()),
        }
    }
    header.extend(client.port().to_be_bytes());
    header.extend(local.port().to_be_bytes());
    tlv::append(&mut header, values);
    header
}

/// The text form of "nobody but myself", for a connection that we make for ourselves.
pub const V1_LOCAL: &[u8] = b"PROXY UNKNOWN\r\n";

/// The binary form of the same: command LOCAL, no addresses.
pub const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Both in one family: a header has room for one.
fn alike(client: SocketAddr, local: SocketAddr) -> (SocketAddr, SocketAddr) {
    let six = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    if client.is_ipv4() == local.is_ipv4() { (client, local) } else { (six(client), six(local)) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{V1_LOCAL, V2_LOCAL, v1, v2, v2_with};
    use crate::proxy_protocol::{Kind, LONGEST, Source, parse};

    /// What stands behind the addresses, by its number.
    fn values(header: &[u8]) -> Vec<(u8, &[u8])> {
        let mut rest = &header[16 + if header[13] == 0x11 { 12 } else { 36 }..];
        let mut values = Vec::new();
        while let [kind, high, low, after @ ..] = rest {
            let (value, behind) = after.split_at(u16::from_be_bytes([*high, *low]).into());
            values.push((*kind, value));
            rest = behind;
        }
        values
    }

    #[test]
    fn what_is_written_is_read() {
        let pairs = [
            ("203.0.113.7:4711", "10.0.0.1:443"),
            ("[2001:db8::7]:1", "[::1]:8443"),
            ("203.0.113.7:0", "[::1]:8443"),
        ];
        for (client, local) in pairs {
            let (client, local): (SocketAddr, SocketAddr) =
                (client.parse().unwrap(), local.parse().unwrap());
            for header in [v1(client, local), v2(client, local)] {
                let (source, length) = parse(&[&header[..], b"rest"].concat()).unwrap().unwrap();
                assert_eq!(length, header.len());
                let Source::Client(read) = source else { panic!("{source:?}") };
                let same = read.ip().to_canonical() == client.ip() && read.port() == client.port();
                assert!(same, "{read} is not {client}");
            }
        }
    }

    #[test]
    fn values_are_read_back_with_their_checksum() {
        let (client, local) = ("203.0.113.7:4711".parse().unwrap(), "[::1]:8443".parse().unwrap());
        let written = [
            (Kind::UniqueId, &b"0123456789abcdef"[..]),
            (Kind::Authority, b"api.example.com"),
            (Kind::Alpn, b"\x02h2\x08http/1.1"),
            (Kind::Verdict, b"version"),
            (Kind::Ja4, b"t10d030200_75bd4ca8ce22_000000000000"),
        ];
        let header = v2_with(client, local, &written);
        // The reader refuses a wrong checksum.
        let (_, length) = parse(&[&header[..], b"rest"].concat()).unwrap().unwrap();
        assert_eq!(length, header.len());
        let read = values(&header);
        let expected = written.map(|(kind, value)| (kind.code(), value));
        assert_eq!(read[..5], expected);
        assert_eq!((read.len(), read[5].0, read[5].1.len()), (6, 0x03, 4));
        let mut changed = header.clone();
        changed[60] ^= 1;
        assert!(parse(&changed).is_err(), "the checksum covers the values");
        assert_eq!(
            [0x05, 0x02, 0x01, 0xe0, 0xe1],
            written.map(|(kind, _)| kind.code()),
            "what operators have written into their configurations stays"
        );
    }

    #[test]
    fn a_value_that_has_no_room_is_left_out() {
        let (client, local) = ("203.0.113.7:1".parse().unwrap(), "10.0.0.1:2".parse().unwrap());
        let (long, short) = (vec![b'x'; LONGEST], b"version");
        let header = v2_with(client, local, &[(Kind::Alpn, &long), (Kind::Verdict, short)]);
        let kinds: Vec<_> = values(&header).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [0xe0, 0x03]);
        let most = vec![b'x'; LONGEST - 28 - 7 - 3];
        let header = v2_with(client, local, &[(Kind::Alpn, &most)]);
        assert_eq!((header.len(), parse(&header).unwrap().unwrap().1), (LONGEST, LONGEST));
    }

    #[test]
    fn our_own_connections_are_nobodys() {
        for header in [V1_LOCAL, V2_LOCAL] {
            let (source, length) = parse(header).unwrap().unwrap();
            assert_eq!((source, length), (Source::Peer, header.len()));
        }
    }

    #[test]
    fn the_text_form_to_the_letter() {
        let header = v1("203.0.113.7:4711".parse().unwrap(), "10.0.0.1:443".parse().unwrap());
        assert_eq!(header, b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n");
    }
}

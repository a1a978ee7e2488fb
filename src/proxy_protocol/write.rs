//! A PROXY header for a server that wants to know whom we speak for.
//!
//! Called by `upstream` at the head of each connection to such a server. (HAProxy's
//! proxy-protocol.txt, 2.1 and 2.2.)

use std::net::{IpAddr, SocketAddr};

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
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    /// Version 2, command PROXY.
    const PROXY: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let (client, local) = alike(client, local);
    let (family, length) = if client.is_ipv4() { (TCP4, 12) } else { (TCP6, 36) };
    let mut header = [SIGNATURE, &[PROXY, family, 0, length]].concat();
    for address in [client, local] {
        match address.ip() {
            IpAddr::V4(ip) => header.extend(ip.octets()),
            IpAddr::V6(ip) => header.extend(ip.octets()),
        }
    }
    header.extend(client.port().to_be_bytes());
    header.extend(local.port().to_be_bytes());
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

    use super::{V1_LOCAL, V2_LOCAL, v1, v2};
    use crate::proxy_protocol::{Source, parse};

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

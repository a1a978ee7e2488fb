//! Listening sockets: one a worker on each address, with the options that accepted ones inherit.
//!
//! Called by `app` before any thread starts, so that an address that is taken is an error at
//! start and never later.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A peer that vanished is noticed after about a minute and a half of silence.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// `count` sockets on one address; port 0 is chosen once for all of them.
///
/// # Errors
/// The address is taken, not ours, or not allowed.
pub(crate) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let port = claim(address)?;
    let address = SocketAddr::new(address.ip(), port);
    (0..count).map(|_| shared(address)).collect()
}

/// A socket of one's own, as for the admin port.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// SO_REUSEPORT would let a second process of the same user join in and take half of the
/// connections; binding once without it shows whether the address is free.
fn claim(address: SocketAddr) -> io::Result<u16> {
    Ok(bind_one(address)?.local_addr()?.port())
}

fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Both 0.0.0.0 and [::] may be listed for one port.
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Inherited by what is accepted, which saves system calls for each connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::SocketAddr};

    use super::{bind, bind_one};

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn all_sockets_of_an_address_share_its_port() {
        let sockets = bind(ANY, 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn an_address_that_is_taken_is_refused_even_by_sockets_that_share() {
        let first = bind(ANY, 2).unwrap();
        let address = first[0].local_addr().unwrap();
        assert_eq!(bind(address, 2).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(bind_one(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn accepted_sockets_inherit_nodelay() {
        let listener = bind(ANY, 1).unwrap().remove(0);
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }
}

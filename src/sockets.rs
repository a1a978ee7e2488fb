//! Listening sockets: one a worker on each address, with the options that accepted ones inherit.
//!
//! Called by `listening`. A service manager may have opened some of them already (socket
//! activation, sd_listen_fds(3)): then a port below 1024 needs no privilege, and no connection is
//! lost while the process is started anew.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

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

/// Sockets that a service manager has opened.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

impl Inherited {
    /// Those of this process; to be asked once, before there is a thread.
    #[must_use]
    pub fn take() -> Self {
        let mut found = ListenFd::from_env();
        let sockets = (0..found.len()).filter_map(|index| {
            let socket = found.take_tcp_listener(index).and_then(|socket| {
                let Some(socket) = socket else { return Ok(None) };
                prepare(&SockRef::from(&socket))?;
                Ok(Some((socket.local_addr()?, socket)))
            });
            socket.unwrap_or_else(|error| {
                tracing::warn!(%error, index, "an inherited socket cannot be used");
                None
            })
        });
        Self(sockets.collect())
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(address, _)| *address)
    }

    /// The one at `address` for `count` workers, which share it; none where there is none.
    ///
    /// # Errors
    /// Where the system gives no descriptor.
    pub(crate) fn at(
        &self,
        address: SocketAddr,
        count: usize,
    ) -> io::Result<Option<Vec<TcpListener>>> {
        let socket = self.0.iter().find(|(own, _)| *own == address);
        let all = |(_, socket): &(_, TcpListener)| (0..count).map(|_| socket.try_clone()).collect();
        socket.map(all).transpose()
    }

    /// Lets go of it: whoever has got it closes it.
    pub(crate) fn forget(&mut self, address: SocketAddr) {
        self.0.retain(|(own, _)| *own != address);
    }
}

/// SO_REUSEPORT would let a second process of the same user join in and take half of the
/// connections; binding once without it shows whether the address is free.
fn claim(address: SocketAddr) -> io::Result<u16> {
    let socket = open(address)?;
    // Not listening: what came to it would be reset when it is closed.
    socket.bind(&SockAddr::from(address))?;
    Ok(TcpListener::from(socket).local_addr()?.port())
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
    prepare(&socket)?;
    Ok(socket)
}

/// What every listening socket has, whoever opened it. Inherited by what is accepted, which saves
/// system calls for each connection.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

#[cfg(test)]
mod tests {
    use std::{
        io::ErrorKind,
        net::{SocketAddr, TcpListener},
    };

    use socket2::SockRef;

    use super::{bind, bind_one, prepare};

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
    fn accepted_sockets_inherit_nodelay_whoever_opened_the_port() {
        let given = TcpListener::bind(ANY).unwrap();
        prepare(&SockRef::from(&given)).unwrap();
        for listener in [bind(ANY, 1).unwrap().remove(0), given] {
            listener.set_nonblocking(false).unwrap();
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let accepted = listener.accept().unwrap().0;
            assert!(accepted.nodelay().unwrap());
            assert!(SockRef::from(&accepted).keepalive().unwrap());
        }
    }
}

//! The ports that are listened on, and the way from one set of them to another.
//!
//! Kept by `app` at the start and by `reload` afterwards. A port whose address stays keeps its
//! sockets, so that no connection in its queue is lost; whatever can fail is done before anything
//! is changed.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use tokio::sync::mpsc::UnboundedSender;

use crate::{
    config::Listen,
    metrics::ListenerKind,
    port::Port,
    sockets::{self, Inherited},
    worker::Socket,
};

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}): {source}{}", mend(.source, *.is_ours))]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// The key that names it.
    pub key: &'static str,
    /// What the system said.
    pub source: io::Error,
    /// Whether this process has the port, by the configuration in force.
    pub is_ours: bool,
}

fn mend(error: &io::Error, is_ours: bool) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse if is_ours => {
            "; this process has that port by the configuration in force: leave it out in one reload \
             and add it in the next"
        }
        io::ErrorKind::AddrInUse => "; stop what listens there or choose another port",
        io::ErrorKind::PermissionDenied => {
            "; choose a port from 1024 up or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// As in `listen.https`, with real ports.
    pub https: Vec<SocketAddr>,
    /// As in `listen.http`.
    pub http: Vec<SocketAddr>,
    /// As in `listen.admin`.
    pub admin: SocketAddr,
}

/// A port and the address that it really has.
#[derive(Clone, Debug)]
struct Open {
    port: Arc<Port>,
    real: SocketAddr,
}

/// Everything that is listened on.
#[derive(Debug)]
pub(crate) struct Listening {
    open: Vec<Open>,
    /// As configured, and as it really is.
    admin: (SocketAddr, SocketAddr),
    workers: Vec<UnboundedSender<Socket>>,
    admin_door: UnboundedSender<TcpListener>,
    inherited: Inherited,
}

/// The next set, bound but not yet used: dropping it changes nothing.
#[derive(Debug)]
pub(crate) struct Next {
    open: Vec<Open>,
    admin: (SocketAddr, SocketAddr),
    admin_socket: Option<TcpListener>,
    /// By port, a socket for each worker.
    sockets: Vec<(Arc<Port>, Vec<TcpListener>)>,
}

impl Next {
    /// Where it will be listened.
    #[must_use]
    pub(crate) fn addresses(&self) -> Addresses {
        let of = |kind| {
            let open = self.open.iter().filter(move |open| open.port.kind == kind);
            open.map(|open| open.real).collect()
        };
        let (https, http) = (of(ListenerKind::Https), of(ListenerKind::Http));
        Addresses { https, http, admin: self.admin.1 }
    }
}

impl Listening {
    /// On nothing yet; each worker gets its sockets by its sender, the admin port by its own.
    #[must_use]
    pub(crate) fn new(
        workers: Vec<UnboundedSender<Socket>>,
        admin_door: UnboundedSender<TcpListener>,
        inherited: Inherited,
    ) -> Self {
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { open: Vec::new(), admin: (none, none), workers, admin_door, inherited }
    }

    /// Binds what is new in `listen`.
    ///
    /// # Errors
    /// The first address that cannot be had; nothing has changed then.
    pub(crate) fn prepare(&self, listen: &Listen) -> Result<Next, BindError> {
        let mut left = self.open.clone();
        let mut next =
            Next { open: Vec::new(), admin: self.admin, admin_socket: None, sockets: Vec::new() };
        let https = (ListenerKind::Https, "listen.https", &listen.https);
        let http = (ListenerKind::Http, "listen.http", &listen.http);
        for (kind, key, addresses) in [https, http] {
            for address in addresses.iter().copied() {
                let is_same = |open: &Open| open.port.kind == kind && open.port.address == address;
                match left.iter().position(is_same) {
                    Some(same) => next.open.push(left.swap_remove(same)),
                    None => self.bind(&mut next, kind, key, address)?,
                }
            }
        }
        if listen.admin != self.admin.0 || self.open.is_empty() {
            let address = listen.admin;
            let failed = |source| self.failed(address, "listen.admin", source);
            let given = self.inherited.at(address, 1).map_err(failed)?;
            let given = given.and_then(|mut sockets| sockets.pop());
            let socket = given.map_or_else(|| sockets::bind_one(address), Ok).map_err(failed)?;
            next.admin = (address, socket.local_addr().map_err(failed)?);
            next.admin_socket = Some(socket);
        }
        Ok(next)
    }

    fn failed(&self, address: SocketAddr, key: &'static str, source: io::Error) -> BindError {
        let mut open = self.open.iter().map(|open| open.real).chain([self.admin.1]);
        let is_ours = address.port() != 0 && open.any(|own| own.port() == address.port());
        BindError { address, key, source, is_ours }
    }

    fn bind(
        &self,
        next: &mut Next,
        kind: ListenerKind,
        key: &'static str,
        address: SocketAddr,
    ) -> Result<(), BindError> {
        let failed = |source| self.failed(address, key, source);
        let workers = self.workers.len();
        let given = self.inherited.at(address, workers).map_err(failed)?;
        let sockets = given.map_or_else(|| sockets::bind(address, workers), Ok).map_err(failed)?;
        let real = sockets.first().map_or(Ok(address), TcpListener::local_addr).map_err(failed)?;
        let port = Arc::new(Port::new(kind, address));
        next.open.push(Open { port: Arc::clone(&port), real });
        next.sockets.push((port, sockets));
        Ok(())
    }

    /// Listens on `next` from now on; ports that are not in it are closed.
    pub(crate) fn enter(&mut self, next: Next) {
        for (port, sockets) in next.sockets {
            for (worker, listener) in self.workers.iter().zip(sockets) {
                if worker.send(Socket { port: Arc::clone(&port), listener }).is_err() {
                    tracing::error!(address = %port.address, "a worker is gone");
                }
            }
        }
        if let Some(socket) = next.admin_socket
            && self.admin_door.send(socket).is_err()
        {
            tracing::error!("the admin port is gone");
        }
        let stays = |one: &Open| next.open.iter().any(|open| Arc::ptr_eq(&open.port, &one.port));
        self.open.iter().filter(|open| !stays(open)).for_each(|gone| gone.port.close());
        (self.open, self.admin) = (next.open, next.admin);
        let used = self.open.iter().map(|open| open.real).chain([self.admin.1]);
        used.for_each(|address| self.inherited.forget(address));
        for address in self.inherited.addresses() {
            tracing::warn!(event = "config", %address, "an inherited socket that listen does not name");
        }
    }
}

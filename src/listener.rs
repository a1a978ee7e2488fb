//! Accepts sockets and hands each to a worker; it never ends through a client's fault.
//!
//! Run by `worker`, one task a listening socket. The kernel spreads connections over the workers
//! (SO_REUSEPORT) by their addresses, so few long connections can crowd one worker; a crowded
//! worker hands a fresh socket to the least loaded one, before the handshake.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    config::AtCapacity,
    connection::{self, Arrival},
    io::PeerAddr,
    loads::Loads,
    port::Port,
    shard::Shard,
};

/// How long to wait when the process or the machine is out of something; accepting goes on then.
const PAUSE: Duration = Duration::from_millis(200);

/// How long to wait for room: short, because those who wait have been let in by the kernel.
const FULL: Duration = Duration::from_millis(20);

/// Waiting sockets that one worker takes from others; more stay where they came.
const HANDED: usize = 256;

/// A socket on its way to another worker.
#[derive(Debug)]
pub(crate) struct Handed {
    stream: std::net::TcpStream,
    peer: PeerAddr,
    port: Arc<Port>,
    at: Instant,
}

/// All workers as each of them sees them: how loaded they are, and how to reach them.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    loads: Loads,
    doors: Arc<[mpsc::Sender<Handed>]>,
}

impl Peers {
    /// For as many workers as `loads` has; the receivers are theirs, in order.
    #[must_use]
    pub(crate) fn new(loads: Loads) -> (Self, Vec<mpsc::Receiver<Handed>>) {
        let (doors, receivers): (Vec<_>, Vec<_>) =
            (0..loads.workers()).map(|_| mpsc::channel(HANDED)).unzip();
        (Self { loads, doors: doors.into() }, receivers)
    }

    /// A worker that is less crowded than worker `index`, if there is one, and the way to it.
    fn less_crowded(&self, index: usize) -> Option<(usize, &mpsc::Sender<Handed>)> {
        let other = self.loads.less_crowded(index)?;
        Some((other, self.doors.get(other)?))
    }
}

/// Accepts until `stop`, then takes what the kernel has queued by then, and ends.
pub(crate) async fn accept(
    listener: TcpListener,
    port: Arc<Port>,
    shard: Rc<Shard>,
    peers: Peers,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted(&listener, &shard) => accepted,
        };
        if !take(accepted, &port, &shard, &peers) {
            sleep(PAUSE).await;
        }
    }
    // Closing the listener would reset these.
    while let Poll::Ready(accepted @ Ok(_)) =
        poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await
    {
        take(accepted, &port, &shard, &peers);
    }
}

/// The next connection, once there is room for it.
async fn accepted(listener: &TcpListener, shard: &Shard) -> io::Result<(TcpStream, SocketAddr)> {
    let full = || shard.is_full().filter(|_| shard.at_capacity() == AtCapacity::Wait);
    if let Some(limit) = full() {
        shard.counters.limit(limit);
        while full().is_some() {
            sleep(FULL).await;
        }
    }
    listener.accept().await
}

/// Serves sockets that other workers hand over.
pub(crate) async fn receive(mut handed: mpsc::Receiver<Handed>, shard: Rc<Shard>) {
    while let Some(Handed { stream, peer, port, at }) = handed.recv().await {
        shard.shared.loads.receives(shard.index);
        match TcpStream::from_std(stream) {
            Ok(stream) => start(Arrival { stream, peer, port, at }, &shard),
            Err(error) => tracing::warn!(%error, "a socket could not be handed over"),
        }
    }
}

/// Whether to go on at once; not so when there is nothing to accept with.
fn take(
    accepted: io::Result<(TcpStream, SocketAddr)>,
    port: &Arc<Port>,
    shard: &Rc<Shard>,
    peers: &Peers,
) -> bool {
    match accepted {
        Ok((stream, address)) => {
            let (peer, port) = (PeerAddr::from(address), Arc::clone(port));
            let arrival = Arrival { stream, peer, port, at: Instant::now() };
            place(arrival, shard, peers);
            true
        }
        Err(error) if is_of_the_client(&error) => true,
        Err(error) => {
            shard.counters.accept_failed();
            tracing::warn!(%error, listener = port.kind.as_str(), "cannot accept; trying again");
            false
        }
    }
}

/// On this worker, or on a less crowded one.
fn place(arrival: Arrival, shard: &Rc<Shard>, peers: &Peers) {
    let Some((other, door)) = peers.less_crowded(shard.index) else {
        return start(arrival, shard);
    };
    let Ok(permit) = door.try_reserve() else {
        return start(arrival, shard);
    };
    let Arrival { stream, peer, port, at } = arrival;
    match stream.into_std() {
        Ok(stream) => {
            peers.loads.hands_over(other);
            permit.send(Handed { stream, peer, port, at });
        }
        Err(error) => tracing::warn!(%error, "a socket could not be handed over"),
    }
}

fn start(arrival: Arrival, shard: &Rc<Shard>) {
    if shard.at_capacity() == AtCapacity::Close
        && let Some(limit) = shard.is_full()
    {
        shard.counters.limit(limit);
        tracing::debug!(client = %arrival.peer.ip, "closed: limits.at_capacity");
        return;
    }
    // Counted in before the first await, so that a drain waits for handshakes too.
    let open = shard.enter(arrival.port.kind);
    let shard = Rc::clone(shard);
    tokio::task::spawn_local(async move {
        connection::serve(arrival, shard).await;
        drop(open);
    });
}

/// accept(2) also reports what befell a connection that was queued.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
    )
}

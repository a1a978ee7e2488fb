//! One thread, one runtime, and everything that runs on it.
//!
//! Started by `app`, one a CPU. Workers share nothing but counters that others may read; one that
//! is stuck stops no other. A worker ends when `app` says so and never by itself.

use std::{
    convert::Infallible,
    io, net,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    drain::Phase,
    listener::{self, Handed, Peers},
    metrics::Counters,
    port::Port,
    shard::Shard,
    shared::Shared,
};

/// How often kept upstream connections are looked at, and a new snapshot is taken up by a worker
/// that has nothing to do.
const SWEEP: Duration = Duration::from_secs(1);

/// One worker's own listening socket at a port.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The port.
    pub port: Arc<Port>,
    /// The socket.
    pub listener: net::TcpListener,
}

/// What a worker is made of; all of it may cross into its thread.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Which worker.
    pub index: usize,
    /// Its listening sockets, at first and as ports are opened.
    pub sockets: mpsc::UnboundedReceiver<Socket>,
    /// Its cells.
    pub counters: Arc<Counters>,
    /// What it has in common with the others.
    pub shared: Shared,
    /// The way to the others.
    pub peers: Peers,
    /// The way from the others.
    pub handed: mpsc::Receiver<Handed>,
    /// What to do.
    pub phase: watch::Receiver<Phase>,
    /// Dropped once it drains and has taken what the kernel had queued.
    pub taking: mpsc::Sender<Infallible>,
}

/// Starts a worker; it runs once this has returned.
///
/// # Errors
/// Where the system gives no thread or no runtime.
pub(crate) fn start(setup: Setup) -> io::Result<JoinHandle<()>> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    let name = format!("worker-{}", setup.index);
    let handle = thread::Builder::new().name(name).spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                report(&ready, Ok(()));
                run(setup).await;
            }),
            Err(error) => report(&ready, Err(error)),
        }
    })?;
    is_ready.recv().unwrap_or_else(|_gone| Err(io::ErrorKind::Other.into()))?;
    Ok(handle)
}

fn report(ready: &std::sync::mpsc::Sender<io::Result<()>>, result: io::Result<()>) {
    if ready.send(result).is_err() {
        tracing::debug!("nobody waits for this worker");
    }
}

async fn run(setup: Setup) {
    let Setup { index, mut sockets, counters, shared, peers, handed, mut phase, taking } = setup;
    let shard = Rc::new(Shard::new(index, counters, shared));
    tokio::task::spawn_local(shard.timers.clone().run());
    tokio::task::spawn_local(sweep(Rc::clone(&shard)));
    tokio::task::spawn_local(listener::receive(handed, Rc::clone(&shard)));
    let mut accepting = JoinSet::new();
    let opening = async {
        while let Some(socket) = sockets.recv().await {
            while accepting.try_join_next().is_some() {}
            open(socket, &mut accepting, &shard, &peers, phase.clone());
        }
        std::future::pending::<()>().await;
    };
    tokio::task::spawn_local(leave(Rc::clone(&shard), phase.clone()));
    let mut draining = phase.clone();
    tokio::select! {
        () = reached(&mut draining, Phase::Drain) => {}
        () = opening => {}
    }
    // What the kernel had queued is taken first, so that it drains like the rest.
    accepting.join_all().await;
    drop(taking);
    shard.drain();
    // Not when the last connection has gone: another worker may be handing one over.
    reached(&mut phase, Phase::Cut).await;
}

/// Accepts at a port until it is closed or the worker drains.
fn open(
    Socket { port, listener }: Socket,
    accepting: &mut JoinSet<()>,
    shard: &Rc<Shard>,
    peers: &Peers,
    mut phase: watch::Receiver<Phase>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, address = %port.address, "a port cannot be listened on");
            return;
        }
    };
    let (shard, peers) = (Rc::clone(shard), peers.clone());
    accepting.spawn_local(async move {
        let stop = async {
            tokio::select! {
                () = reached(&mut phase, Phase::Drain) => {}
                () = port.closed() => {}
            }
        };
        listener::accept(listener, Arc::clone(&port), Rc::clone(&shard), peers, stop).await;
        if port.is_closed() {
            // Those that rest have to look.
            shard.timers.wake_all();
        }
    });
}

async fn leave(shard: Rc<Shard>, mut phase: watch::Receiver<Phase>) {
    reached(&mut phase, Phase::Leave).await;
    shard.leave();
}

/// Waits until `app` has come to `goal` (or is gone).
async fn reached(phase: &mut watch::Receiver<Phase>, goal: Phase) {
    if phase.wait_for(|phase| *phase >= goal).await.is_err() {
        tracing::debug!("the process ends");
    }
}

async fn sweep(shard: Rc<Shard>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for pool in &shard.view().pools {
            pool.sweep();
        }
    }
}

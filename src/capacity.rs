//! How many connections and how much memory there is room for.
//!
//! Worked out once a snapshot from `[limits]` and the machine; asked by `listener` before a
//! connection is taken and, for memory, by each request through [`Pressure`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    config::{AtCapacity, Config, Problem},
    machine::Machine,
    process,
};

/// What a connection takes of memory at the least: an idle one over TLS, with room to spare.
const CONNECTION: u64 = 32 << 10;

/// Descriptors of a process that serves nobody: 64 admin connections, runtimes, files being read.
const OWN: u64 = 128;

/// And of each worker: its runtime, its listening sockets.
const OF_A_WORKER: u64 = 16;

/// A client's connection, and one to an upstream for its requests.
const FOR_A_CLIENT: u64 = 2;

/// How often memory is looked at; between two looks a few thousand connections may come.
const LOOK: Duration = Duration::from_millis(100);

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Client connections at one time.
    pub connections: usize,
    /// What happens to the next one.
    pub at: AtCapacity,
    /// Bytes of memory that the process shall stay below.
    pub memory: Option<u64>,
}

impl Capacity {
    /// As configured, as far as the machine has room for it.
    #[must_use]
    pub fn of(config: &Config, machine: Machine, workers: usize) -> Self {
        let limits = &config.limits;
        let memory = match u64::try_from(limits.memory) {
            Ok(0) | Err(_) => machine.memory.map(|bytes| bytes / 5 * 4),
            Ok(bytes) => Some(bytes),
        };
        let workers = u64::try_from(workers).unwrap_or(u64::MAX);
        let own = OWN.saturating_add(OF_A_WORKER.saturating_mul(workers));
        // A limit as low as that leaves half for clients all the same.
        let left = machine.descriptors - own.min(machine.descriptors / 2);
        let by_memory = memory.map_or(u64::MAX, |bytes| bytes / CONNECTION);
        let room = (left / FOR_A_CLIENT).min(by_memory).max(1);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let connections = match limits.client.connections {
            0 => room,
            most => most.min(room),
        };
        Self { connections, at: limits.at_capacity, memory }
    }

    /// What the machine has no room for although it is configured.
    #[must_use]
    pub fn doubt(&self, config: &Config) -> Option<Problem> {
        let wanted = config.limits.client.connections;
        (wanted > self.connections).then(|| {
            let text = format!(
                "there is room for {} connections, not for {wanted}; raise the limit of file \
                 descriptors (ulimit -n, LimitNOFILE=) or of memory",
                self.connections
            );
            Problem::bare("limits.connections", text)
        })
    }
}

/// How tight memory is, as all workers read it.
#[derive(Clone, Debug, Default)]
pub struct Pressure(Arc<AtomicU8>);

const CALM: u8 = 0;
const TIGHT: u8 = 1;
const OVER: u8 = 2;

impl Pressure {
    /// Whether no more connections are to be taken.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= TIGHT
    }

    /// Whether no more requests are.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= OVER
    }

    /// Follows what the process has, for as long as it lives; `ceiling` says what it may have now.
    pub async fn watch(self, ceiling: impl Fn() -> Option<u64>) {
        loop {
            let now = level(ceiling(), process::resident);
            let before = self.0.swap(now, Ordering::Relaxed);
            if (before == CALM) != (now == CALM) {
                let state = if now == CALM { "calm" } else { "tight" };
                tracing::warn!(event = "memory", state, "limits.memory");
            }
            sleep(LOOK).await;
        }
    }
}

/// Nine tenths are tight; what is under way still needs some.
fn level(ceiling: Option<u64>, resident: impl Fn() -> Option<u64>) -> u8 {
    let Some(ceiling) = ceiling else { return CALM };
    match resident() {
        Some(bytes) if bytes >= ceiling => OVER,
        Some(bytes) if bytes >= ceiling / 10 * 9 => TIGHT,
        _ => CALM,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{CALM, Capacity, OVER, TIGHT, level};
    use crate::{
        config::{self, Config},
        machine::Machine,
    };

    fn config(limits: &str) -> Config {
        let text = format!(
            "[tls]\ncertificates = [{{ chain = \"c\", key = \"k\" }}]\n[[upstreams]]\nname = \"a\"\n\
             servers = [\"http://127.0.0.1:1\"]\n[limits]\n{limits}\n"
        );
        config::parse(&text, Path::new("t")).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn room(limits: &str, descriptors: u64, memory: Option<u64>) -> usize {
        let machine = Machine { descriptors, memory };
        Capacity::of(&config(limits), machine, 2).connections
    }

    #[test]
    fn descriptors_are_for_both_sides_and_some_are_ours() {
        assert_eq!(room("", 1_048_576, None), (1_048_576 - 160) / 2);
        assert_eq!(room("", 256, None), 64, "half, where we would take more than that");
        assert_eq!(room("", 0, None), 1);
        assert_eq!(room("connections = 100", 1_048_576, None), 100);
        assert_eq!(room("connections = 100", 256, None), 64);
    }

    #[test]
    fn memory_bounds_connections_too() {
        let gibibyte = Some(1 << 30);
        assert_eq!(room("", 1_048_576, gibibyte), (1 << 30) / 5 * 4 / (32 << 10));
        assert_eq!(room("memory = \"64MiB\"", 1_048_576, gibibyte), (64 << 20) / (32 << 10));
        let capacity = |limits| {
            let machine = Machine { descriptors: 1 << 20, memory: gibibyte };
            let config = config(limits);
            let capacity = Capacity::of(&config, machine, 2);
            (capacity.memory, capacity.doubt(&config).is_some())
        };
        assert_eq!(capacity(""), (Some((1 << 30) / 5 * 4), false));
        assert_eq!(capacity("connections = 50000"), (Some((1 << 30) / 5 * 4), true));
        assert_eq!(capacity("memory = \"64MiB\""), (Some(64 << 20), false));
    }

    #[test]
    fn memory_is_tight_before_it_is_spent() {
        let at = |bytes| level(Some(1000), || Some(bytes));
        assert_eq!([at(899), at(900), at(999), at(1000)], [CALM, TIGHT, TIGHT, OVER]);
        assert_eq!(level(None, || Some(u64::MAX)), CALM);
        assert_eq!(level(Some(1000), || None), CALM);
    }
}

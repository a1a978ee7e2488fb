//! How many connections and how much memory there is room for.
//!
//! Worked out once a snapshot from `[limits]` and the machine; asked by `listener` before a
//! connection is taken and, for memory, by each request through [`Pressure`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
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
pub struct Pressure(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    level: AtomicU8,
    /// With fewer connections open there is room whatever the level is.
    room: AtomicUsize,
}

const CALM: u8 = 0;
const TIGHT: u8 = 1;
const OVER: u8 = 2;

impl Pressure {
    /// Whether no more connections are to be taken while so many are open.
    #[must_use]
    pub fn is_tight(&self, open: impl FnOnce() -> usize) -> bool {
        self.is(TIGHT, open)
    }

    /// Whether no more requests are.
    #[must_use]
    pub fn is_over(&self, open: impl FnOnce() -> usize) -> bool {
        self.is(OVER, open)
    }

    fn is(&self, level: u8, open: impl FnOnce() -> usize) -> bool {
        self.0.level.load(Ordering::Relaxed) >= level
            && open() >= self.0.room.load(Ordering::Relaxed)
    }

    /// Follows what the process has, for as long as it lives; `ceiling` says what it may have now,
    /// and `open` how many connections there are.
    pub async fn watch(self, ceiling: impl Fn() -> Option<u64>, open: impl Fn() -> usize) {
        let mut mark = Mark::default();
        loop {
            let looked = ceiling().and_then(|ceiling| Some((ceiling, process::resident()?)));
            let now = looked.map_or(CALM, |(ceiling, bytes)| level(ceiling, bytes));
            match looked {
                Some((ceiling, bytes)) if now != CALM => mark.look(ceiling, bytes, open()),
                _ => mark = Mark::default(),
            }
            self.0.room.store(mark.room, Ordering::Relaxed);
            let before = self.0.level.swap(now, Ordering::Relaxed);
            if (before == CALM) != (now == CALM) {
                let state = if now == CALM { "calm" } else { "tight" };
                tracing::warn!(event = "memory", state, "limits.memory");
            }
            sleep(LOOK).await;
        }
    }
}

/// Nine tenths are tight; what is under way still needs some.
fn level(ceiling: u64, resident: u64) -> u8 {
    match resident {
        bytes if bytes >= ceiling => OVER,
        bytes if bytes >= ceiling / 10 * 9 => TIGHT,
        _ => CALM,
    }
}

/// How many connections there is room for while memory is tight. What connections that have gone
/// took, the allocator keeps and uses again: the process may never have less than when it had most,
/// so there is room again when half of those have gone who were there then. One is always served.
#[derive(Debug, Default)]
struct Mark {
    highest: u64,
    room: usize,
    /// Looks since then.
    quiet: u8,
}

/// Looks without more memory after which one connection in eight more is let in.
const QUIET: u8 = 10;

impl Mark {
    fn look(&mut self, ceiling: u64, resident: u64, open: usize) {
        if resident > self.highest.saturating_add(ceiling / 64) {
            *self = Self { highest: resident, room: (open / 2).max(1), quiet: 0 };
            return;
        }
        self.quiet = self.quiet.saturating_add(1);
        // Far beyond the ceiling nobody is let in on trial.
        if self.quiet >= QUIET && resident <= ceiling.saturating_add(ceiling / 16) {
            self.room = self.room.saturating_add(1 + self.room / 8);
            self.quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{CALM, Capacity, Mark, OVER, QUIET, TIGHT, level};
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
        let levels = [899, 900, 999, 1000].map(|bytes| level(1000, bytes));
        assert_eq!(levels, [CALM, TIGHT, TIGHT, OVER]);
    }

    #[test]
    fn memory_that_is_kept_though_nobody_uses_it_keeps_nobody_out() {
        let mut mark = Mark::default();
        let mut room = |resident, open| {
            mark.look(1000, resident, open);
            mark.room
        };
        assert_eq!(room(950, 200), 100);
        // They have gone, the memory has not.
        assert_eq!(room(950, 0), 100);
        assert_eq!(room(960, 120), 100, "a little more says nothing");
        assert_eq!(room(1010, 150), 75, "more does");
        assert_eq!(room(1100, 1), 1);
        for _ in 0..QUIET {
            assert_eq!(room(1100, 1), 1);
        }
        assert_eq!(room(1100, 1), 1, "far beyond it stays so");
        assert_eq!(room(1062, 1), 2, "but not for ever");
    }
}

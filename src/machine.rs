//! What the machine gives the process: file descriptors and memory.
//!
//! Asked once by `app`, before anything is opened. Where the machine does not say, nothing is
//! made up.

use std::{fs, sync::OnceLock};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More descriptors than any process has use for; also where there is no limit.
const ENOUGH: u64 = 1 << 30;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Files that may be open at one time.
    pub descriptors: u64,
    /// Bytes of memory that the process may have; none where only the machine itself is the limit.
    pub memory: Option<u64>,
}

impl Machine {
    /// Asks the machine, and takes all descriptors that it gives.
    #[must_use]
    pub fn ask() -> Self {
        static DESCRIPTORS: OnceLock<u64> = OnceLock::new();
        Self { descriptors: *DESCRIPTORS.get_or_init(raise), memory: cgroup() }
    }
}

/// The soft limit is for programs that still use select(2); we may go to the hard one.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(ENOUGH).min(ENOUGH);
    }
    let wanted = Rlimit { current: maximum, maximum };
    let given = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors cannot be raised");
            current
        }
    };
    given.unwrap_or(ENOUGH).min(ENOUGH)
}

/// The limit of the cgroup, as a container sees it: of version 2, else of version 1.
fn cgroup() -> Option<u64> {
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let text = files.iter().find_map(|file| fs::read_to_string(file).ok())?;
    limit(&text)
}

/// `max` is no limit, nor is what version 1 says for it: the largest number of whole pages.
fn limit(text: &str) -> Option<u64> {
    const NONE: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE)
}

#[cfg(test)]
mod tests {
    use super::{Machine, limit};

    #[test]
    fn no_limit_is_said_in_two_ways() {
        assert_eq!(limit("67108864\n"), Some(64 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit(""), None);
    }

    #[test]
    fn there_are_some_descriptors() {
        assert!(Machine::ask().descriptors >= 64);
        assert_eq!(Machine::ask(), Machine::ask());
    }
}

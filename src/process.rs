//! What the kernel says of this process: memory, descriptors, processor time, threads.
//!
//! Read by `metrics` at a scrape and by `capacity` all the time, from `/proc/self` (proc(5)). Where a file is absent, as on
//! other systems, the value is; what was never read is never made up. A scrape must not grow with
//! the number of connections.

use std::{fs, path::Path, time::Duration};

/// One look at the process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// Bytes in memory.
    pub resident: Option<u64>,
    pub open_fds: Option<u64>,
    /// The soft limit; none where there is no limit.
    pub max_fds: Option<u64>,
    /// User and system time in seconds.
    pub cpu: Option<f64>,
    pub threads: Option<u64>,
}

impl Process {
    pub(crate) fn read() -> Self {
        let status = own("status").unwrap_or_default();
        Self {
            resident: kibibytes(&status, "VmRSS:").map(|kib| kib.saturating_mul(1024)),
            open_fds: open_fds(Path::new("/proc/self/fd")),
            max_fds: own("limits").and_then(|limits| max_fds(&limits)),
            cpu: own("stat").and_then(|stat| cpu(&stat)),
            threads: number(&status, "Threads:"),
        }
    }
}

/// Bytes that the process has in memory.
pub(crate) fn resident() -> Option<u64> {
    kibibytes(&own("status")?, "VmRSS:").map(|kib| kib.saturating_mul(1024))
}

/// When the process started, in seconds since 1970. To be asked once: the kernel derives the time
/// of its boot from the clock, and a step of that must not look like a restart.
pub(crate) fn started() -> Option<f64> {
    let boot = fs::read_to_string("/proc/stat").ok()?;
    start(&own("stat")?, &boot)
}

fn own(file: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/self").join(file)).ok()
}

/// Milliseconds in the kernel's unit of time in `/proc`. `USER_HZ` is part of its interface and 100 on every
/// architecture that tlsfloor is built for, whatever rate the kernel itself ticks at.
const TICK: u64 = 10;

/// Fields of `stat` by number, counted behind the name: that may hold spaces and parentheses.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    // Field 3, the state, is the first one behind it.
    behind.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(TICK))
}

/// Fields 14 and 15: user and system time, of threads that have ended too.
fn cpu(stat: &str) -> Option<f64> {
    let ticks = field(stat, 14)?.saturating_add(field(stat, 15)?);
    Some(duration(ticks).as_secs_f64())
}

/// Field 22 is when the process started after boot; `btime` is when that was.
fn start(stat: &str, boot: &str) -> Option<f64> {
    let booted = number(boot, "btime ")?;
    Some(Duration::from_secs(booted).saturating_add(duration(field(stat, 22)?)).as_secs_f64())
}

/// The number behind a name at the start of a line.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The same where it is in KiB, which `status` writes as `kB`; `statm` has pages, whose size would
/// have to be asked for.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.ends_with(" kB").then(|| number(line, name)).flatten()
}

/// The soft limit of `limits`.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Since Linux 6.2 the folder's size is how many there are; before, that is 0 and they are counted.
fn open_fds(folder: &Path) -> Option<u64> {
    match fs::metadata(folder).ok()?.len() {
        // The one that the folder is read by is not counted.
        0 => u64::try_from(fs::read_dir(folder).ok()?.count()).ok()?.checked_sub(1),
        open => Some(open),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Process, cpu, field, kibibytes, max_fds, number, open_fds, start, started};

    const STAT: &str = "4711 (tls) floor (x) S 1 4711 4711 0 -1 4194560 2351 0 0 0 1234 66 0 0 20 0 4 0 \
                        250 84213760 1893 18446744073709551615";
    const STATUS: &str = "Name:\ttlsfloor\nVmHWM:\t    9000 kB\nVmRSS:\t    7572 kB\nThreads:\t4\n";

    #[test]
    fn a_name_with_parentheses_shifts_no_field() {
        assert_eq!(cpu(STAT), Some(13.0));
        assert_eq!(start(STAT, "cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_002.5));
        assert_eq!(field(STAT, 20), Some(4));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        for end in 0..STAT.find("1234").unwrap() {
            assert_eq!(cpu(STAT.get(..end).unwrap()), None, "{end}");
        }
        assert_eq!(start(STAT, "cpu 1 2\n"), None);
        assert_eq!(start("", "btime 1\n"), None);
        assert_eq!(number("Threads:\n", "Threads:"), None);
        assert_eq!(kibibytes("VmRSS:\t 12 MB\n", "VmRSS:"), None);
        assert_eq!(open_fds(Path::new("/proc/self/no-such-folder")), None);
    }

    #[test]
    fn memory_threads_and_limits() {
        assert_eq!(kibibytes(STATUS, "VmRSS:"), Some(7572));
        assert_eq!(number(STATUS, "Threads:"), Some(4));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             63304                63304                processes \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(max_fds(limits), Some(1024));
        assert_eq!(max_fds(&limits.replace("1024 ", "unlimited ")), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_all_of_it() {
        let process = Process::read();
        assert!(process.resident.unwrap() > 100 * 1024, "{process:?}");
        assert!((3..10_000).contains(&process.open_fds.unwrap()), "{process:?}");
        assert!(process.threads.unwrap() >= 1 && process.cpu.is_some(), "{process:?}");
        assert!(started().unwrap() > 1_600_000_000.0);
    }
}

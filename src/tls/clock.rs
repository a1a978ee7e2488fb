//! The time of day, for what lives by it: tickets, OCSP responses, certificates.
//!
//! Read once a handshake. A clock that is wrong or jumps must never do more than cost a resumption
//! or a staple.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; a clock before that is at its beginning.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

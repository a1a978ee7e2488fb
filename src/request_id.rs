//! Names for requests: 128 bits, different for every request of every replica.
//!
//! A random start a worker and a count; mixed, so that ids do not give away how many requests
//! there were. They are names, not secrets.

use std::cell::Cell;

use hyper::header::HeaderValue;

use crate::chance::mix;

/// One worker's source of ids.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: u64,
    count: Cell<u64>,
}

impl Default for RequestIds {
    fn default() -> Self {
        let random = || {
            let mut bytes = [0; 8];
            // A start without randomness would still count, but replicas could collide.
            if aws_lc_rs::rand::fill(&mut bytes).is_err() {
                tracing::warn!("no random numbers: request ids may repeat across replicas");
            }
            u64::from_le_bytes(bytes)
        };
        Self { seed: random(), count: Cell::new(random()) }
    }
}

impl RequestIds {
    /// The next id: 32 hexadecimal digits.
    pub(crate) fn next(&self) -> HeaderValue {
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.id().to_be_bytes()) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }

    /// The next id of a span in a trace; never zero.
    pub(crate) fn span(&self) -> u64 {
        let [.., low] = self.halves();
        low.max(1)
    }

    /// The next id as a number; never zero.
    pub(crate) fn id(&self) -> u128 {
        let [high, low] = self.halves();
        ((u128::from(high) << 64) | u128::from(low)).max(1)
    }

    fn halves(&self) -> [u64; 2] {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        let high = mix(self.seed ^ count);
        let low = mix(high.wrapping_add(count).wrapping_add(self.seed));
        [high, low]
    }
}

/// Of a number below 16.
fn digit(nibble: u8) -> u8 {
    nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a' - 10 })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::RequestIds;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let ids: HashSet<_> = (0..500).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 1000);
        let plain = |id: &hyper::header::HeaderValue| {
            id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit)
        };
        assert!(ids.iter().all(plain));
    }
}

//! The type-length-values behind the addresses of version 2 (2.2.1).
//!
//! Of those that are read, lengths have to fit and a checksum among them has to be right; nothing
//! else in them is used. Of those that are written, the checksum is the last.

#![deny(clippy::arithmetic_side_effects)]

use super::{LONGEST, ProxyHeaderError, v2::FIXED};

/// `PP2_TYPE_CRC32C`
const CRC32C: u8 = 0x03;

/// Kind and length.
const HEAD: usize = 3;

/// A checksum with its head.
const SUM: usize = 7;

/// What we say of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `PP2_TYPE_ALPN`: what it offers, each name behind its length (RFC 7301 3.1).
    Alpn,
    /// `PP2_TYPE_AUTHORITY`: the host name that it asks for.
    Authority,
    /// `PP2_TYPE_UNIQUE_ID`: by which its connection is found in two logs.
    UniqueId,
    /// Our own: the reason for which it fails the floor.
    Verdict,
    /// Our own: its JA4.
    Ja4,
}

impl Kind {
    /// Its number. From 0xe0 on they are free for use (`PP2_TYPE_MIN_CUSTOM`, 2.2.8).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Alpn => 0x01,
            Self::Authority => 0x02,
            Self::UniqueId => 0x05,
            Self::Verdict => 0xe0,
            Self::Ja4 => 0xe1,
        }
    }
}

/// Puts those of `values` for which there is room behind the addresses of `header`, and says how
/// long it is; a checksum comes with them.
pub(super) fn append(header: &mut Vec<u8>, values: &[(Kind, &[u8])]) {
    let addresses = header.len();
    for (kind, value) in values {
        let room = LONGEST.saturating_sub(header.len()).saturating_sub(SUM);
        let length = u16::try_from(value.len()).ok();
        if let Some(length) = length.filter(|_| HEAD.saturating_add(value.len()) <= room) {
            header.push(kind.code());
            header.extend(length.to_be_bytes());
            header.extend(*value);
        }
    }
    let has_values = header.len() > addresses;
    if has_values {
        header.extend([CRC32C, 0, 4, 0, 0, 0, 0]);
    }
    let length = u16::try_from(header.len().saturating_sub(FIXED)).unwrap_or(u16::MAX);
    if let Some(place) = header.get_mut(FIXED.saturating_sub(2)..FIXED) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let place = header.len().saturating_sub(4);
    let sum = has_values.then(|| checksum(header, place));
    if let (Some(sum), Some(place)) = (sum, header.get_mut(place..)) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Checks `values`, the end of `header`.
pub(super) fn check(header: &[u8], values: &[u8]) -> Result<(), ProxyHeaderError> {
    let mut rest = values;
    while let [kind, after @ ..] = rest {
        let (length, after) = after.split_first_chunk().ok_or(ProxyHeaderError::BadLength)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (value, behind) = after.split_at_checked(length).ok_or(ProxyHeaderError::BadLength)?;
        if *kind == CRC32C {
            let said = value.try_into().map_err(|_wrong| ProxyHeaderError::BadLength)?;
            let place = header.len().saturating_sub(behind.len()).saturating_sub(length);
            if checksum(header, place) != u32::from_be_bytes(said) {
                return Err(ProxyHeaderError::BadChecksum);
            }
        }
        rest = behind;
    }
    Ok(())
}

/// CRC32c (RFC 4960 appendix B) of `header` with zeros for the four bytes at `place`.
fn checksum(header: &[u8], place: usize) -> u32 {
    let own = place..place.saturating_add(4);
    let bytes = header.iter().enumerate();
    !bytes.fold(u32::MAX, |crc, (at, byte)| {
        let byte = if own.contains(&at) { 0 } else { *byte };
        (0..8).fold(crc ^ u32::from(byte), |crc, _bit| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of CRC-32/ISCSI; the four bytes left out stand behind the end.
        assert_eq!(checksum(b"123456789", 9), 0xe306_9283);
    }
}

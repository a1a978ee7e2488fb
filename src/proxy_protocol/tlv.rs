//! The type-length-values behind the addresses of version 2 (2.2.1): their lengths have to fit,
//! and a checksum among them has to be right. Nothing else in them is used.

#![deny(clippy::arithmetic_side_effects)]

use super::ProxyHeaderError;

/// `PP2_TYPE_CRC32C`
const CRC32C: u8 = 0x03;

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

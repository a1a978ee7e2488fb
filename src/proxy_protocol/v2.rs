//! Version 2: a binary header with type-length-values (2.2).

#![deny(clippy::arithmetic_side_effects)]

use std::net::{IpAddr, SocketAddr};

use super::{LONGEST, ProxyHeaderError, Source, tlv};

/// How a header begins.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
pub(super) const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The peer does not say for whom; the rest has no meaning then.
const UNSPECIFIED: u8 = 0x00;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyHeaderError> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        return Ok(None);
    };
    let [command, family, high, low] = fixed.last_chunk().copied().unwrap_or_default();
    if !matches!(command, LOCAL | PROXY) {
        return Err(ProxyHeaderError::BadKind);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let whole = FIXED.saturating_add(length);
    if whole > LONGEST {
        return Err(ProxyHeaderError::TooLong);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    // A receiver has to take a LOCAL header whatever its family says (2.2).
    let source = if command == LOCAL || family == UNSPECIFIED {
        Source::Peer
    } else {
        let (source, values) = addresses(family, block)?;
        tlv::check(bytes.get(..whole).unwrap_or_default(), values)?;
        source
    };
    Ok(Some((source, whole)))
}

/// Whom the addresses name, and what stands behind them.
fn addresses(family: u8, block: &[u8]) -> Result<(Source, &[u8]), ProxyHeaderError> {
    let (source, length) = match family {
        0x11 => (client::<4, 12>(block), 12),
        0x21 => (client::<16, 36>(block), 36),
        // Datagrams and sockets of one machine: not what came here, so the peer stands.
        0x12 => (Some(Source::Peer), 12),
        0x22 => (Some(Source::Peer), 36),
        0x31 | 0x32 => (Some(Source::Peer), 216),
        _ => return Err(ProxyHeaderError::BadKind),
    };
    let values = block.get(length..).ok_or(ProxyHeaderError::BadLength)?;
    Ok((source.ok_or(ProxyHeaderError::BadLength)?, values))
}

/// Two addresses of `A` bytes and two ports: `ALL` bytes.
fn client<const A: usize, const ALL: usize>(block: &[u8]) -> Option<Source>
where
    IpAddr: From<[u8; A]>,
{
    let block = block.first_chunk::<ALL>()?;
    let address = *block.first_chunk::<A>()?;
    let [high, low, _, _] = *block.last_chunk::<4>()?;
    let port = u16::from_be_bytes([high, low]);
    Some(Source::Client(SocketAddr::new(address.into(), port)))
}

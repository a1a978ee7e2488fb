//! Version 1: one line of text (2.1).

#![deny(clippy::arithmetic_side_effects)]

use std::{net::IpAddr, str::FromStr};

use super::{ProxyHeaderError, Source};

/// How a line begins.
pub(super) const START: &[u8] = b"PROXY ";

/// The longest line, CRLF included.
const LONGEST: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyHeaderError> {
    let shown = bytes.get(..LONGEST).unwrap_or(bytes);
    let Some(end) = shown.iter().position(|byte| *byte == b'\r') else {
        let full = shown.len() == LONGEST;
        return if full { Err(ProxyHeaderError::TooLong) } else { Ok(None) };
    };
    let (line, rest) = shown.split_at_checked(end).unwrap_or((shown, &[]));
    match rest {
        [_, b'\n', ..] => Ok(Some((source(line)?, end.saturating_add(2)))),
        [_] if shown.len() < LONGEST => Ok(None),
        [_] => Err(ProxyHeaderError::TooLong),
        _ => Err(ProxyHeaderError::BadLine),
    }
}

fn source(line: &[u8]) -> Result<Source, ProxyHeaderError> {
    let line = std::str::from_utf8(line).map_err(|_not_text| ProxyHeaderError::BadLine)?;
    let mut words = line.split(' ').skip(1);
    match words.next() {
        // What stands behind it has to be ignored.
        Some("UNKNOWN") => Ok(Source::Peer),
        Some("TCP4") => client::<std::net::Ipv4Addr>(words),
        Some("TCP6") => client::<std::net::Ipv6Addr>(words),
        _ => Err(ProxyHeaderError::BadLine),
    }
}

/// Both addresses and both ports have to be right, though only the source is used.
fn client<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Source, ProxyHeaderError> {
    let mut address = || words.next()?.parse::<A>().ok();
    let (source, destination) = (address(), address());
    let (port, to) = (words.next().and_then(port), words.next().and_then(port));
    match (source, destination, port, to, words.next()) {
        (Some(source), Some(_), Some(port), Some(_), None) => {
            Ok(Source::Client((source.into(), port).into()))
        }
        _ => Err(ProxyHeaderError::BadLine),
    }
}

/// Decimal, without sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || (!text.starts_with('0') && !text.starts_with('+'));
    text.parse().ok().filter(|_| plain)
}

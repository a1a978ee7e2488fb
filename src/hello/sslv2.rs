//! Hellos in the SSL 2 format, as Java 6, Internet Explorer 6 and OpenSSL 0.9.8 send them.
//!
//! They can offer versions up to TLS 1.2 (RFC 5246 appendix E.2). They are never served, but
//! counted by what they offer and refused in words that their senders know.

#![deny(clippy::arithmetic_side_effects)]

use super::{Format, Hello, HelloError, Outcome, parse::Reader};

const CLIENT_HELLO: u8 = 1;

/// Length, type, version and three lengths.
const HEADER: usize = 11;

/// Says what bytes are that begin with a two-byte record header.
pub(super) fn read(bytes: &[u8]) -> Outcome {
    match bytes {
        [_, _, kind, ..] if *kind != CLIENT_HELLO => Outcome::Malformed(HelloError::NotTls),
        [high, low, ..] => {
            // A length has 15 bits, and what is shorter than its own header is none.
            let length = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
            if length < HEADER.saturating_sub(2) {
                return Outcome::Malformed(HelloError::BadLength);
            }
            if length > super::MAX_HELLO {
                return Outcome::Malformed(HelloError::TooLarge);
            }
            let Some(record) = bytes.get(2..length.saturating_add(2)) else {
                return Outcome::More;
            };
            match fields(&mut Reader(record)) {
                Some(hello) => Outcome::Hello(Box::new(hello)),
                None => Outcome::Malformed(HelloError::BadLength),
            }
        }
        _ => Outcome::More,
    }
}

fn fields(record: &mut Reader<'_>) -> Option<Hello> {
    record.u8()?;
    let legacy_version = record.u16()?;
    let (suites, session, challenge) = (record.u16()?, record.u16()?, record.u16()?);
    let suites = record.take(usize::from(suites))?;
    record.take(usize::from(session))?;
    record.take(usize::from(challenge))?;
    let (specs, rest) = suites.0.as_chunks::<3>();
    // A suite of SSL 3 or TLS has a zero before it (RFC 5246 appendix E.2).
    let tls = specs.iter().filter(|spec| spec.first() == Some(&0));
    rest.is_empty().then(|| Hello {
        format: Format::Sslv2,
        legacy_version,
        supported_versions: None,
        suites: tls.map(|[_, high, low]| u16::from_be_bytes([*high, *low])).collect(),
        compressions: vec![0],
        extensions: Vec::new(),
        sni: None,
        alpn: Vec::new(),
        groups: None,
        key_shares: None,
        signature_schemes: None,
        point_formats: None,
    })
}

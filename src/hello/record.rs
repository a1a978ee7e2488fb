//! Tells from the first bytes what a client speaks, and puts a hello together from its records.
//!
//! Called by `peek` each time more bytes came. As long as a hello is incomplete only record
//! headers are looked at; records are bounded in number, so byte-wise senders cost little.

#![deny(clippy::arithmetic_side_effects)]

use super::{Hello, HelloError, parse, sslv2};

/// The longest hello that is read; the longest known, with post-quantum key shares and a session
/// ticket, have some 4 KB.
pub const MAX_HELLO: usize = 16 * 1024;

/// Records that one hello may be cut into.
const MAX_RECORDS: usize = 32;

/// The longest plaintext record (RFC 8446 5.1).
const MAX_RECORD: usize = 16 * 1024;

const HANDSHAKE: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;

/// The longest HTTP method that is looked for.
const METHOD: usize = 24;

/// The PROXY protocol's version 2 signature.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the bytes are so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not enough to say.
    More,
    /// A whole hello.
    Hello(Box<Hello>),
    /// An HTTP request in clear.
    PlainHttp,
    /// A PROXY protocol header.
    ProxyHeader,
    /// None of these.
    Malformed(HelloError),
}

/// Says what `bytes`, all that a client has sent so far, are.
#[must_use]
pub fn read(bytes: &[u8]) -> Outcome {
    match bytes {
        [] => Outcome::More,
        [HANDSHAKE, ..] => tls(bytes),
        [first, ..] if first & 0x80 != 0 => sslv2::read(bytes),
        [first, ..] if first.is_ascii_alphabetic() => text(bytes),
        _ if PROXY_V2.starts_with(bytes) => Outcome::More,
        _ if bytes.starts_with(PROXY_V2) => Outcome::ProxyHeader,
        _ => Outcome::Malformed(HelloError::NotTls),
    }
}

/// Whether a client on a plain port speaks TLS or SSL instead.
#[must_use]
pub fn begins_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [HANDSHAKE, ..]) || matches!(bytes, [first, _, 1, ..] if first & 0x80 != 0)
}

fn text(bytes: &[u8]) -> Outcome {
    let word = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_word = word.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
    match word {
        _ if !is_word || word.len() > METHOD => Outcome::Malformed(HelloError::NotTls),
        _ if word.len() == bytes.len() => Outcome::More,
        b"PROXY" => Outcome::ProxyHeader,
        _ => Outcome::PlainHttp,
    }
}

fn tls(bytes: &[u8]) -> Outcome {
    match Records::walk(bytes) {
        Ok(Some(message)) => match parse::client_hello(&message) {
            Ok(hello) => Outcome::Hello(Box::new(hello)),
            Err(error) => Outcome::Malformed(error),
        },
        Ok(None) => Outcome::More,
        Err(error) => Outcome::Malformed(error),
    }
}

/// Handshake bytes as they lie in records.
struct Records<'a> {
    fragments: Vec<&'a [u8]>,
    length: usize,
}

impl<'a> Records<'a> {
    /// The hello's body once all of it is there.
    fn walk(mut rest: &'a [u8]) -> Result<Option<Vec<u8>>, HelloError> {
        let mut records = Records { fragments: Vec::new(), length: 0 };
        while let Some((fragment, behind, whole)) = record(rest)? {
            records.push(fragment)?;
            if let Some(length) = records.message_length()? {
                let total = length.saturating_add(4);
                if records.length >= total {
                    return Ok(Some(records.body(total)));
                }
            }
            if !whole {
                return Ok(None);
            }
            rest = behind;
        }
        Ok(None)
    }

    fn push(&mut self, fragment: &'a [u8]) -> Result<(), HelloError> {
        if self.fragments.len() >= MAX_RECORDS {
            return Err(HelloError::TooLarge);
        }
        self.fragments.push(fragment);
        self.length = self.length.saturating_add(fragment.len());
        Ok(())
    }

    /// The length in the handshake header, once that is there (RFC 8446 4).
    fn message_length(&self) -> Result<Option<usize>, HelloError> {
        let mut header = self.fragments.iter().copied().flatten().copied();
        match header.next() {
            None => return Ok(None),
            Some(CLIENT_HELLO) => {}
            Some(_) => return Err(HelloError::NotHello),
        }
        let (Some(high), Some(middle), Some(low)) = (header.next(), header.next(), header.next())
        else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, high, middle, low]);
        match usize::try_from(length) {
            Ok(length) if length <= MAX_HELLO => Ok(Some(length)),
            _ => Err(HelloError::TooLarge),
        }
    }

    /// The first `total` bytes without the four of the handshake header.
    fn body(&self, total: usize) -> Vec<u8> {
        let bytes = self.fragments.iter().copied().flatten().copied();
        bytes.take(total).skip(4).collect()
    }
}

/// The first record's bytes as far as they are there, what is behind it, and whether it is whole.
#[expect(clippy::type_complexity, reason = "three parts of one slice, used in one place")]
fn record(bytes: &[u8]) -> Result<Option<(&[u8], &[u8], bool)>, HelloError> {
    match bytes {
        [kind, ..] if *kind != HANDSHAKE => return Err(HelloError::BadRecord),
        [_, major, ..] if *major != 3 => return Err(HelloError::BadRecord),
        _ => {}
    }
    let [_, _, _minor, high, low, rest @ ..] = bytes else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > MAX_RECORD {
        return Err(HelloError::BadRecord);
    }
    Ok(Some(match rest.split_at_checked(length) {
        Some((fragment, behind)) => (fragment, behind, true),
        None => (rest, &[], false),
    }))
}

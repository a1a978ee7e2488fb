//! JA4, the TLS client fingerprint (FoxIO, BSD-3-Clause): which library sends such hellos.
//!
//! Only the TLS client method is here. Used for logs, upstream headers and the census; it is
//! evidence of a client's library, never proof of its identity.

use std::fmt;

use aws_lc_rs::digest;

use super::{Format, Hello, is_grease};

const LENGTH: usize = 36;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// A fingerprint as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ja4 {
    text: [u8; LENGTH],
    length: u8,
}

impl Ja4 {
    pub(super) fn of(hello: &Hello) -> Self {
        match hello.format {
            Format::Tls => Self::new(&[&part_a(hello), "_", &part_b(hello), "_", &part_c(hello)]),
            // JA4 has no form for these; ours says what there is to say.
            Format::Sslv2 => {
                Self::new(&[&format!("sslv2:{:04x}:{}", hello.legacy_version, hello.suites.len())])
            }
        }
    }

    fn new(parts: &[&str]) -> Self {
        let mut ja4 = Self { text: [0; LENGTH], length: 0 };
        for (place, byte) in ja4.text.iter_mut().zip(parts.iter().flat_map(|part| part.bytes())) {
            *place = byte;
            ja4.length += 1;
        }
        ja4
    }

    /// The fingerprint as text, at most 36 ASCII characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Ja4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn part_a(hello: &Hello) -> String {
    let sni = if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let count = |numbers: &[u16]| numbers.iter().filter(|n| !is_grease(**n)).count().min(99);
    let (suites, extensions) = (count(&hello.suites), count(&hello.extensions));
    let [first, last] = alpn(hello.alpn.first().map(Vec::as_slice));
    format!("t{}{sni}{suites:02}{extensions:02}{first}{last}", version(hello))
}

fn version(hello: &Hello) -> &'static str {
    let named = hello.supported_versions.as_ref().and_then(|versions| versions.iter().max());
    match named.copied().unwrap_or(hello.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// The first and last character of the first protocol, or of its hexadecimal form.
fn alpn(protocol: Option<&[u8]>) -> [char; 2] {
    let (Some(first), Some(last)) =
        (protocol.and_then(<[u8]>::first), protocol.and_then(<[u8]>::last))
    else {
        return ['0', '0'];
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)];
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 0xf)]
}

fn part_b(hello: &Hello) -> String {
    let mut suites: Vec<u16> = hello.suites.iter().copied().filter(|s| !is_grease(*s)).collect();
    suites.sort_unstable();
    hash(&join(&suites))
}

fn part_c(hello: &Hello) -> String {
    let counts = |number: &u16| !is_grease(*number) && !matches!(*number, SERVER_NAME | ALPN);
    let mut extensions: Vec<u16> = hello.extensions.iter().copied().filter(counts).collect();
    extensions.sort_unstable();
    let mut text = join(&extensions);
    let schemes = hello.signature_schemes.as_deref().unwrap_or_default();
    let schemes: Vec<u16> = schemes.iter().copied().filter(|s| !is_grease(*s)).collect();
    if !text.is_empty() && !schemes.is_empty() {
        text.push('_');
        text.push_str(&join(&schemes));
    }
    hash(&text)
}

fn join(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len() * 5);
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        for shift in [12, 8, 4, 0] {
            let digit = char::from_digit(u32::from((number >> shift) & 0xf), 16);
            text.push(digit.unwrap_or('0'));
        }
    }
    text
}

/// Twelve hexadecimal digits of SHA-256; zeros for nothing.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let digits = digest.as_ref().iter().take(6).flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::{alpn, hash};

    #[test]
    fn alpn_characters() {
        let cases: [(&[u8], &str); 9] = [
            (b"h2", "h2"),
            (b"http/1.1", "h1"),
            (&[0xab], "ab"),
            (&[0x20], "20"),
            (&[0xab, 0xcd], "ad"),
            (&[0x20, 0x61], "21"),
            (&[0x30, 0xab], "3b"),
            (&[0x61, 0x20], "60"),
            (&[0x30, 0x31, 0xab, 0xcd], "3d"),
        ];
        for (protocol, expected) in cases {
            assert_eq!(alpn(Some(protocol)).iter().collect::<String>(), expected, "{protocol:x?}");
        }
        assert_eq!(alpn(None), ['0', '0']);
        assert_eq!(alpn(Some(&[0x30, 0xab, 0xcd, 0x31])), ['0', '1']);
    }

    #[test]
    fn published_hashes() {
        let suites = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9";
        assert_eq!(hash(suites), "8daaf6152771");
        let extensions = "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01";
        assert_eq!(hash(extensions), "6d807ffa2a79");
        let schemes = "0403,0804,0401,0503,0805,0501,0806,0601";
        assert_eq!(hash(&format!("{extensions}_{schemes}")), "e5627efa2ab1");
        assert_eq!(hash(""), "000000000000");
    }
}

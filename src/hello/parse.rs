//! A ClientHello's body, as RFC 8446 4.1.2 and its extensions lay it out.
//!
//! Called by `record` with a whole message. Lengths that frame the message must fit; an extension
//! that cannot be read is passed over, because refusing it is rustls's to decide.

#![deny(clippy::arithmetic_side_effects)]

use super::{Format, Hello, HelloError, is_grease};
use crate::host::Host;

const RANDOM: usize = 32;

/// Reads the body of a ClientHello handshake message.
///
/// # Errors
/// `BadLength` where a length does not fit.
pub(super) fn client_hello(body: &[u8]) -> Result<Hello, HelloError> {
    let mut body = Reader(body);
    fields(&mut body).ok_or(HelloError::BadLength)
}

fn fields(body: &mut Reader<'_>) -> Option<Hello> {
    let legacy_version = body.u16()?;
    body.take(RANDOM)?;
    let _session_id = body.vector8()?;
    let suites = body.vector16()?.u16s()?;
    let compressions = body.vector8()?.0.to_vec();
    let mut hello = Hello {
        format: Format::Tls,
        legacy_version,
        supported_versions: None,
        suites,
        compressions,
        extensions: Vec::new(),
        sni: None,
        alpn: Vec::new(),
        groups: None,
        key_shares: None,
        signature_schemes: None,
        point_formats: None,
    };
    // SSL 3 and TLS 1.0 clients may end here (RFC 2246 7.4.1.2).
    if !body.0.is_empty() {
        let mut extensions = body.vector16()?;
        while !extensions.0.is_empty() {
            let number = extensions.u16()?;
            let mut content = extensions.vector16()?;
            hello.extensions.push(number);
            // What cannot be read counts as not said.
            let _unread = extension(&mut hello, number, &mut content);
        }
    }
    Some(hello)
}

/// The extensions that somebody here asks about.
fn extension(hello: &mut Hello, number: u16, content: &mut Reader<'_>) -> Option<()> {
    match number {
        0 => hello.sni = server_name(content),
        10 => hello.groups = Some(content.vector16()?.u16s()?),
        11 => hello.point_formats = Some(content.vector8()?.0.to_vec()),
        13 => hello.signature_schemes = Some(content.vector16()?.u16s()?),
        16 => hello.alpn = protocols(content)?,
        43 => {
            let versions = content.vector8()?.u16s()?;
            hello.supported_versions =
                Some(versions.into_iter().filter(|version| !is_grease(*version)).collect());
        }
        51 => hello.key_shares = Some(key_shares(content)?),
        _ => {}
    }
    Some(())
}

/// RFC 6066 3: a list with one host name. An address or a name that is none counts as not said.
fn server_name(content: &mut Reader<'_>) -> Option<Host> {
    let mut names = content.vector16()?;
    let kind = names.u8()?;
    let name = std::str::from_utf8(names.vector16()?.0).ok()?;
    let host = Host::parse(name).ok()?;
    (kind == 0 && host.ip().is_none()).then_some(host)
}

/// RFC 7301 3.1.
fn protocols(content: &mut Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = content.vector16()?;
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        protocols.push(list.vector8()?.0.to_vec());
    }
    Some(protocols)
}

/// RFC 8446 4.2.8: only the groups are of interest.
fn key_shares(content: &mut Reader<'_>) -> Option<Vec<u16>> {
    let mut list = content.vector16()?;
    let mut groups = Vec::new();
    while !list.0.is_empty() {
        groups.push(list.u16()?);
        list.vector16()?;
    }
    Some(groups)
}

/// What is left to read; every step gives nothing where too little is left.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<Self> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(taken))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    /// A vector with a length of one byte (RFC 8446 3.4).
    fn vector8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A vector with a length of two bytes.
    fn vector16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// All that is left as numbers.
    fn u16s(&self) -> Option<Vec<u16>> {
        let (pairs, rest) = self.0.as_chunks();
        rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
    }
}

//! Reads the first bytes of a TLS port's connection until it is clear what they are.
//!
//! Called by `connection` under the handshake's deadline. The bytes are kept as they came: rustls
//! gets the very same ones. It must never read more than a hello may be long.

use std::io;

use bytes::Bytes;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{Outcome, read};
use crate::proxy_protocol::{Beginning, begins};

/// Room for most hellos at once: one with a post-quantum key share has some 1.8 KB.
const FIRST: usize = 2048;

/// What came, and all bytes that came.
#[derive(Debug)]
pub struct Peeked {
    /// Never `More`, except where the client closed before its hello was whole.
    pub outcome: Outcome,
    /// As they came.
    pub bytes: Vec<u8>,
}

/// Reads until the hello is whole, or is none. `ahead` was read already.
///
/// # Errors
/// What the socket says.
pub async fn peek(stream: &mut TcpStream, ahead: Vec<u8>) -> io::Result<Peeked> {
    let mut bytes = ahead;
    bytes.reserve(FIRST);
    loop {
        let outcome = read(&bytes);
        let more = matches!(outcome, Outcome::More);
        if !more || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(Peeked { outcome, bytes });
        }
    }
}

/// The first bytes on a plain port, as many as show whether a PROXY header begins with them; none
/// where the client closed. `ahead` was read already.
///
/// # Errors
/// What the socket says.
pub async fn first_bytes(stream: &mut TcpStream, ahead: Vec<u8>) -> io::Result<(Beginning, Bytes)> {
    let mut bytes = ahead;
    bytes.reserve(FIRST);
    loop {
        let beginning = begins(&bytes);
        let open = beginning == Beginning::Open;
        if !open || stream.read_buf(&mut bytes).await? == 0 {
            return Ok((beginning, bytes.into()));
        }
    }
}

//! Reads the first bytes of a TLS port's connection until it is clear what they are.
//!
//! Called by `connection` under the handshake's deadline. The bytes are kept as they came: rustls
//! gets the very same ones. It must never read more than a hello may be long.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{Outcome, read};

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

/// Reads until the hello is whole, or is none.
///
/// # Errors
/// What the socket says.
pub async fn peek(stream: &mut TcpStream) -> io::Result<Peeked> {
    let mut bytes = Vec::with_capacity(FIRST);
    loop {
        let ended = stream.read_buf(&mut bytes).await? == 0;
        let outcome = read(&bytes);
        if ended || !matches!(outcome, Outcome::More) {
            return Ok(Peeked { outcome, bytes });
        }
    }
}

/// The first bytes on a plain port; none where the client closed.
///
/// # Errors
/// What the socket says.
pub async fn first_bytes(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut bytes = BytesMut::with_capacity(FIRST);
    stream.read_buf(&mut bytes).await?;
    Ok(bytes.freeze())
}

//! Reads a header from a socket, and no byte that it could lose.

use std::io;

use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{LONGEST, ProxyHeaderError, Source, parse};

/// Room for most headers together with most of what follows them.
const FIRST: usize = 2048;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The peer closed before one was whole.
    #[error("closed before the PROXY header was whole")]
    Closed,
    /// What came is none.
    #[error(transparent)]
    Header(#[from] ProxyHeaderError),
    /// The socket broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Reads a header; also gives the bytes that came with it and stand behind it. The caller bounds
/// the time.
///
/// # Errors
/// What came is no header, or the connection ended.
pub async fn read(stream: &mut TcpStream) -> Result<(Source, Vec<u8>), ReadError> {
    let mut bytes = Vec::with_capacity(FIRST);
    loop {
        // `parse` is done with it long before: this only keeps a mistake there from growing.
        if bytes.len() > LONGEST {
            return Err(ProxyHeaderError::TooLong.into());
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(ReadError::Closed);
        }
        if let Some((source, length)) = parse(&bytes)? {
            let behind = bytes.split_off(length.min(bytes.len()));
            return Ok((source, behind));
        }
    }
}

//! The ends of a connection: politely, with a last word, or visibly broken.
//!
//! Called by `connection`. A socket that is closed with unread bytes resets the connection, and
//! the reset destroys what the client has not read yet (RFC 1122 4.2.2.13); so we say our last
//! word, close our half, and read what still comes for a moment. Bounded in time and bytes.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    io::Socket,
    timer::{Ticks, Timer},
};

/// How long the other side may take to close its half, and how much it may still send.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;
const CHUNK: usize = 4096;

/// Ends a connection whose work is done.
pub(crate) async fn politely<S: Socket>(mut stream: S, timer: &Timer) {
    let shut = async {
        stream.shutdown().await?;
        drain(stream.tcp()).await
    };
    note(timer.limit(Ticks::from(LINGER), shut).await.unwrap_or(Ok(())));
}

/// Says `last` and ends the connection.
pub(crate) async fn with_word(mut stream: TcpStream, last: &[u8], timer: &Timer) {
    let said = timer.limit(Ticks::from(LINGER), stream.write_all(last)).await;
    if matches!(said, Ok(Ok(()))) {
        politely(stream, timer).await;
    }
}

/// Ends a connection in the middle: the client must not take what it has for the whole. A reset
/// is the one end that no client mistakes for a good one.
pub(crate) fn broken<S: Socket>(stream: S) {
    note(stream.tcp().set_zero_linger());
    drop(stream);
}

/// Reads and forgets until the other side closes.
async fn drain(stream: &TcpStream) -> io::Result<()> {
    let mut left = LINGER_BYTES;
    let mut scratch = vec![0; CHUNK];
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut scratch) {
            Ok(0) => break,
            Ok(read) => left = left.saturating_sub(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A client that is gone already is no failure of ours.
fn note(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::trace!(%error, "while closing");
    }
}

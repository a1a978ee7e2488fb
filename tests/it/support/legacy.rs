//! Today's terminator, as far as a proxy in front of it can tell: it takes bytes and gives some back.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::soon;

/// What it answers to the first bytes of each connection.
pub(crate) const GREETING: &[u8] = b"the old terminator\n";

/// A stand-in made of raw bytes.
pub(crate) struct Legacy {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Legacy {
    /// It answers each connection's first bytes with [`GREETING`], reads to the client's end, says
    /// `bye`, and closes.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::task::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::task::spawn(async move {
                    let mut bytes = Vec::new();
                    stream.read_buf(&mut bytes).await.unwrap();
                    stream.write_all(GREETING).await.unwrap();
                    stream.read_to_end(&mut bytes).await.unwrap();
                    stream.write_all(b"bye").await.unwrap();
                    sender.send(bytes).unwrap();
                });
            }
        });
        Self { address, seen }
    }

    /// All bytes of the next connection that has ended.
    pub(crate) async fn took(&mut self) -> Vec<u8> {
        soon(self.seen.recv()).await.unwrap()
    }
}

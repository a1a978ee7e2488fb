//! Today's terminator, as far as a proxy in front of it can tell: it takes bytes and gives some back.

use std::{collections::BTreeMap, net::SocketAddr};

use tlsfloor::proxy_protocol::{self, Source};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::soon;

/// What it answers to the first bytes of each connection: a TLS record, as far as that goes.
pub(crate) const GREETING: &[u8] = b"\x16\x03\x01\x00\x13the old terminator\n";

/// A stand-in made of raw bytes.
pub(crate) struct Legacy {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Vec<u8>>,
}

/// What a connection brought.
#[derive(Debug)]
pub(crate) struct Brought {
    /// The PROXY header's own bytes; none where there was none.
    pub(crate) header: Vec<u8>,
    /// Whom it speaks for.
    pub(crate) client: Option<SocketAddr>,
    /// All that came behind it.
    pub(crate) bytes: Vec<u8>,
}

impl Brought {
    fn read(all: &[u8]) -> Self {
        let (client, length) = match proxy_protocol::parse(all) {
            Ok(Some((Source::Client(client), length))) => (Some(client), length),
            Ok(Some((Source::Peer, length))) => (None, length),
            Ok(None) | Err(_) => (None, 0),
        };
        let (header, bytes) = all.split_at(length);
        Self { header: header.to_vec(), client, bytes: bytes.to_vec() }
    }

    /// The type-length-values of its header, as text.
    pub(crate) fn values(&self) -> BTreeMap<u8, String> {
        let mut rest = &self.header[16 + if self.header[13] == 0x11 { 12 } else { 36 }..];
        let mut values = BTreeMap::new();
        while let [kind, high, low, after @ ..] = rest {
            let (value, behind) = after.split_at(u16::from_be_bytes([*high, *low]).into());
            let before = values.insert(*kind, String::from_utf8_lossy(value).into_owned());
            assert_eq!(before, None, "each kind once");
            rest = behind;
        }
        values
    }
}

impl Legacy {
    /// It answers each connection's first bytes with [`GREETING`], reads to the client's end, says
    /// `bye`, and closes.
    pub(crate) async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap()
    }

    /// The same at a known address; none where that is taken.
    pub(crate) async fn at(address: SocketAddr) -> Option<Self> {
        Self::with(address, |mut stream, sender| async move {
            let mut bytes = Vec::new();
            stream.read_buf(&mut bytes).await.unwrap();
            if Brought::read(&bytes).bytes.is_empty()
                && stream.read_buf(&mut bytes).await.unwrap() == 0
            {
                // A health check.
                return;
            }
            stream.write_all(GREETING).await.unwrap();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.write_all(b"bye").await.unwrap();
            sender.send(bytes).unwrap();
        })
        .await
    }

    /// One that deals with its connections in another way, and says what they brought.
    pub(crate) async fn with<F, Served>(address: SocketAddr, serve: F) -> Option<Self>
    where
        F: Fn(TcpStream, mpsc::UnboundedSender<Vec<u8>>) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.ok()?;
        let address = listener.local_addr().unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(serve(stream, sender.clone()));
            }
        });
        Some(Self { address, seen })
    }

    /// All bytes of the next connection that has ended, behind its PROXY header.
    pub(crate) async fn took(&mut self) -> Vec<u8> {
        self.brought().await.bytes
    }

    /// All that the next connection that has ended brought.
    pub(crate) async fn brought(&mut self) -> Brought {
        Brought::read(&soon(self.seen.recv()).await.unwrap())
    }

    /// Connections that have ended and were not asked about.
    pub(crate) fn waiting(&self) -> usize {
        self.seen.len()
    }
}

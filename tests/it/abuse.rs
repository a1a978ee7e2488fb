//! Floods over HTTP/2, frame by frame: each ends its own connection (or is bounded) and is counted;
//! others are served on, and memory stays where it was.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hyper::Response;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::support::{
    client::{TlsClient, plain_get},
    eventually,
    pki::Pki,
    proxy::{Proxy, base},
    soon,
    upstream::{Upstream, full, scripted},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// The fields of `method` / for https://localhost (RFC 7541 appendix A).
fn fields(method: u8) -> Vec<u8> {
    [&[method, 0x87, 0x84, 0x41, 9][..], b"localhost"].concat()
}

fn get(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &fields(0x82))
}

fn post(stream: u32) -> Vec<u8> {
    frame(1, 4, stream, &fields(0x83))
}

fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(8, 0, stream, &by.to_be_bytes())
}

/// The streams that a client may open, in order.
fn stream(turn: u32) -> u32 {
    2 * turn + 1
}

/// A connection that has said hello in HTTP/2.
async fn connect(address: SocketAddr, settings: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = TlsClient::http2().connect(address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, settings)].concat()).await.unwrap();
    stream
}

/// The error codes of the GOAWAYs in what was read.
fn goaways(mut bytes: &[u8]) -> Vec<u32> {
    let mut codes = Vec::new();
    while bytes.len() >= 9 {
        let length = usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        let Some(payload) = bytes.get(9..9 + length) else {
            break;
        };
        if bytes[3] == 7 {
            codes.push(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        bytes = &bytes[9 + length..];
    }
    codes
}

/// Sends `first`, then what `more` makes again and again, until the proxy ends it; gives what the
/// proxy said.
async fn flood(address: SocketAddr, first: &[u8], more: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mut stream = connect(address, &[]).await;
    stream.write_all(first).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = tokio::spawn(async move {
        let mut said = Vec::new();
        drop(reader.read_to_end(&mut said).await);
        said
    });
    let writing = async {
        for turn in 0..100_000 {
            let bytes: Vec<u8> = (0..16).flat_map(|step| more(turn * 16 + step)).collect();
            if bytes.is_empty() {
                // All was in the first bytes.
                return;
            }
            if reading.is_finished() || writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        panic!("it took all of it");
    };
    soon(writing).await;
    soon(reading).await.unwrap()
}

type Case = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);

/// Every flood by the kind that it is counted under.
fn floods() -> Vec<Case> {
    let bomb_seed = {
        // A field of 4,000 bytes that the table keeps, then named again and again.
        let mut block = fields(0x82);
        block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        block.extend(vec![b'y'; 4000]);
        block.extend(vec![0xbe; 8000]);
        frame(1, 5, 1, &block)
    };
    vec![
        ("settings", vec![], |_| frame(4, 0, 0, &[])),
        ("ping", vec![], |_| frame(6, 0, 0, &[7; 8])),
        ("priority", vec![], |_| frame(2, 0, 1, &[0, 0, 0, 3, 9])),
        ("window_update", vec![], |_| window_update(0, 1)),
        ("unknown_frame", vec![], |_| frame(0xee, 0, 0, b"?")),
        ("empty_data", post(1), |_| frame(0, 0, 1, &[])),
        ("rapid_reset", vec![], |turn| {
            [get(stream(turn)), frame(3, 0, stream(turn), &[0, 0, 0, 8])].concat()
        }),
        ("made_you_reset", vec![], |turn| {
            [get(stream(turn)), window_update(stream(turn), i32::MAX.unsigned_abs())].concat()
        }),
        ("continuation", frame(1, 0, 1, &fields(0x82)), |_| frame(9, 0, 1, &[])),
        ("header_bomb", bomb_seed, |_| vec![]),
    ]
}

fn series(kind: &str) -> String {
    format!("tlsfloor_http2_abuse_total{{kind=\"{kind}\"}}")
}

#[tokio::test]
async fn each_flood_ends_its_connection_and_no_other() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::start(upstream.address);
    let mut other = TlsClient::http2().open(proxy.https).await;
    assert_eq!(other.get("/").await.status, 200);
    for (kind, first, more) in floods() {
        let said = flood(proxy.https, &first, more).await;
        let counted = || async { proxy.metric(&series(kind)).await };
        eventually(|| async { (counted().await == 1.0).then_some(()) }).await;
        // A flood that does not stop may have its last word destroyed by a reset; what came is so.
        let codes = goaways(&said);
        assert!(codes.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{kind}: {codes:?}");
        assert_eq!(other.get("/").await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn whoever_stops_flooding_is_told_to_calm_down() {
    let upstream = Upstream::text("never").await;
    let proxy = Proxy::start(upstream.address);
    let mut stream = connect(proxy.https, &[]).await;
    stream.write_all(&frame(6, 0, 0, &[7; 8]).repeat(501)).await.unwrap();
    let mut said = Vec::new();
    soon(stream.read_to_end(&mut said)).await.unwrap();
    assert_eq!(goaways(&said), [ENHANCE_YOUR_CALM]);
}

#[tokio::test]
async fn a_client_that_works_may_also_ask() {
    // Each answer is acknowledged by two window updates and a ping, for longer than any burst.
    let upstream = Upstream::answer(|_| Response::new(full(vec![b'x'; 2000]))).await;
    let proxy = Proxy::start(upstream.address);
    let mut connection = connect(proxy.https, &[]).await;
    let mut buffer = vec![0; 64 * 1024];
    for turn in 0..600 {
        let asks = [
            get(stream(turn)),
            window_update(0, 2000),
            window_update(stream(turn), 2000),
            frame(6, 0, 0, &[1; 8]),
        ];
        connection.write_all(&asks.concat()).await.unwrap();
        let mut came = 0;
        while came < 2000 {
            let read = soon(connection.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "ended at request {turn}: {}", proxy.metrics().await);
            came += read;
        }
    }
    assert!(!proxy.metrics().await.contains("tlsfloor_http2_abuse_total{"));
}

/// SETTINGS_INITIAL_WINDOW_SIZE = 0
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

#[tokio::test]
async fn streams_whose_client_takes_nothing_are_reset_and_their_siblings_are_not() {
    let upstream = Upstream::answer(|_| Response::new(full(vec![b'x'; 200_000]))).await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.write_timeout = Duration::from_millis(300);
    });
    let mut stream = connect(proxy.https, &NO_WINDOW).await;
    let opened = 20;
    stream
        .write_all(&(0..opened).flat_map(|turn| get(2 * turn + 1)).collect::<Vec<_>>())
        .await
        .unwrap();
    let reset = || async { proxy.metric(&series("stalled_stream")).await };
    eventually(|| async { (reset().await == f64::from(opened)).then_some(()) }).await;
    // The connection itself lives: a stream with a window is served.
    let request = [get(101), window_update(101, 300_000), window_update(0, 300_000)].concat();
    stream.write_all(&request).await.unwrap();
    let mut came = 0;
    let mut buffer = vec![0; 64 * 1024];
    while came < 200_000 {
        let read = soon(stream.read(&mut buffer)).await.unwrap();
        assert!(read > 0);
        came += read;
    }
    assert_eq!(proxy.metric("tlsfloor_limits_total{limit=\"write_timeout\"}").await, 20.0);
}

/// The real process, so that its memory is its own.
struct Process {
    child: Child,
    https: SocketAddr,
    admin: SocketAddr,
    _dir: TempDir,
}

impl Process {
    fn start(upstream: SocketAddr) -> Self {
        let dir = TempDir::new().unwrap();
        let issued = Pki::shared().issue(&["localhost"]);
        std::fs::write(dir.path().join("chain.pem"), issued.chain_pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), issued.key_pem()).unwrap();
        let file = dir.path().join("tlsfloor.toml");
        std::fs::write(&file, base(upstream)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tlsfloor"))
            .args(["run", "-c", file.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let start = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            (line["event"] == "start").then_some(line)
        });
        let start = start.unwrap();
        let address = |key: &str| {
            let text = start[key].to_string();
            let digits = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
            text.trim_matches(|c| !digits(c)).parse().unwrap()
        };
        let (https, admin) = (address("https"), address("admin"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, https, admin, _dir: dir }
    }

    /// Resident memory in KiB.
    fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What all floods together may leave behind, in KiB.
const BOUND: u64 = 24 * 1024;

#[tokio::test]
async fn floods_and_stalled_streams_leave_memory_where_it_was() {
    // An upstream that gives each request more than any buffer holds.
    let endless = scripted(|mut stream, _| async move {
        crate::support::upstream::read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
        drop(stream.write_all(head).await);
        while stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
    })
    .await;
    let process = Process::start(endless);
    assert_eq!(plain_get(process.admin, "/readyz").await.status, 200);
    for (_, first, more) in floods() {
        flood(process.https, &first, more).await;
    }
    let before = process.resident();
    for _ in 0..5 {
        for (_, first, more) in floods() {
            flood(process.https, &first, more).await;
        }
    }
    let after = process.resident();
    assert!(after < before + BOUND, "floods: {before} KiB became {after} KiB");
    // As many streams as there may be, none of which is taken: 64 KiB a stream and some.
    let mut stream = connect(process.https, &NO_WINDOW).await;
    let asks: Vec<u8> = (0..128).flat_map(|turn| get(2 * turn + 1)).collect();
    stream.write_all(&asks).await.unwrap();
    let mut said = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while heads(&said) < 128 {
        let read = soon(stream.read(&mut buffer)).await.unwrap();
        assert!(read > 0, "it ended with {} heads", heads(&said));
        said.extend_from_slice(&buffer[..read]);
    }
    let stalled = process.resident();
    assert!(stalled < after + 3 * BOUND, "stalled: {after} KiB became {stalled} KiB");
}

/// HEADERS frames in what was read.
fn heads(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while bytes.len() >= 9 {
        let length = usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        count += usize::from(bytes[3] == 1);
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    count
}

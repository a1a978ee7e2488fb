//! Compression of responses: who gets it, what the head says then, and that nothing waits in it.

use std::io::{Read, Write};

use hyper::{Request, Response};
use tokio::{io::AsyncWriteExt, sync::mpsc};

use crate::support::{
    client::{Answer, TlsClient, empty},
    proxy::{Proxy, base},
    soon,
    upstream::{Seen, Upstream, full, read_head, scripted},
};

/// Compressible, and longer than any buffer of an encoder.
fn text() -> String {
    (0..20_000).map(|n| format!("line {n} of many\n")).collect()
}

fn decode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    match coding {
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut decoded).unwrap()),
        "br" => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut decoded).unwrap()),
        "zstd" => decoded = zstd::decode_all(bytes).unwrap(),
        other => panic!("{other}"),
    }
    decoded
}

fn on(config: &mut tlsfloor::config::Config) {
    config.compression.enabled = true;
}

async fn get(proxy: &Proxy, client: &TlsClient, accepts: &str) -> Answer {
    let request = Request::get("/").header("accept-encoding", accepts).body(empty()).unwrap();
    client.send(proxy.https, request).await
}

#[tokio::test]
async fn a_response_comes_back_whole_in_each_coding_and_its_head_tells() {
    let upstream = Upstream::answer(|_| {
        Response::builder()
            .header("content-type", "Application/JSON; charset=utf-8")
            .header("etag", "\"abc\"")
            .header("accept-ranges", "bytes")
            .header("vary", "origin")
            .body(full(text()))
            .unwrap()
    })
    .await;
    let proxy = Proxy::with(upstream.address, on);
    for client in [TlsClient::http1(), TlsClient::http2()] {
        for coding in ["gzip", "br", "zstd"] {
            let answer = get(&proxy, &client, coding).await;
            assert_eq!(answer.field("content-encoding"), coding);
            assert!(decode(coding, &answer.body) == text().as_bytes(), "{coding}");
            assert!(answer.body.len() < text().len() / 4, "{coding}: {}", answer.body.len());
            assert_eq!(answer.field("etag"), "W/\"abc\"");
            for gone in ["content-length", "accept-ranges"] {
                assert!(!answer.headers.contains_key(gone), "{gone}: {answer:?}");
            }
            let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert_eq!(vary, ["origin", "accept-encoding"]);
        }
        // Who does not want it gets it as it is, and caches are told that others might.
        let answer = get(&proxy, &client, "deflate, gzip;q=0").await;
        assert_eq!(answer.field("content-encoding"), "");
        assert_eq!(answer.text(), text());
        assert_eq!(answer.field("etag"), "\"abc\"");
        assert_eq!(answer.headers.get_all("vary").iter().count(), 2);
        assert_eq!(
            get(&proxy, &client, "gzip;q=0.5, br;q=0.9").await.field("content-encoding"),
            "br"
        );
        assert_eq!(get(&proxy, &client, "gzip, br, zstd").await.field("content-encoding"), "zstd");
    }
}

/// Answers with the fields and status that the request names.
fn as_asked(seen: &Seen) -> Response<crate::support::upstream::Body> {
    let mut response = Response::builder().status(seen.all("x-status")[0]);
    for field in seen.all("x-answer") {
        let (name, value) = field.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    let size = seen.all("x-size")[0].parse().unwrap();
    response.body(full(vec![b'x'; size])).unwrap()
}

#[tokio::test]
async fn what_must_not_be_compressed_is_passed_on_untouched() {
    let upstream = Upstream::answer(as_asked).await;
    let proxy = Proxy::with(upstream.address, on);
    let json = "content-type: application/json";
    let cases: [(&str, &str, &str, usize, &[&str]); 17] = [
        ("compressed", "GET", "200", 5000, &[json]),
        ("compressed", "POST", "404", 5000, &["content-type: text/plain"]),
        ("compressed", "GET", "200", 1024, &[json]),
        ("too short", "GET", "200", 1023, &[json]),
        ("a HEAD", "HEAD", "200", 0, &[json, "content-length: 5000"]),
        ("nothing", "GET", "204", 0, &[json]),
        ("a part", "GET", "206", 5000, &[json, "content-range: bytes 0-4999/9000"]),
        ("not modified", "GET", "304", 0, &[json]),
        ("compressed already", "GET", "200", 5000, &[json, "content-encoding: br"]),
        (
            "not to be transformed",
            "GET",
            "200",
            5000,
            &[json, "cache-control: public, No-Transform"],
        ),
        ("an image", "GET", "200", 5000, &["content-type: image/png"]),
        ("of no type", "GET", "200", 5000, &[]),
        ("events", "GET", "200", 5000, &["content-type: text/event-stream"]),
        ("gRPC", "POST", "200", 5000, &["content-type: application/grpc+proto"]),
        ("a digest", "GET", "200", 5000, &[json, "content-digest: sha-256=:AA==:"]),
        ("another's name", "GET", "200", 5000, &["content-type: application/jsonx"]),
        ("compressed", "GET", "200", 5000, &[json, "cache-control: max-age=5", "etag: W/\"1\""]),
    ];
    for (name, method, status, size, fields) in cases {
        let mut request = Request::builder()
            .method(method)
            .uri("/")
            .header("accept-encoding", "gzip")
            .header("x-status", status)
            .header("x-size", size);
        for field in fields {
            request = request.header("x-answer", *field);
        }
        let request = request.body(empty()).unwrap();
        let answer = TlsClient::http2().send(proxy.https, request).await;
        assert_eq!(answer.status.to_string(), status, "{name}");
        let coding = answer.field("content-encoding");
        if name == "compressed" {
            assert_eq!(coding, "gzip", "{fields:?}");
            assert_eq!(decode("gzip", &answer.body), vec![b'x'; size]);
        } else {
            assert_ne!(coding, "gzip", "{name}");
            assert_eq!(answer.body.len(), size, "{name}");
            assert_eq!(answer.field("vary"), "", "{name}");
        }
    }
}

#[tokio::test]
async fn it_is_off_by_default_and_routes_have_their_own_mind() {
    let upstream = Upstream::answer(|_| {
        Response::builder().header("content-type", "text/plain").body(full(text())).unwrap()
    })
    .await;
    let routes = r#"
        [[routes]]
        upstream = "api"
        [[routes]]
        path = "/other/"
        upstream = "api"
        compress = OTHER
        [compression]
        enabled = ENABLED
        algorithms = ["gzip"]
    "#;
    for (enabled, other) in [("false", "true"), ("true", "false")] {
        let routes = routes.replace("OTHER", other).replace("ENABLED", enabled);
        let proxy = Proxy::from_text(&(base(upstream.address) + &routes), |_| {});
        for (path, compressed) in [("/", enabled), ("/other/", other)] {
            let request = Request::get(path).header("accept-encoding", "zstd, gzip;q=0.1");
            let request = request.body(empty()).unwrap();
            let answer = TlsClient::http1().send(proxy.https, request).await;
            let expected = if compressed == "true" { "gzip" } else { "" };
            assert_eq!(answer.field("content-encoding"), expected, "{path} {enabled}");
        }
    }
    let proxy = Proxy::start(upstream.address);
    let answer = get(&proxy, &TlsClient::http1(), "gzip").await;
    assert_eq!((answer.field("content-encoding"), answer.field("vary")), ("", ""));
}

/// An upstream that sends a chunk each time the test says so, and ends or breaks off in the end.
async fn step_by_step(proper_end: bool) -> (std::net::SocketAddr, mpsc::Sender<&'static str>) {
    let (say, said) = mpsc::channel::<&'static str>(1);
    let said = std::sync::Arc::new(tokio::sync::Mutex::new(said));
    let address = scripted(move |mut stream, _| {
        let said = std::sync::Arc::clone(&said);
        async move {
            read_head(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while let Some(text) = said.lock().await.recv().await {
                let chunk = format!("{:x}\r\n{text}\r\n", text.len());
                stream.write_all(chunk.as_bytes()).await.unwrap();
            }
            if proper_end {
                stream.write_all(b"0\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    (address, say)
}

#[tokio::test]
async fn nothing_waits_in_the_encoder_for_what_comes_later() {
    for coding in ["gzip", "br", "zstd"] {
        let (upstream, say) = step_by_step(true).await;
        let proxy = Proxy::with(upstream, on);
        let request = Request::get("/").header("accept-encoding", coding).body(empty()).unwrap();
        let mut sender = TlsClient::http2().open(proxy.https).await;
        let mut body = sender.begin(request).await.unwrap().into_body();
        let mut decoder: Box<dyn Decoder> = match coding {
            "gzip" => Box::new(flate2::write::GzDecoder::new(Vec::new())),
            "br" => Box::new(brotli::DecompressorWriter::new(Vec::new(), 4096)),
            _ => Box::new(zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
        };
        let mut expected = String::new();
        for text in ["one", "two, which is longer", "three"] {
            say.send(text).await.unwrap();
            expected.push_str(text);
            while decoder.decoded() != expected.as_bytes() {
                use http_body_util::BodyExt;
                let frame = soon(body.frame()).await.expect("it goes on").unwrap();
                decoder.write_all(&frame.into_data().unwrap()).unwrap();
                decoder.flush().unwrap();
            }
        }
    }
}

trait Decoder: Write {
    fn decoded(&self) -> &[u8];
}

impl Decoder for flate2::write::GzDecoder<Vec<u8>> {
    fn decoded(&self) -> &[u8] {
        self.get_ref()
    }
}

impl Decoder for brotli::DecompressorWriter<Vec<u8>> {
    fn decoded(&self) -> &[u8] {
        self.get_ref()
    }
}

impl Decoder for zstd::stream::write::Decoder<'_, Vec<u8>> {
    fn decoded(&self) -> &[u8] {
        self.get_ref()
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_get_a_proper_end() {
    for client in [TlsClient::http1(), TlsClient::http2()] {
        let (upstream, say) = step_by_step(false).await;
        let proxy = Proxy::with(upstream, on);
        let request = Request::get("/").header("accept-encoding", "gzip").body(empty()).unwrap();
        let response = client.open(proxy.https).await.begin(request).await.unwrap();
        say.send("half").await.unwrap();
        drop(say);
        crate::support::client::whole(response).await.expect_err("it must not look whole");
    }
}

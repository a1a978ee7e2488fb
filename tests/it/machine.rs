//! What the machine gives: descriptors, memory, sockets that are open already, a service manager.

use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
};

use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    cli::{Folder, Running},
    support::{
        DEADLINE,
        client::{TlsClient, plain_get},
        eventually,
        proxy::{Proxy, base},
        soon,
        upstream::Upstream,
    },
};

/// As `tlsfloor run`, by a shell that prepares something first; `$0` is the configuration.
fn by_shell(folder: &Folder, prepare: &str) -> Command {
    let script = format!("{prepare} exec {} run -c \"$0\"", env!("CARGO_BIN_EXE_tlsfloor"));
    let mut command = Command::new("sh");
    command.args(["-c", &script, folder.config().to_str().unwrap()]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_with_256_descriptors_keeps_serving_and_recovers_by_itself() {
    let upstream = Upstream::text("ok").await;
    let folder = Folder::new(&base(upstream.address));
    let mut command = by_shell(&folder, "ulimit -n 256;");
    let running = Running::spawn(&mut command);
    // Half of 256: 128 are the process's own and 32 its two workers'.
    assert_eq!(running.start["connections"], 64);
    let mut good = TlsClient::http1().open(running.https).await;
    assert_eq!(good.get("/").await.status, 200);
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(TcpStream::connect(running.https).await.unwrap());
    }
    let full = "tlsfloor_limits_total{limit=\"connections\"}";
    eventually(async || {
        let metrics = plain_get(running.admin, "/metrics").await.text();
        metrics.lines().any(|line| line.starts_with(full)).then_some(())
    })
    .await;
    for _ in 0..10 {
        assert_eq!(good.get("/").await.status, 200);
        assert_eq!(plain_get(running.admin, "/readyz").await.status, 200);
    }
    drop(flood);
    for _ in 0..10 {
        assert_eq!(TlsClient::http1().get(running.https, "/").await.status, 200);
    }
    let metrics = plain_get(running.admin, "/metrics").await.text();
    assert!(metrics.contains("\ntlsfloor_accept_failures_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn at_capacity_the_next_connection_waits_until_another_one_goes() {
    let upstream = Upstream::text("ok").await;
    let proxy = Proxy::with(upstream.address, |config| {
        config.limits.client.connections = 2;
        config.listen.workers = 1;
    });
    let mut first = TlsClient::http1().open(proxy.https).await;
    let mut second = TlsClient::http1().open(proxy.https).await;
    for open in [&mut first, &mut second] {
        assert_eq!(open.get("/").await.status, 200);
    }
    let https = proxy.https;
    let third = tokio::spawn(async move { TlsClient::http1().get(https, "/").await });
    let full = "tlsfloor_limits_total{limit=\"connections\"}";
    eventually(async || (proxy.metric(full).await > 0.0).then_some(())).await;
    assert_eq!(first.get("/").await.status, 200);
    assert!(!third.is_finished());
    drop(second);
    assert_eq!(soon(third).await.unwrap().status, 200);
    assert_eq!(first.get("/").await.status, 200);
}

#[tokio::test]
async fn without_memory_nothing_more_is_taken_and_with_it_everything_again() {
    let upstream = Upstream::text("ok").await;
    let text = base(upstream.address);
    let proxy = Proxy::from_text(&text, |_| {});
    let mut open = TlsClient::http1().open(proxy.https).await;
    assert_eq!(open.get("/").await.status, 200);
    // Less than any process has.
    let tight = format!("{text}[limits]\nmemory = \"1MiB\"\nat_capacity = \"close\"\n");
    proxy.reload_as(&tight).await.unwrap();
    let refused = soon(async {
        loop {
            let answer = open.get("/").await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((refused.status, refused.field("retry-after")), (503, "1"));
    assert!(refused.text().contains("no memory left"), "{}", refused.text());
    let mut closed = TcpStream::connect(proxy.https).await.unwrap();
    let mut said = Vec::new();
    drop(soon(closed.read_to_end(&mut said)).await);
    assert_eq!(said, b"");
    assert_eq!(plain_get(proxy.admin, "/readyz").await.status, 200);
    assert!(proxy.metric("tlsfloor_limits_total{limit=\"memory\"}").await >= 2.0);
    proxy.reload_as(&text).await.unwrap();
    soon(async { while open.get("/").await.status != 200 {} }).await;
    assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_open_already_is_used() {
    let upstream = Upstream::text("ok").await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let text = base(upstream.address)
        .replace("https = [\"127.0.0.1:0\"]", &format!("https = [\"{address}\"]"));
    let folder = Folder::new(&text);
    // A connection that came before the process did.
    let early = tokio::spawn(async move { TlsClient::http1().get(address, "/").await });
    let prepare =
        "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS;";
    let mut command = by_shell(&folder, prepare);
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let running = Running::spawn(&mut command);
    drop(command);
    assert_eq!(running.https, address);
    assert_eq!(soon(early).await.unwrap().status, 200);
    for _ in 0..4 {
        assert_eq!(TlsClient::http1().get(address, "/").await.status, 200);
    }
}

#[test]
fn a_service_manager_is_told() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream: SocketAddr = runtime.block_on(Upstream::text("ok")).address;
    let folder = Folder::new(&base(upstream));
    let path = folder.dir.path().join("notify");
    let told = UnixDatagram::bind(&path).unwrap();
    told.set_read_timeout(Some(DEADLINE)).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = told.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut command = by_shell(&folder, "");
    command.env("NOTIFY_SOCKET", &path);
    let running = Running::spawn(&mut command);
    assert_eq!(next().trim(), "READY=1\nSTATUS=serves");
    running.signal("HUP");
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(next().trim(), "READY=1\nSTATUS=serves");
    running.signal("TERM");
    assert_eq!(next().trim(), "STOPPING=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn until_names_were_looked_up_once_it_serves_and_says_that_it_starts() {
    let upstream = Upstream::text("ok").await;
    // A name server that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let free = |_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let [https, admin] = [0, 1].map(free);
    let text = base(upstream.address)
        .replace("https = [\"127.0.0.1:0\"]", &format!("https = [\"{https}\"]"))
        .replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""));
    let other = "[[upstreams]]\nname = \"named\"\nservers = [\"http://nobody.test\"]\n\
                 [[routes]]\nupstream = \"api\"\n[[routes]]\npath = \"/n/\"\nupstream = \"named\"\n";
    let dns = silent.local_addr().unwrap();
    let folder = Folder::new(&format!("{text}{other}[dns]\nservers = [\"{dns}\"]\n"));
    let mut child = by_shell(&folder, "").stdout(Stdio::null()).spawn().unwrap();
    eventually(async || TcpStream::connect(admin).await.ok().map(drop)).await;
    let ready = plain_get(admin, "/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "starting\n"));
    assert_eq!(plain_get(admin, "/livez").await.status, 200);
    assert_eq!(TlsClient::http1().get(https, "/").await.status, 200);
    eventually(async || (plain_get(admin, "/readyz").await.status == 200).then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

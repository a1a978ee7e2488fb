//! Today's terminator for a rehearsal: a real nginx that still speaks TLS 1.0 where one is
//! installed, else a stand-in that answers each hello with the bytes of a TLS 1.0 ServerHello.
//!
//! Whichever it is, what it answers to a hello sent straight to it is what a client has to see
//! through the legacy lane.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tlsfloor::proxy_protocol;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{eventually, pki::Pki};

/// An address of its own, so that nothing else takes its port between choosing and binding.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 9, 8, 7);

/// What it answers over HTTP, with the version of TLS behind it.
pub(crate) const SAYS: &str = "the old terminator over ";

/// A running terminator.
pub(crate) struct Terminator {
    /// Where it takes a hello as it is.
    pub(crate) address: SocketAddr,
    /// Where it wants a PROXY header before it, as the legacy lane sends it.
    pub(crate) lane: SocketAddr,
    /// Where it is a real one.
    nginx: Option<(Child, TempDir)>,
}

impl Terminator {
    /// The best that this machine has; says which.
    pub(crate) async fn start() -> Self {
        let started = match installed("nginx") {
            Some(program) => Self::nginx(&program).await,
            None => Self::stand_in().await,
        };
        note(&format!("old terminator: {}", if started.is_real() { "nginx" } else { "bytes" }));
        started
    }

    /// Whether it can shake hands.
    pub(crate) fn is_real(&self) -> bool {
        self.nginx.is_some()
    }

    async fn nginx(program: &PathBuf) -> Self {
        let folder = super::private_folder();
        let issued = Pki::shared().issue_rsa(&["old.example.com"]);
        std::fs::write(folder.path().join("chain.pem"), issued.chain_pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), issued.key_pem()).unwrap();
        let free = |_| TcpListener::bind((HOME, 0)).unwrap();
        let [address, lane] = [0, 1].map(free).map(|port| port.local_addr().unwrap());
        std::fs::write(folder.path().join("nginx.conf"), nginx_conf(address, lane)).unwrap();
        let child = Command::new(program)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = Self { address, lane, nginx: Some((child, folder)) };
        for port in [address, lane] {
            eventually(async || TcpStream::connect(port).await.ok()).await;
        }
        let (child, _) = started.nginx.as_mut().unwrap();
        assert!(child.try_wait().unwrap().is_none(), "nginx has ended");
        started
    }

    /// The one made of bytes, whatever this machine has.
    pub(crate) async fn stand_in() -> Self {
        let listener = tokio::net::TcpListener::bind((HOME, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut hello = Vec::new();
                    while is_header(&hello)
                        && stream.read_buf(&mut hello).await.is_ok_and(|read| read > 0)
                    {
                    }
                    if !is_header(&hello) {
                        // A client may be gone by now; the next one is not its concern.
                        drop(stream.write_all(&server_hello()).await);
                        drop(stream.read_to_end(&mut hello).await);
                    }
                });
            }
        });
        Self { address, lane: address, nginx: None }
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.nginx {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A line in the output of the tests, shown whether they pass or not.
pub(crate) fn note(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Where a program is, if it is installed.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Everything below the folder, one process, and every version that its OpenSSL has.
fn nginx_conf(address: SocketAddr, lane: SocketAddr) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr emerg;
         events {{ worker_connections 4096; }}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{
                 listen {address} ssl;
                 listen {lane} ssl proxy_protocol;
                 ssl_certificate chain.pem; ssl_certificate_key key.pem;
                 ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
                 ssl_ciphers ALL:@SECLEVEL=0;
                 location / {{ return 200 \"{SAYS}$ssl_protocol\"; }}
             }}
         }}"
    )
}

/// Nothing yet, or a PROXY header and nothing behind it.
fn is_header(bytes: &[u8]) -> bool {
    match proxy_protocol::parse(bytes) {
        Ok(Some((_, length))) => length == bytes.len(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// RFC 2246 7.4.1.3: TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA and no session.
fn server_hello() -> Vec<u8> {
    let body = [&[3, 1][..], &[5; 32], &[0, 0, 0x2f, 0]].concat();
    let message = [&[2, 0, 0, 38][..], &body].concat();
    [&[0x16, 3, 1, 0, 42][..], &message].concat()
}

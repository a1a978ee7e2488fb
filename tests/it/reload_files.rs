//! What may be in the files of a running proxy, and how they come to change.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;

use crate::{
    reload::{leaf, served},
    support::{
        client::TlsClient,
        eventually,
        pki::{Issued, Pki},
        proxy::{Proxy, base},
        soon,
        upstream::Upstream,
    },
};

/// What is put in a file's place.
enum Put<'a> {
    Nothing,
    Folder,
    Text(&'a str),
    Bytes(&'a [u8]),
}

fn put(path: &Path, content: &Put<'_>) {
    drop(fs::remove_file(path));
    drop(fs::remove_dir(path));
    match content {
        Put::Nothing => {}
        Put::Folder => fs::create_dir(path).unwrap(),
        Put::Text(text) => fs::write(path, text).unwrap(),
        Put::Bytes(bytes) => fs::write(path, bytes).unwrap(),
    }
}

/// Each bad state by itself: the file, what is put there, and what is said of it.
#[tokio::test]
async fn whatever_is_in_the_files_the_old_state_serves_on_and_the_next_good_one_is_taken() {
    let upstream = Upstream::text("hello").await;
    let text = format!("{}[reload]\npoll = \"20ms\"\n", base(upstream.address));
    let proxy = Proxy::from_text(&text, |_| {});
    let other = Pki::shared().issue(&["localhost"]);
    let expired = Pki::shared().issue_expired(&["localhost"]);
    let chain = fs::read_to_string(proxy.folder().join("chain.pem")).unwrap();
    let key = fs::read_to_string(proxy.folder().join("key.pem")).unwrap();
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let (half_chain, half_key, half_text) = (cut(&chain), cut(&key), cut(&text));
    let cases = [
        ("chain.pem", Put::Nothing, "chain.pem: the file cannot be read: No such file"),
        ("chain.pem", Put::Text(""), "chain.pem: the file is empty"),
        ("chain.pem", Put::Text(&half_chain), "chain.pem: found"),
        ("chain.pem", Put::Text(&key), "are chain and key swapped?"),
        ("chain.pem", Put::Text(expired.chain_pem()), "the certificate expired on"),
        ("chain.pem", Put::Text(other.chain_pem()), "does not belong to the certificate"),
        ("chain.pem", Put::Folder, "chain.pem: the file cannot be read: it is no file"),
        ("key.pem", Put::Nothing, "key.pem: the file cannot be read: No such file"),
        ("key.pem", Put::Text(""), "key.pem: the file is empty"),
        ("key.pem", Put::Text(&half_key), "key.pem: found"),
        ("key.pem", Put::Text(&chain), "are chain and key swapped?"),
        ("key.pem", Put::Text(other.key_pem()), "does not belong to the certificate"),
        ("key.pem", Put::Folder, "key.pem: the file cannot be read: it is no file"),
        ("tlsfloor.toml", Put::Nothing, "cannot read the configuration"),
        ("tlsfloor.toml", Put::Text(""), "found nothing, expected"),
        ("tlsfloor.toml", Put::Text(&half_text), "tlsfloor.toml:"),
        ("tlsfloor.toml", Put::Bytes(b"\xff\xfe"), "invalid utf-8"),
        ("tlsfloor.toml", Put::Folder, "it is no file"),
    ];
    let mut before = served(proxy.https).await;
    for (file, content, expected) in cases {
        let path = proxy.folder().join(file);
        let good = fs::read(&path).unwrap();
        put(&path, &content);
        // By itself, without being asked.
        success_becomes(&proxy, 0.0).await;
        let said = proxy.reload().await.unwrap_err().problems().join("\n");
        assert!(said.contains(expected), "{file}: {expected:?} not in {said}");
        assert_eq!(served(proxy.https).await, before, "{file}: {said}");
        assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 200);
        put(&path, &Put::Bytes(&good));
        success_becomes(&proxy, 1.0).await;
        before = served(proxy.https).await;
        assert_eq!(before, leaf_of(&chain));
    }
}

fn leaf_of(chain: &str) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()
}

async fn success_becomes(proxy: &Proxy, value: f64) {
    eventually(async || {
        let now = proxy.metric("tlsfloor_config_last_reload_success").await;
        (now == value).then_some(())
    })
    .await;
}

/// A volume as kubelet keeps it: names are links through `..data`, which is replaced in one step.
struct Volume {
    folder: TempDir,
    generation: usize,
}

impl Volume {
    fn new(first: &Issued) -> Self {
        let mut volume = Self { folder: TempDir::new().unwrap(), generation: 0 };
        for name in ["chain.pem", "key.pem"] {
            symlink(Path::new("..data").join(name), volume.folder.path().join(name)).unwrap();
        }
        volume.swap(first);
        volume
    }

    fn swap(&mut self, issued: &Issued) {
        let folder = self.folder.path();
        let before = format!("..{}", self.generation);
        self.generation += 1;
        let next = format!("..{}", self.generation);
        fs::create_dir(folder.join(&next)).unwrap();
        fs::write(folder.join(&next).join("chain.pem"), issued.chain_pem()).unwrap();
        fs::write(folder.join(&next).join("key.pem"), issued.key_pem()).unwrap();
        symlink(&next, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        drop(fs::remove_dir_all(folder.join(before)));
    }
}

/// 200 swaps while clients ask over kept and new connections; no request may fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_certificates_the_way_kubelet_brings_them_lose_no_request() {
    const SWAPS: usize = 200;
    let issued = [0, 1].map(|_| Pki::shared().issue(&["localhost"]));
    let mut volume = Volume::new(&issued[0]);
    let upstream = Upstream::text("hello").await;
    let mounted = volume.folder.path().join("chain.pem");
    let text = base(upstream.address)
        .replace("\"chain.pem\"", &format!("{mounted:?}"))
        .replace("\"key.pem\"", &format!("{:?}", mounted.with_file_name("key.pem")));
    let proxy = Proxy::from_text(&format!("{text}[reload]\npoll = \"5ms\"\n"), |_| {});
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for (client, keeps) in
        [(TlsClient::http1(), true), (TlsClient::http2(), true), (TlsClient::http1(), false)]
    {
        let (https, stop, asked) = (proxy.https, Arc::clone(&stop), Arc::clone(&asked));
        clients.spawn(async move {
            let mut sender = client.open(https).await;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(sender.get("/").await.status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
                if !keeps {
                    sender = client.open(https).await;
                }
            }
        });
    }
    for swap in 1..=SWAPS {
        let next = &issued[swap % 2];
        volume.swap(next);
        eventually(async || (served(proxy.https).await == leaf(next)).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = soon(clients.join_next()).await {
        ended.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > SWAPS, "hardly anything was asked");
    let loads = proxy.metric("tlsfloor_config_loads_total{result=\"success\"}").await;
    assert_eq!(loads, 1.0 + SWAPS as f64);
    assert_eq!(proxy.metric("tlsfloor_config_loads_total{result=\"failure\"}").await, 0.0);
}

/// A pair that is written file by file is never taken in between.
#[tokio::test]
async fn a_half_written_pair_is_waited_for() {
    let upstream = Upstream::text("hello").await;
    // Only asked looks are looks here, so that nothing is a matter of time.
    let text = format!("{}[reload]\npoll = \"0s\"\n", base(upstream.address));
    let proxy = Proxy::from_text(&text, |_| {});
    let before = served(proxy.https).await;
    let issued = Pki::shared().issue(&["localhost"]);
    proxy.write("chain.pem", issued.chain_pem());
    assert!(proxy.reload().await.is_err());
    assert_eq!(served(proxy.https).await, before);
    proxy.write("key.pem", issued.key_pem());
    proxy.reload().await.unwrap();
    assert_eq!(served(proxy.https).await, leaf(&issued));
}

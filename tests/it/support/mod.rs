//! Everything a test needs, in process: certificates, an upstream, clients, the proxy.

pub(crate) mod client;
pub(crate) mod dns;
pub(crate) mod hellos;
pub(crate) mod legacy;
pub(crate) mod log;
pub(crate) mod ocsp;
pub(crate) mod pki;
pub(crate) mod proxy;
pub(crate) mod terminator;
pub(crate) mod upstream;

use std::{fs::Permissions, future::Future, os::unix::fs::PermissionsExt, time::Duration};

use tempfile::TempDir;

/// A folder that only this user gets into, so that keys in it are nobody else's to read.
pub(crate) fn private_folder() -> TempDir {
    let permissions = Permissions::from_mode(0o700);
    tempfile::Builder::new().permissions(permissions).tempdir().unwrap()
}

/// No state takes longer than this to come about; only a failure waits it out.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future` under the deadline.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("not within the deadline")
}

/// Asks again and again until `state` gives something, under the deadline.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    mut state: impl FnMut() -> F,
) -> T {
    soon(async {
        loop {
            if let Some(value) = state().await {
                return value;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

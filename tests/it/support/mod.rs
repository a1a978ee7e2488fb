//! Everything a test needs, in process: certificates, an upstream, clients, the proxy.

pub mod client;
pub mod hellos;
pub mod pki;
pub mod proxy;
pub mod upstream;

use std::{future::Future, time::Duration};

/// No state takes longer than this to come about; only a failure waits it out.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future` under the deadline.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("not within the deadline")
}

/// Asks again and again until `state` gives something, under the deadline.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut state: impl FnMut() -> F) -> T {
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

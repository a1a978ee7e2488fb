//! `tlsfloor demo`: the main job on this machine, with nothing to prepare.
//!
//! The certificate and its key live in memory only; the upstream is `sample_api`. Everything else
//! is the real thing, by a configuration as a file would give it.

use std::{net::SocketAddr, path::Path};

use rcgen::{CertificateParams, KeyPair};

use super::{Failure, print, run as real, sample_api};
use crate::{
    app::{App, Surroundings},
    config::{self, CertificateSource},
};

/// What a file would say; the upstream's port is known only once the sample API listens.
fn text(upstream: SocketAddr) -> String {
    format!(
        r#"
        [listen]
        https = ["127.0.0.1:8443"]
        http = ["127.0.0.1:8080"]
        admin = "127.0.0.1:9901"

        [tls]
        certificates = [{{ chain = "(in memory)", key = "(in memory)" }}]

        [plain_http]
        https_port = 8443

        [hsts]
        max_age = "0s"

        [log]
        format = "text"

        [drain]
        delay = "0s"
        grace = "2s"

        [[upstreams]]
        name = "sample"
        servers = ["http://{upstream}"]
        "#
    )
}

pub(super) fn run() -> Result<(), Failure> {
    let upstream = sample_api::start().map_err(Failure::Runtime)?;
    let mut config =
        config::parse(&text(upstream), Path::new("demo")).map_err(config::ConfigError::Invalid)?;
    config.tls.certificates = vec![certificate()?];
    real::serve(config, Surroundings::default(), greet)
}

fn certificate() -> Result<CertificateSource, Failure> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names.to_vec())?.self_signed(&key)?;
    Ok(CertificateSource::Memory {
        name: "demo".to_owned(),
        chain: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// Five lines: what listens, and what to try.
fn greet(app: &App) -> Result<(), Failure> {
    let listening = app.addresses();
    let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
    let (https, http) = (port(&listening.https), port(&listening.http));
    print(&format!(
        "tlsfloor serves TLS 1.2 and 1.3 on https://127.0.0.1:{https} in front of a sample API; \
         Ctrl-C ends it\n\
         plain HTTP on http://127.0.0.1:{http}, admin on http://{}/\n\
         a good client:  curl -k https://127.0.0.1:{https}/\n\
         an old client:  curl -k --tlsv1.0 --tls-max 1.0 --ciphers DEFAULT@SECLEVEL=0 \
         https://127.0.0.1:{https}/\n\
         plain HTTP:     curl -i 'http://127.0.0.1:{http}/a?b=c'",
        listening.admin,
    ))
}

//! The configuration: as written (`raw`), as meant (`types`), and what is wrong with it (`error`).

mod error;
mod types;

pub use error::{Place, Problem, Problems};
pub use types::{
    CertificateSource, Config, Drain, Hsts, Limits, Listen, Log, LogFormat, PlainAction, PlainHttp,
    Route, Server, Tls, TlsHost, Upstream,
};

//! `[traces]`: where spans of requests go, and of how many. As written, as meant, and from one to
//! the other.
//!
//! Read by `resolve`; `traces` carries it out. A build without the feature `otlp` takes no such
//! section, so that nobody waits for traces that never come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

use super::{
    Scheme, Server,
    document::Document,
    raw::{Number, Text},
    resolve::value::{self, wrong},
    shape,
    upstream::resolve::server,
};

/// Whether this build can send traces.
pub const HAS_TRACES: bool = cfg!(feature = "otlp");

/// Spans of requests, sent by OTLP over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// The collector; spans go to /v1/traces there.
    #[schemars(with = "shape::CollectorUrl")]
    pub endpoint: Option<Text>,
    /// Of the requests that bring no trace so many in a hundred; one that does says for itself.
    #[schemars(with = "shape::Percent")]
    pub percent: Option<Number>,
    /// What the collector knows this proxy by.
    #[schemars(with = "shape::Name")]
    pub service_name: Option<Text>,
}

/// `[traces]`
#[derive(Clone, Debug, Serialize)]
pub struct Traces {
    /// The collector; never `h2c`.
    #[serde(serialize_with = "shown")]
    pub endpoint: Server,
    /// Of a hundred requests that bring no trace.
    pub percent: u8,
    /// `service.name`
    pub service_name: String,
}

fn shown<S: Serializer>(server: &Server, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(server)
}

const ENDPOINT: &str = "\"http://HOST:PORT\" or \"https://HOST:PORT\", without a path";

pub(super) fn traces(raw: Option<Spanned<Raw>>, document: &mut Document<'_>) -> Option<Traces> {
    let (raw, span) = (raw.as_ref()?.get_ref(), raw.as_ref()?.span());
    if !HAS_TRACES {
        let text = "this build has no traces; build with --features otlp".to_owned();
        document.report(span.clone(), "traces", text);
    }
    let percent = value::number(document, raw.percent.as_ref(), "traces.percent", 1, 0..=100);
    let mut service_name = "tlsfloor";
    if let Some(name) = &raw.service_name {
        service_name = name.get_ref();
        if service_name.trim().is_empty() {
            wrong(document, name, "traces.service_name", "a name");
        }
    }
    let Some(text) = &raw.endpoint else {
        value::missing(document, span, "traces.endpoint", ENDPOINT);
        return None;
    };
    let endpoint = server(text.get_ref(), 1).filter(|one| one.scheme != Scheme::H2c);
    if endpoint.is_none() {
        wrong(document, text, "traces.endpoint", ENDPOINT);
    }
    Some(Traces { endpoint: endpoint?, percent, service_name: service_name.to_owned() })
}

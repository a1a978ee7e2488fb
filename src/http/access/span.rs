//! The span of a request: begun with its head if it is sampled, handed over when all is known.
//!
//! Called by the exchange that it belongs to. Attributes are those that the semantic conventions of
//! OpenTelemetry have for HTTP servers; a request that is not sampled gets past here with a branch.

use hyper::{HeaderMap, Method};

use super::{Entry, Exchange, trace};
use crate::{
    metrics::Protocol,
    traces::{Begun, Span, Value},
};

impl Exchange {
    pub(super) fn begin_span(&self, headers: &HeaderMap) -> Option<Begun> {
        let shard = &self.client.shard;
        let tracer = shard.shared.tracer.as_ref()?;
        tracer.begin(trace::parent(headers), &shard.request_ids, &shard.chance)
    }

    /// The request's span, if it is sampled.
    pub(in crate::http) fn span(&self) -> Option<Begun> {
        self.entry.as_ref()?.span
    }

    /// Hands the request's span over, by the semantic conventions of OpenTelemetry (HTTP server
    /// spans); what is not in them is under our own name.
    pub(super) fn end_span(&self, entry: Entry) {
        let (Some(tracer), Some(begun)) = (&self.client.shard.shared.tracer, entry.span) else {
            return;
        };
        let tls = self.client.tls.as_ref();
        let (route, upstream) = (self.route_label(), self.upstream_name());
        let (method, original) = method(&entry.method);
        let failed = self.code >= 500 || entry.broke_off.is_some();
        let why = entry.broke_off.unwrap_or_else(|| self.code.to_string());
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let attributes = vec![
            ("http.request.method", Some(Value::Word(method))),
            ("http.request.method_original", original.map(Value::Text)),
            ("url.scheme", Some(Value::Word(if tls.is_some() { "https" } else { "http" }))),
            ("url.path", Some(Value::Text(entry.path))),
            ("http.response.status_code", Some(Value::Number(self.code.into()))),
            ("server.address", Some(entry.host).filter(|host| !host.is_empty()).map(Value::Text)),
            ("client.address", Some(Value::Text(entry.address.ip.to_string()))),
            ("client.port", entry.address.port.map(|port| Value::Number(port.into()))),
            ("network.protocol.name", Some(Value::Word("http"))),
            ("network.protocol.version", Some(Value::Word(version(self.protocol)))),
            ("tls.protocol.name", tls.map(|_| Value::Word("tls"))),
            ("tls.protocol.version", tls.map(|tls| Value::Word(tls.session.version.as_str()))),
            ("http.route", route.and_then(text)),
            ("error.type", failed.then_some(Value::Text(why))),
            ("tlsfloor.upstream", upstream.and_then(text)),
            ("tlsfloor.request_id", entry.id.to_str().map_or(None, text)),
        ];
        // Of few values: a method that nobody knows is none of them.
        let verb = if method == "_OTHER" { "HTTP" } else { method };
        let name = route.map_or_else(|| verb.to_owned(), |route| format!("{verb} {route}"));
        tracer.end(Span { begun, took: self.started.elapsed(), name, attributes, failed });
    }
}

/// The protocol's version as OpenTelemetry writes it.
fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "1.0",
        Protocol::Http11 => "1.1",
        Protocol::Http2 => "2",
    }
}

/// A method's own word if it is one of HTTP's (RFC 9110 9.3, RFC 5789); else what stands for the
/// others, and what the client said.
fn method(method: &Method) -> (&'static str, Option<String>) {
    const KNOWN: [(Method, &str); 9] = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::DELETE, "DELETE"),
        (Method::CONNECT, "CONNECT"),
        (Method::OPTIONS, "OPTIONS"),
        (Method::TRACE, "TRACE"),
        (Method::PATCH, "PATCH"),
    ];
    match KNOWN.iter().find(|(known, _)| known == method) {
        Some((_, word)) => (word, None),
        None => ("_OTHER", Some(method.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::method;

    #[test]
    fn a_method_that_nobody_knows_makes_no_group_of_its_own() {
        assert_eq!(method(&Method::PATCH), ("PATCH", None));
        let odd = Method::from_bytes(b"BREW-1").unwrap();
        assert_eq!(method(&odd), ("_OTHER", Some("BREW-1".to_owned())));
    }
}

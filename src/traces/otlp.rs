//! Spans as OTLP in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`).
//!
//! Called by `export`; knows nothing of how they are sent. By hand, because a request that is built
//! from four objects needs no code generated from protobuf, nor the HTTP client that comes with it.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Span, Value};

/// `SPAN_KIND_SERVER`
const SERVER: u8 = 2;

/// `STATUS_CODE_ERROR`
const ERROR: u8 = 2;

/// What goes to a collector's `/v1/traces`.
pub(super) fn request(service_name: &str, spans: &[Span]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        attribute("service.name", &Value::Text(service_name.to_owned())),
        attribute("service.version", &Value::Word(version)),
    ];
    let spans: Vec<Sent<'_>> = spans.iter().map(Sent::of).collect();
    let request = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "tlsfloor", "version": version }, "spans": spans }],
        }],
    });
    request.to_string().into_bytes()
}

/// `Span`; its ids are hexadecimal, other than in protobuf's own JSON, and its 64-bit numbers strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Json>,
}

impl<'a> Sent<'a> {
    fn of(span: &'a Span) -> Self {
        let begun = &span.begun;
        let known = |(key, value): &(&str, Option<Value>)| Some(attribute(key, value.as_ref()?));
        Self {
            trace_id: format!("{:032x}", begun.trace),
            span_id: format!("{:016x}", begun.span),
            parent_span_id: begun.parent.map(|parent| format!("{parent:016x}")),
            name: &span.name,
            kind: SERVER,
            start_time_unix_nano: nanos(begun.at),
            end_time_unix_nano: nanos(begun.at + span.took),
            attributes: span.attributes.iter().filter_map(known).collect(),
            status: span.failed.then(|| json!({ "code": ERROR })),
        }
    }
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Word(word) => json!({ "stringValue": word }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

/// Since 1970; a clock before that says it has just begun.
fn nanos(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{super::tests::span, Value, request};

    #[test]
    fn a_span_is_what_the_protocol_says() {
        let mut one = span();
        one.begun.parent = Some(0xef);
        one.failed = true;
        one.attributes = vec![
            ("http.request.method", Some(Value::Word("GET"))),
            ("http.response.status_code", Some(Value::Number(503))),
            ("http.route", None),
            ("url.path", Some(Value::Text("/\"\u{0}".to_owned()))),
        ];
        let sent: Json = serde_json::from_slice(&request("edge", &[one, span()])).unwrap();
        let resource = &sent["resourceSpans"][0];
        let name = json!({ "key": "service.name", "value": { "stringValue": "edge" } });
        assert_eq!(resource["resource"]["attributes"][0], name);
        let spans = &resource["scopeSpans"][0]["spans"];
        let expected = json!({
            "traceId": "000000000000000000000000000000ab",
            "spanId": "00000000000000cd",
            "parentSpanId": "00000000000000ef",
            "name": "GET */",
            "kind": 2,
            "startTimeUnixNano": "1700000000000000001",
            "endTimeUnixNano": "1700000000002000001",
            "attributes": [
                { "key": "http.request.method", "value": { "stringValue": "GET" } },
                { "key": "http.response.status_code", "value": { "intValue": "503" } },
                { "key": "url.path", "value": { "stringValue": "/\"\u{0}" } },
            ],
            "status": { "code": 2 },
        });
        assert_eq!(spans[0], expected);
        // What began a trace and went well says neither.
        assert!(spans[1]["parentSpanId"].is_null() && spans[1]["status"].is_null());
    }
}

//! Spans of requests: what a collector gets, and what upstreams are told of them.

use crate::config::{GOOD, problem};

#[test]
#[cfg(not(feature = "otlp"))]
fn a_build_without_traces_says_so() {
    let said = problem(&format!("{GOOD}[traces]\nendpoint = \"http://127.0.0.1:4318\"\n"));
    let expected = "t.toml:7:1 traces: this build has no traces; build with --features otlp";
    assert_eq!(said.trim(), expected);
}

#[cfg(feature = "otlp")]
mod sent {
    use hyper::{Request, Response};
    use serde_json::Value;

    use super::{GOOD, problem};
    use crate::{
        cli::{Folder, Running},
        support::{
            DEADLINE,
            client::{TlsClient, empty, plain_get},
            eventually,
            pki::Pki,
            proxy::{Proxy, base},
            upstream::{Speaks, Upstream, full, scripted},
        },
    };

    /// A collector stand-in.
    async fn collector() -> Upstream {
        Upstream::answer(|_| Response::new(full("{}"))).await
    }

    fn proxy(upstream: &Upstream, collector: &Upstream, percent: u8) -> Proxy {
        let (text, to) = (base(upstream.address), collector.address);
        let traces = format!(
            "[traces]\nendpoint = \"http://{to}\"\npercent = {percent}\nservice_name = \"edge\"\n"
        );
        Proxy::from_text(&(text + &traces), |_| {})
    }

    /// The spans that a collector got, by all its requests.
    fn spans(collector: &Upstream) -> Vec<Value> {
        let mut spans = Vec::new();
        for seen in collector.seen() {
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/traces"));
            assert_eq!(seen.all("content-type"), ["application/json"]);
            assert_eq!(seen.all("host"), [collector.address.to_string()]);
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            let resource = &body["resourceSpans"][0];
            let service = &resource["resource"]["attributes"][0];
            assert_eq!(service["key"], "service.name");
            assert_eq!(service["value"]["stringValue"], "edge");
            spans.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
        }
        spans
    }

    /// An attribute as text; empty where it is absent.
    fn attribute(span: &Value, key: &str) -> String {
        let attributes = span["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|one| one["key"] == key);
        let value = found.map(|one| one["value"].as_object().unwrap().values().next().unwrap());
        value.map_or_else(String::new, |value| value.as_str().unwrap().to_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_a_span_and_what_its_upstream_does_is_a_child_of_it() {
        let (upstream, collector) = (Upstream::text("hello").await, collector().await);
        let proxy = proxy(&upstream, &collector, 100);
        TlsClient::http2().get(proxy.https, "/a?secret=1").await;
        let seen = upstream.last();
        // The end of the process is the end of the wait for more.
        proxy.drain().await;
        let spans = spans(&collector);
        assert_eq!(spans.len(), 1, "{spans:?}");
        let span = &spans[0];
        let told = seen.all("traceparent");
        let (trace, id) = (span["traceId"].as_str().unwrap(), span["spanId"].as_str().unwrap());
        assert_eq!(told, [format!("00-{trace}-{id}-01")]);
        assert_eq!((&span["name"], &span["kind"]), (&"GET */".into(), &2.into()));
        assert!(span["parentSpanId"].is_null() && span["status"].is_null(), "{span}");
        for (key, value) in [
            ("http.request.method", "GET"),
            ("url.scheme", "https"),
            ("url.path", "/a"),
            ("http.response.status_code", "200"),
            ("server.address", "localhost"),
            ("client.address", "127.0.0.1"),
            ("network.protocol.version", "2"),
            ("tls.protocol.version", "1.3"),
            ("http.route", "*/"),
            ("tlsfloor.upstream", "api"),
            ("tlsfloor.request_id", seen.all("x-request-id")[0]),
            ("error.type", ""),
        ] {
            assert_eq!(attribute(span, key), value, "{key} in {span}");
        }
        let nanos = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(nanos("startTimeUnixNano") > 1_600_000_000_000_000_000);
        assert!(nanos("endTimeUnixNano") > nanos("startTimeUnixNano"));
        assert!(!span.to_string().contains("secret"), "{span}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_parent_says_whether_there_is_a_span() {
        let (upstream, collector) = (Upstream::text("hello").await, collector().await);
        let proxy = proxy(&upstream, &collector, 0);
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let mut client = TlsClient::http1().open(proxy.https).await;
        let mut ask = async |flags: &str| {
            let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
            let request = Request::get("/").header("traceparent", &parent);
            client.send(request.header("tracestate", "a=1").body(empty()).unwrap()).await;
            (parent, upstream.last())
        };
        let (parent, seen) = ask("00").await;
        assert_eq!(seen.all("traceparent"), [parent], "passed as it is");
        let (_, seen) = ask("01").await;
        assert_eq!(seen.all("tracestate"), ["a=1"]);
        client.get("/").await;
        assert!(upstream.last().all("traceparent").is_empty(), "none of nought in a hundred");
        proxy.drain().await;
        let spans = spans(&collector);
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(spans[0]["traceId"], trace);
        assert_eq!(spans[0]["parentSpanId"], "00f067aa0ba902b7");
        let id = spans[0]["spanId"].as_str().unwrap();
        assert_eq!(seen.all("traceparent"), [format!("00-{trace}-{id}-01")]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_failed_and_what_never_reached_an_upstream_are_spans_too() {
        let collector = collector().await;
        let broken =
            Upstream::answer(|_| Response::builder().status(503).body(full("no")).unwrap()).await;
        let proxy = proxy(&broken, &collector, 100);
        assert_eq!(TlsClient::http1().get(proxy.https, "/").await.status, 503);
        assert_eq!(plain_get(proxy.http, "/b").await.status, 301);
        proxy.drain().await;
        let spans = spans(&collector);
        let of = |path: &str| spans.iter().find(|one| attribute(one, "url.path") == path).unwrap();
        let (failed, redirect) = (of("/"), of("/b"));
        assert_eq!(
            (attribute(failed, "error.type"), &failed["status"]["code"]),
            ("503".into(), &2.into())
        );
        assert_eq!((redirect["name"].as_str(), &redirect["status"]), (Some("GET"), &Value::Null));
        assert_eq!(attribute(redirect, "url.scheme"), "http");
        assert_eq!(attribute(redirect, "tls.protocol.version"), "");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_takes_nothing_costs_spans_and_no_request() {
        let upstream = Upstream::text("hello").await;
        let refuses = Upstream::answer(|_| Response::builder().status(400).body(full("")).unwrap());
        let proxy = proxy(&upstream, &refuses.await, 100);
        let mut client = TlsClient::http1().open(proxy.https).await;
        // As many as go together, so that nobody waits for more.
        for _ in 0..512 {
            assert_eq!(client.get("/").await.status, 200);
        }
        let lost = || async { proxy.metric("tlsfloor_trace_spans_dropped_total").await };
        eventually(|| async { (lost().await == 512.0).then_some(()) }).await;
        assert!(proxy.metrics().await.contains("otlp\"} 1"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_hangs_does_not_keep_the_process() {
        let upstream = Upstream::text("hello").await;
        let hangs = scripted(|stream, _| async move {
            std::future::pending::<()>().await;
            drop(stream);
        });
        let traces = format!("[traces]\nendpoint = \"http://{}\"\npercent = 100\n", hangs.await);
        let proxy = Proxy::from_text(&(base(upstream.address) + &traces), |_| {});
        TlsClient::http1().get(proxy.https, "/").await;
        let drained = proxy.drain().await;
        // With all its tries it would be twice that.
        assert!(drained.took < DEADLINE, "{drained:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_over_tls_is_verified() {
        let upstream = Upstream::text("hello").await;
        let tls = |name: &str| {
            let speaks = Speaks::Tls(Pki::shared().server_config(&[name], &["http/1.1"], false));
            Upstream::speaking(speaks, |_| Response::new(full("{}")))
        };
        for (name, comes) in [("127.0.0.1", 1), ("other.example", 0)] {
            let collector = tls(name).await;
            let to = collector.address;
            let traces = format!("[traces]\nendpoint = \"https://{to}\"\npercent = 100\n");
            let folder = Folder::new(&(base(upstream.address) + &traces));
            let authority = folder.dir.path().join("ca.pem");
            std::fs::write(&authority, Pki::shared().authority_pem()).unwrap();
            let mut running = Running::start_with(&folder, "SSL_CERT_FILE", &authority);
            TlsClient::http1().get(running.https, "/").await;
            running.signal("TERM");
            while running.event("drain")["step"] != "done" {}
            assert_eq!(collector.seen().len(), comes, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_section_is_said() {
        let with = |keys: &str| problem(&format!("{GOOD}[traces]\n{keys}"));
        let expected = "\"http://HOST:PORT\" or \"https://HOST:PORT\", without a path";
        assert_eq!(
            with("").trim(),
            format!("t.toml:7:1 traces.endpoint: found nothing, expected {expected}")
        );
        for bad in ["h2c://c:4318", "http://c:4318/v1/traces", "c:4318", "http://c:0"] {
            let said = with(&format!("endpoint = \"{bad}\"\n"));
            let found =
                format!("t.toml:8:12 traces.endpoint: found \"{bad}\", expected {expected}");
            assert_eq!(said.trim(), found);
        }
        let said = with("endpoint = \"http://c:1\"\npercent = 101\nservice_name = \" \"\n");
        assert!(said.contains("traces.percent: found 101"), "{said}");
        assert!(said.contains("traces.service_name: found \" \""), "{said}");
    }
}

//! Configurations: each kind of problem in its exact words, and the schema beside the parser.

use std::path::Path;

use tlsfloor::config::{self, Config, PlainAction, Problems};

pub(crate) fn parse(text: &str) -> Result<Config, Problems> {
    config::parse(text, Path::new("t.toml"))
}

pub(crate) const GOOD: &str = r#"
[tls]
certificates = [{ chain = "c.pem", key = "k.pem" }]
[[upstreams]]
name = "orders"
servers = ["http://10.0.0.11:8080", "http://orders.internal", "http://[::1]:81"]
"#;

/// `GOOD` with one more piece.
pub(crate) fn with(piece: &str) -> Result<Config, Problems> {
    parse(&format!("{GOOD}{piece}"))
}

pub(crate) fn problem(text: &str) -> String {
    parse(text).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_least_configuration_is_filled_with_defaults() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.listen.https, ["0.0.0.0:8443".parse().unwrap()]);
    assert_eq!(config.listen.http, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(config.listen.admin, "127.0.0.1:9901".parse().unwrap());
    assert_eq!(config.plain_http.action, PlainAction::Redirect);
    assert_eq!(config.upstreams[0].servers[1].port, 80);
    assert_eq!(
        (config.routes[0].host.to_string(), config.routes[0].path.as_str()),
        ("*".into(), "/")
    );
}

#[test]
fn relative_paths_begin_at_the_files_folder() {
    let config = config::parse(GOOD, Path::new("/etc/tlsfloor/t.toml")).unwrap();
    let shown = serde_json::to_value(&config).unwrap();
    assert_eq!(shown["tls"]["certificates"][0]["chain"], "/etc/tlsfloor/c.pem");
}

#[test]
fn each_problem_in_its_words() {
    let cases = [
        (
            "[listen]\nhtps = []\n",
            "t.toml:2:1 listen.htps: found an unknown key, did you mean \"https\"?",
        ),
        (
            "[zebra]\n",
            "t.toml:1:2 zebra: found an unknown key, expected one of census, compression, dns, drain, errors, fleet, forwarding, hsts, limits, listen, log, plain_http, policies, reload, rollout, routes, tls, traces, upstreams",
        ),
        (
            "[listen]\nworkers = \"four\"\n",
            "t.toml:2:11 listen.workers: found \"four\", expected a whole number",
        ),
        (
            "[listen]\nworkers = -1\n",
            "t.toml:2:11 listen.workers: found -1, expected a whole number from 0 to 1024",
        ),
        ("listen = 3\n", "t.toml:1:10 listen: found 3, expected a table"),
        (
            "[listen]\nhttps = [\"8443\"]\n",
            "t.toml:2:10 listen.https[0]: found \"8443\", expected an address such as \"0.0.0.0:8443\" or \"[::]:8443\"",
        ),
        (
            "[listen]\nhttps = [1]\n",
            "t.toml:2:10 listen.https[0]: found 1, expected a string in quotes",
        ),
        (
            "[listen]\nproxy_protocol_from = [\"10.0.0.0/8\", \"10.1.0.0/8\"]\n",
            "t.toml:2:38 listen.proxy_protocol_from[1]: found \"10.1.0.0/8\", expected \"10.0.0.0/8\", or one address",
        ),
        (
            "[listen]\nproxy_protocol_from = [\"lb.internal\"]\n",
            "t.toml:2:24 listen.proxy_protocol_from[0]: found \"lb.internal\", expected a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"",
        ),
        (
            "[forwarding]\nstyle = \"rfc7239\"\n",
            "t.toml:2:9 forwarding.style: found \"rfc7239\", expected one of \"x-forwarded\", \"forwarded\", \"both\"",
        ),
        ("[log]\nformat = \"jsn\"\n", "t.toml:2:10 log.format: found \"jsn\", expected \"json\"?"),
        (
            "[plain_http]\nstatus = 200\n",
            "t.toml:2:10 plain_http.status: found 200, expected 301, 302, 307 or 308",
        ),
        (
            "[plain_http]\nexempt_paths = [\"x\"]\n",
            "t.toml:2:17 plain_http.exempt_paths[0]: found \"x\", expected a path that begins with /",
        ),
        (
            "[plain_http]\nsunset = \"2027-03-01T09:00:00Z\"\n",
            "t.toml:2:10 plain_http.sunset: found \"2027-03-01T09:00:00Z\", expected a date-time with an offset and without quotes, such as 2027-03-01T09:00:00Z",
        ),
        (
            "[plain_http]\nsunset = 2027-03-01\n",
            "t.toml:2:10 plain_http.sunset: found 2027-03-01, expected a date-time with an offset and without quotes, such as 2027-03-01T09:00:00Z",
        ),
        (
            "[plain_http]\nsunset = 2027-03-01T09:00:00Z\ndeprecation = 2027-03-01T09:00:01Z\n",
            "t.toml:2:10 plain_http.sunset: found 2027-03-01T09:00:00Z, expected a time not before deprecation",
        ),
        (
            "[plain_http]\nstatus = 2027-03-01T09:00:00Z\n",
            "t.toml:2:10 plain_http.status: found 2027-03-01T09:00:00Z, expected a whole number",
        ),
        (
            "[plain_http]\nnotice = \"https://a/>x\"\n",
            "t.toml:2:10 plain_http.notice: found \"https://a/>x\", expected a URL such as \"https://api.example.com/tls-notice\"",
        ),
        (
            "[plain_http]\ncredential_headers = [\"Cookie\"]\n",
            "t.toml:2:23 plain_http.credential_headers[0]: found \"Cookie\", expected another field: this one is always looked for",
        ),
        (
            "[plain_http]\nredirect_only = \"save\"\n",
            "t.toml:2:17 plain_http.redirect_only: found \"save\", expected \"safe\"?",
        ),
        (
            "[errors]\npages = [{ status = 503, file = \"a\", content_type = \"text/html\" }]\n",
            "t.toml:2:53 errors.pages[0].content_type: found \"text/html\", expected a media type other than HTML such as \"application/json\"",
        ),
        (
            "[errors]\npages = [{ status = 200, file = \"a\" }]\n",
            "t.toml:2:21 errors.pages[0].status: found 200, expected a whole number from 400 to 599",
        ),
        (
            "[errors]\npages = [{ status = 503 }]\n",
            "t.toml:2:10 errors.pages[0].file: found nothing, expected the name of a file",
        ),
        (
            "[errors]\npages = [{ status = 503, file = \"a\" }, { status = 503, file = \"b\" }]\n",
            "t.toml:2:40 errors.pages[1]: found status 503 again, expected each once",
        ),
        (
            "[errors]\nunknown_host = 403\n",
            "t.toml:2:16 errors.unknown_host: found 403, expected 404 or 421",
        ),
        (
            "[limits]\nidle_timeout = \"10\"\n",
            "t.toml:2:16 limits.idle_timeout: found \"10\", expected a duration such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"365d\"",
        ),
        (
            "[limits]\nidle_timeout = \"0s\"\n",
            "t.toml:2:16 limits.idle_timeout: found \"0s\", expected a duration from 100ms to 86400s",
        ),
        (
            "[limits]\nheader_size = \"64KB\"\n",
            "t.toml:2:15 limits.header_size: found \"64KB\", expected a size such as \"512B\", \"64KiB\" or \"1MiB\"",
        ),
        (
            "[limits]\nheader_size = \"1B\"\n",
            "t.toml:2:15 limits.header_size: found \"1B\", expected a size from 8KiB to 1MiB",
        ),
    ];
    for (head, expected) in cases {
        assert_eq!(problem(&format!("{head}{GOOD}")), expected, "{head}");
    }
}

#[test]
fn each_problem_of_upstreams_routes_and_hosts() {
    let cases = [
        (
            "[[routes]]\nupstream = \"order\"\n",
            "t.toml:8:12 routes[0].upstream: found \"order\", expected the name of an upstream, did you mean \"orders\"?",
        ),
        (
            "[[routes]]\nhost = \"a\"\n",
            "t.toml:7:1 routes[0]: found nothing, expected exactly one of upstream, split, redirect and respond",
        ),
        (
            "[[routes]]\nhost = \"a b\"\nupstream = \"orders\"\n",
            "t.toml:8:8 routes[0].host: found \"a b\", expected a host name, \"*.example.com\" or \"*\"",
        ),
        (
            "[[routes]]\npath = \"v1\"\nupstream = \"orders\"\n",
            "t.toml:8:8 routes[0].path: found \"v1\", expected a path that begins with /",
        ),
        (
            "[[routes]]\nupstream = \"orders\"\n[[routes]]\nupstream = \"orders\"\n",
            "t.toml:9:1 routes[1]: found host * and path / again, expected each pair once",
        ),
        (
            "[[routes]]\nmethods = [\"GET\"]\nupstream = \"orders\"\n[[routes]]\nupstream = \"orders\"\n[[routes]]\nmethods = [\"GET\"]\nheaders = []\nupstream = \"orders\"\n",
            "t.toml:12:1 routes[2]: found host * and path / again with conditions that a route tried before this one covers, expected a route that can be reached",
        ),
        (
            "[[routes]]\nupstream = \"orders\"\nrespond = { status = 200 }\n",
            "t.toml:7:1 routes[0]: found more than one, expected exactly one of upstream, split, redirect and respond",
        ),
        (
            "[[routes]]\npath = \"/a\"\npath_exact = \"/b\"\nupstream = \"orders\"\n",
            "t.toml:9:14 routes[0].path_exact: found \"/b\", expected either path or path_exact",
        ),
        (
            "[[routes]]\npath = \"/a/\"\nrewrite_prefix = \"/b\"\nupstream = \"orders\"\n",
            "t.toml:9:18 routes[0].rewrite_prefix: found \"/b\", expected a prefix that ends with / as the path does",
        ),
        (
            "[[routes]]\nrewrite_prefix = \"/b/\"\nrespond = { status = 200 }\n",
            "t.toml:8:18 routes[0].rewrite_prefix: found \"/b/\", expected no rewrite_prefix on a route without an upstream",
        ),
        (
            "[[routes]]\nmethods = [\"get\"]\nupstream = \"orders\"\n",
            "t.toml:8:12 routes[0].methods[0]: found \"get\", expected a method in capitals such as \"GET\"",
        ),
        (
            "[[routes]]\nheaders = [{ name = \"x\" }]\nupstream = \"orders\"\n",
            "t.toml:8:12 routes[0].headers[0]: found neither, expected either value or present",
        ),
        (
            "[[routes]]\nheaders = [{ name = \"x y\", present = true }]\nupstream = \"orders\"\n",
            "t.toml:8:21 routes[0].headers[0].name: found \"x y\", expected a field's name such as \"x-version\"",
        ),
        (
            "[[routes]]\nsplit = [{ upstream = \"ordres\", weight = 1 }]\n",
            "t.toml:8:23 routes[0].split[0].upstream: found \"ordres\", expected the name of an upstream, did you mean \"orders\"?",
        ),
        (
            "[[routes]]\nsplit = [{ upstream = \"orders\", weight = 0 }]\n",
            "t.toml:8:9 routes[0].split: found no weight, expected at least one upstream with a weight above 0",
        ),
        (
            "[[routes]]\nsplit = [{ upstream = \"orders\" }]\n",
            "t.toml:8:10 routes[0].split[0].weight: found nothing, expected a weight",
        ),
        (
            "[[routes]]\nredirect = { to = \"/there\", status = 303 }\n",
            "t.toml:8:38 routes[0].redirect.status: found 303, expected 301, 302, 307 or 308",
        ),
        (
            "[[routes]]\nredirect = { to = \"ftp://b/\" }\n",
            "t.toml:8:19 routes[0].redirect.to: found \"ftp://b/\", expected a URL such as \"https://new.example.com{path}{query}\", or a path",
        ),
        (
            "[[routes]]\nrespond = { body = \"x\" }\n",
            "t.toml:8:11 routes[0].respond.status: found nothing, expected a status from 200 to 599",
        ),
        (
            "[[routes]]\nrespond = { status = 204, body = \"x\" }\n",
            "t.toml:8:22 routes[0].respond.status: found a text, expected none with status 204",
        ),
        (
            "[[routes]]\nrespond = { status = 200, content_type = \"text\" }\n",
            "t.toml:8:42 routes[0].respond.content_type: found \"text\", expected a media type such as \"text/plain; charset=utf-8\"",
        ),
        (
            "[[routes]]\nname = \"a\"\nupstream = \"orders\"\n[[routes]]\nname = \"a\"\npath = \"/b\"\nupstream = \"orders\"\n",
            "t.toml:10:1 routes[1]: found a name again, expected a name that no route above has",
        ),
        (
            "[[routes]]\nname = \"none\"\nupstream = \"orders\"\n",
            "t.toml:8:8 routes[0].name: found \"none\", expected a name of up to 100 characters other than \"none\"",
        ),
        (
            "[[upstreams]]\nname = \"orders\"\nservers = [\"http://a\"]\n[[routes]]\nupstream = \"orders\"\n",
            "t.toml:8:8 upstreams[1].name: found \"orders\", expected a name that no upstream above has",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = []\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:7:1 upstreams[1].servers: found nothing, expected at least one \"http://HOST:PORT\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"ftp://a\"]\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:9:12 upstreams[1].servers[0]: found \"ftp://a\", expected a URL such as \"http://10.0.0.11:8080\", \"https://orders:8443\" or \"h2c://orders:8080\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nweights = [1, 2]\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:7:1 upstreams[1].weights: found 2 weights, expected one for each of 1",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nbalance = \"round_robbin\"\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:11 upstreams[1].balance: found \"round_robbin\", expected \"round_robin\"?",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nbalance = \"hash\"\nhash = \"header:a b\"\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:11:8 upstreams[1].hash: found \"header:a b\", expected \"client\" or \"header:NAME\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nbalance = \"round_robin\"\nhash = \"client\"\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:11:8 upstreams[1].hash: found \"client\", expected it only with balance = \"hash\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nhealth = { codes = [\"299-200\"] }\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:21 upstreams[1].health.codes[0]: found \"299-200\", expected a status code or a range such as \"200-299\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nhealth = { grpc = \"\" }\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:19 upstreams[1].health.grpc: found \"\", expected it only where all servers are h2c:// or https://",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nhealth = { host = \"a b\" }\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:19 upstreams[1].health.host: found \"a b\", expected a host name, or one with a port",
        ),
        (
            "[dns]\nservers = [\"dns.internal\"]\n",
            "t.toml:8:12 dns.servers[0]: found \"dns.internal\", expected an address such as \"10.96.0.10\" or \"127.0.0.1:5353\"",
        ),
        (
            "[dns]\nmin_ttl = \"10s\"\nmax_ttl = \"5s\"\n",
            "t.toml:9:11 dns.max_ttl: found \"5s\", expected a duration from 10s to 86400s",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nretry = { on = [\"404\"] }\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:17 upstreams[1].retry.on[0]: found \"404\", expected \"connect\", \"refused\", \"timeout\" or a status code from \"500\" to \"599\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\nejection = { failures = -1 }\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:10:25 upstreams[1].ejection.failures: found -1, expected a whole number from 0 to 1000000",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"http://a\"]\n",
            "t.toml:1:1 routes: found nothing, expected [[routes]], because there is more than one upstream",
        ),
        (
            "[[tls.hosts]]\nminimum = \"1.3\"\n",
            "t.toml:7:1 tls.hosts[0].names: found nothing, expected at least one host name",
        ),
        (
            "[[tls.hosts]]\nnames = [\"*\"]\n",
            "t.toml:8:10 tls.hosts[0].names[0]: found \"*\", expected a host name such as \"api.example.com\" or \"*.example.com\"",
        ),
        (
            "[[tls.hosts]]\nnames = [\"a\", \"A\"]\n",
            "t.toml:8:15 tls.hosts[0].names[1]: found \"A\", expected a name that no host above has",
        ),
    ];
    for (piece, expected) in cases {
        let said = with(piece).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said, expected, "{piece}");
    }
}

#[test]
fn a_floor_that_cannot_be_served_says_why() {
    for floor in ["1.1", "1.0", "ssl3", "TLSv1.1", "tls1.0", "1"] {
        let text = GOOD.replace("[tls]", &format!("[tls]\nminimum = \"{floor}\""));
        let said = problem(&text);
        assert!(
            said.starts_with(&format!(
                "t.toml:3:11 tls.minimum: found \"{floor}\", expected \"1.2\" or \"1.3\": "
            )),
            "{said}"
        );
        assert!(said.contains("RFC 8996"), "{said}");
    }
    let said = problem(&GOOD.replace("[tls]", "[tls]\nminimum = \"1.4\""));
    assert_eq!(said, "t.toml:3:11 tls.minimum: found \"1.4\", expected \"1.2\" or \"1.3\"");
    let host = "[[tls.hosts]]\nnames = [\"a\"]\nminimum = \"1.2\"\n";
    let text = format!("{}{host}", GOOD.replace("[tls]", "[tls]\nminimum = \"1.3\""));
    assert!(problem(&text).contains("expected a version not below tls.minimum = \"1.3\""));
}

#[test]
fn nothing_at_all_says_what_is_needed() {
    let said = problem("");
    for key in ["tls.certificates", "upstreams"] {
        assert!(said.contains(&format!("t.toml:1:1 {key}: found nothing, expected")), "{said}");
    }
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn mistakes_in_the_syntax_have_a_place_and_hide_no_other() {
    let said = problem("[listen]\nhttps = [\"127.0.0.1:1\"\nworkers = \"x\"\n");
    assert!(said.lines().all(|line| line.starts_with("t.toml:")), "{said}");
    let said = problem(&format!("[log]\naccess = yes\nlevl = \"info\"\n{GOOD}"));
    assert!(said.contains("t.toml:2:10"), "{said}");
    assert!(said.contains("log.levl: found an unknown key, did you mean \"level\"?"), "{said}");
}

#[test]
fn what_only_follows_from_a_mistake_is_left_out() {
    let said = problem(&GOOD.replace("name = \"orders\"", "name = 7"));
    assert_eq!(said, "t.toml:5:8 upstreams[0].name: found 7, expected a string in quotes");
    let said = problem(&GOOD.replace("chain = \"c.pem\"", "chain = true"));
    assert_eq!(
        said,
        "t.toml:3:27 tls.certificates[0].chain: found true, expected a string in quotes"
    );
}

//! Configurations: each kind of problem in its exact words, and the schema beside the parser.

use std::path::Path;

use tlsfloor::config::{self, Config, PlainAction, Problems};

fn parse(text: &str) -> Result<Config, Problems> {
    config::parse(text, Path::new("t.toml"))
}

const GOOD: &str = r#"
[tls]
certificates = [{ chain = "c.pem", key = "k.pem" }]
[[upstreams]]
name = "orders"
servers = ["http://10.0.0.11:8080", "http://orders.internal", "http://[::1]:81"]
"#;

/// `GOOD` with one more piece.
fn with(piece: &str) -> Result<Config, Problems> {
    parse(&format!("{GOOD}{piece}"))
}

fn problem(text: &str) -> String {
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
            "t.toml:1:2 zebra: found an unknown key, expected one of compression, drain, hsts, limits, listen, log, plain_http, routes, tls, upstreams",
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
            "t.toml:7:1 routes[0].upstream: found nothing, expected the name of an upstream",
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
            "[[upstreams]]\nname = \"orders\"\nservers = [\"http://a\"]\n[[routes]]\nupstream = \"orders\"\n",
            "t.toml:8:8 upstreams[1].name: found \"orders\", expected a name that no upstream above has",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = []\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:7:1 upstreams[1].servers: found nothing, expected at least one \"http://HOST:PORT\"",
        ),
        (
            "[[upstreams]]\nname = \"b\"\nservers = [\"https://a\"]\n[[routes]]\nupstream = \"b\"\n",
            "t.toml:9:12 upstreams[1].servers[0]: found \"https://a\", expected \"http://HOST:PORT\"; other protocols to upstreams are not served by this version",
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

/// Documents of right and wrong shape; the schema and the parser must agree on each.
#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema = jsonschema::validator_for(&config::schema()).unwrap();
    let pieces = [
        ("", true),
        ("[listen]\nworkers = 4\nhttp = []\nadmin = \"[::1]:9901\"\n", true),
        ("[listen]\nworkers = 1.5\n", false),
        ("[listen]\nhttps = \"127.0.0.1:1\"\n", false),
        ("[listen]\nhttps = [\"localhost:1\"]\n", false),
        ("[log]\naccess = true\nformat = \"text\"\n", true),
        ("[log]\naccess = \"yes\"\n", false),
        ("[log]\nformat = \"xml\"\n", false),
        ("[log]\ncolour = true\n", false),
        ("[plain_http]\nstatus = 308\naction = \"refuse\"\n", true),
        ("[plain_http]\nstatus = 303\n", false),
        ("[plain_http]\nhttps_port = 0\n", false),
        ("[hsts]\nmax_age = \"0s\"\npreload = true\n", true),
        ("[hsts]\nmax_age = 31536000\n", false),
        ("[limits]\nbuffer = \"128KiB\"\nhttp2_streams = 1\n", true),
        ("[limits]\nbuffer = \"128kB\"\n", false),
        ("[limits]\nhttp2_streams = 0\n", false),
        ("[limits]\nidle_timeout = \"1.5s\"\n", false),
        ("[[routes]]\nhost = \"*.a.com\"\npath = \"/v1/\"\nupstream = \"orders\"\n", true),
        ("[[routes]]\npath = \"v1\"\nupstream = \"orders\"\n", false),
        ("[[routes]]\nhost = \"a\"\n", false),
        ("[[tls.hosts]]\nnames = [\"a\"]\nminimum = \"1.3\"\n", true),
        ("[[tls.hosts]]\nnames = [\"a\"]\nminimum = \"1.1\"\n", false),
        ("[[tls.hosts]]\nminimum = \"1.3\"\n", false),
        ("[drain]\ndelay = \"0s\"\n", true),
        ("[drain]\ndelay = \"soon\"\n", false),
    ];
    for (piece, good) in pieces {
        let text = format!("{GOOD}{piece}");
        let document: toml::Value = toml::from_str(&text).unwrap();
        let document = serde_json::to_value(document).unwrap();
        assert_eq!(schema.is_valid(&document), good, "schema on {piece}");
        assert_eq!(parse(&text).is_ok(), good, "parser on {piece}");
    }
}

#[test]
fn the_schema_closes_every_table_and_knows_no_null() {
    fn walk(schema: &serde_json::Value, path: &str) {
        assert_ne!(schema["type"], "null", "{path}");
        assert!(!schema["type"].is_array(), "{path}: {}", schema["type"]);
        if schema["type"] == "object" {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{path}.{name} is not described");
                walk(property, &format!("{path}.{name}"));
            }
        }
        if schema["type"] == "array" {
            walk(&schema["items"], &format!("{path}[]"));
        }
    }
    walk(&config::schema(), "");
}

//! The JSON Schema of the configuration says what the parser does.

use tlsfloor::config;

use crate::config::{GOOD, parse};

/// As JSON, which has no date-times but strings.
fn json(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

/// Documents of right and wrong shape; the schema and the parser must agree on each.
#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema = jsonschema::validator_for(&config::schema()).unwrap();
    let pieces = [
        ("", true),
        ("[listen]\nworkers = 4\nhttp = []\nadmin = \"[::1]:9901\"\n", true),
        ("[listen]\nworkers = 1.5\n", false),
        ("[listen]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[forwarding]\nstyle = \"both\"\n", true),
        ("[forwarding]\nstyle = \"none\"\n", false),
        ("[forwarding]\nvia = true\ntraceparent = true\nhide_server = true\n", true),
        ("[forwarding]\nvia = \"tlsfloor\"\n", false),
        ("[listen]\nproxy_protocol_from = [\"10.0.0.0/8\", \"::1\"]\n", true),
        ("[listen]\nproxy_protocol_from = [\"lb\"]\n", false),
        ("[listen]\nhttps = \"127.0.0.1:1\"\n", false),
        ("[listen]\nhttps = [\"localhost:1\"]\n", false),
        ("[log]\naccess = true\nformat = \"text\"\n", true),
        ("[log]\naccess = \"yes\"\n", false),
        ("[log]\naccess_percent = 0\n", true),
        ("[log]\naccess_percent = 101\n", false),
        ("[log]\naccess_percent = -1\n", false),
        ("[log]\nformat = \"xml\"\n", false),
        ("[log]\ncolour = true\n", false),
        ("[plain_http]\nstatus = 308\naction = \"refuse\"\n", true),
        ("[plain_http]\nstatus = 303\n", false),
        ("[plain_http]\nredirect_only = \"safe\"\nnotice = \"https://a/b\"\n", true),
        ("[plain_http]\nredirect_only = \"some\"\n", false),
        ("[plain_http]\nnotice = \"a/b\"\n", false),
        ("[plain_http]\ncredential_headers = [\"x-key\"]\ncredential_params = [\"k\"]\n", true),
        ("[plain_http]\ncredential_headers = [\"x key\"]\n", false),
        ("[plain_http]\nsunset = 2027-03-01T09:00:00+01:00\n", true),
        ("[plain_http]\nsunset = 2027\n", false),
        ("[errors]\npages = [{ status = 503, file = \"a\" }]\n", true),
        ("[errors]\npages = [{ status = 503 }]\n", false),
        ("[errors]\npages = [{ status = 200, file = \"a\" }]\n", false),
        ("[errors]\nunknown_host = 421\n", true),
        ("[errors]\nunknown_host = 400\n", false),
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
        (
            "[[routes]]\nupstream = \"orders\"\nrequest_headers = { set = { X-A = \"{sni}\" }, remove = [\"X-B\"] }\n",
            true,
        ),
        (
            "[[routes]]\nupstream = \"orders\"\n[routes.response_headers.append]\nX-A = \"a\"\n",
            true,
        ),
        ("[[routes]]\nupstream = \"orders\"\nrequest_headers = { set = { X-A = 1 } }\n", false),
        ("[[routes]]\nupstream = \"orders\"\nrequest_headers = { set = { X-A = \"\" } }\n", false),
        ("[[routes]]\nupstream = \"orders\"\nrequest_headers = { set = [\"X-A\"] }\n", false),
        ("[[routes]]\nupstream = \"orders\"\nrequest_headers = { sets = {} }\n", false),
        ("[[routes]]\nname = \"x\"\npath_exact = \"/a\"\nrespond = { status = 200 }\n", true),
        ("[[routes]]\nsplit = [{ upstream = \"orders\", weight = 1 }]\n", true),
        ("[[routes]]\nsplit = [{ upstream = \"orders\" }]\n", false),
        ("[[routes]]\npath = \"/\"\npath_exact = \"/a\"\nupstream = \"orders\"\n", false),
        ("[[routes]]\nredirect = { to = \"/x/{rest}\", status = 301 }\n", true),
        ("[[routes]]\nredirect = { status = 301 }\n", false),
        ("[[routes]]\nupstream = \"orders\"\nredirect = { to = \"/x\" }\n", false),
        ("[[routes]]\nupstream = \"orders\"\nmethods = [\"get\"]\n", false),
        ("[[routes]]\nupstream = \"orders\"\nheaders = [{ name = \"a\", present = true }]\n", true),
        ("[[routes]]\nupstream = \"orders\"\nheaders = [{ name = \"a\" }]\n", false),
        ("[[tls.hosts]]\nnames = [\"a\"]\nminimum = \"1.3\"\n", true),
        ("[[tls.hosts]]\nnames = [\"a\"]\nminimum = \"1.1\"\n", false),
        ("[[tls.hosts]]\nminimum = \"1.3\"\n", false),
        ("[tls.client_auth]\nca = \"a\"\nmode = \"optional\"\nnames = [\"*.a.com\"]\n", true),
        ("[tls.client_auth]\nca = \"a\"\nmode = \"maybe\"\n", false),
        ("[tls.client_auth]\nca = \"a\"\ncrl = \"b\"\nstale_crl = \"ignore\"\n", false),
        ("[[tls.hosts]]\nnames = [\"a\"]\nclient_auth = { mode = \"none\" }\n", true),
        ("[[tls.hosts]]\nnames = [\"a\"]\nclient_auth = true\n", false),
        ("[drain]\ndelay = \"0s\"\n", true),
        ("[drain]\ndelay = \"soon\"\n", false),
    ];
    for (piece, good) in pieces {
        let text = format!("{GOOD}{piece}");
        let document = json(toml::from_str(&text).unwrap());
        assert_eq!(schema.is_valid(&document), good, "schema on {piece}");
        assert_eq!(parse(&text).is_ok(), good, "parser on {piece}");
    }
}

#[test]
fn the_schema_closes_every_table_and_knows_no_null() {
    fn walk(schema: &serde_json::Value, path: &str) {
        assert_ne!(schema["type"], "null", "{path}");
        assert!(!schema["type"].is_array(), "{path}: {}", schema["type"]);
        if schema["additionalProperties"].is_object() {
            // A table of any names: all its values have one shape.
            assert!(schema["properties"].is_null(), "{path}");
            walk(&schema["additionalProperties"], &format!("{path}.*"));
        } else if schema["type"] == "object" {
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

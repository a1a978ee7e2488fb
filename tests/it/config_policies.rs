//! `[[policies]]` and `[census]` in a configuration: what is wrong is said with key and line.

use std::path::Path;

use tlsfloor::config;

const LEAST: &str = r#"
[tls]
certificates = [{ chain = "a", key = "b" }]
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:1"]
"#;

fn problems(text: &str) -> String {
    config::parse(&format!("{LEAST}{text}"), Path::new("t.toml")).unwrap_err().to_string()
}

#[test]
fn every_problem_of_policies_is_said_at_once() {
    let said = problems(
        r#"
[[policies]]
name = "floor"
minimum = "1.1"
[[policies]]
name = "empty"
[[policies]]
name = "empty"
groups = ["x25519", "X25519MLKEM76"]
post_quantum = true
[[policies]]
groups = []
ban_suites = ["TLS_RSA_WITH_AES_128_CBC_SHA"]
without_certificates = "dsa"
[[policies]]
name = "a b"
post_quantum = false
deprecation = 2028-01-01T00:00:00Z
sunset = 2027-01-01T00:00:00Z
notice = "api.example.com"
[[policies]]
name = "silent"
minimum = "1.3"
notice = "https://api.example.com"
"#,
    );
    for (place, expected) in [
        ("t.toml:9", "policies[0].name: found \"floor\", expected another name"),
        ("t.toml:10", "policies[0].minimum: found \"1.1\", expected"),
        ("t.toml:11", "policies[1]: found nothing that is asked of a client"),
        ("t.toml:14", "policies[2].name: found \"empty\", expected each name once"),
        ("t.toml:16", "policies[2].post_quantum: found both"),
        ("t.toml:17", "policies[3].name: found nothing, expected a name"),
        ("t.toml:17", "policies[3].groups: found an empty list"),
        ("t.toml:19", "policies[3].ban_suites[0]: found \"TLS_RSA_WITH_AES_128_CBC_SHA\""),
        ("t.toml:20", "policies[3].without_certificates: found \"dsa\""),
        ("t.toml:22", "policies[4].name: found \"a b\", expected 1 to 64 letters"),
        ("t.toml:23", "policies[4].post_quantum: found false"),
        ("t.toml:25", "policies[4].sunset: found 2027-01-01T00:00:00Z, expected a time not before"),
        ("t.toml:26", "policies[4].notice: found \"api.example.com\", expected a URL"),
        ("t.toml:30", "policies[5].notice: found it without sunset"),
    ] {
        let line = said.lines().find(|line| line.contains(expected));
        let line = line.unwrap_or_else(|| panic!("{expected} is not in\n{said}"));
        assert!(line.starts_with(&format!("{place}:")), "{place} {expected}: {line}");
    }
}

#[test]
fn a_group_that_is_nearly_one_is_named() {
    let said = problems("[[policies]]\nname = \"a\"\ngroups = [\"X25519MLKEM76\"]\n");
    assert!(said.contains("expected \"X25519MLKEM768\"?"), "{said}");
}

#[test]
fn every_problem_of_the_census_is_said_at_once() {
    let said = problems("[census]\nrows = 5\nprivacy = \"hashed\"\n");
    assert!(said.contains("census.rows: found 5, expected a whole number from 100"), "{said}");
    assert!(said.contains("census.hash_key: found nothing, expected a file"), "{said}");
    let said = problems("[census]\nprivacy = \"network\"\nhash_key = \"k\"\n");
    assert!(said.contains("census.hash_key: found \"k\", expected privacy = \"hashed\""), "{said}");
}

#[test]
fn what_is_written_is_shown_as_meant() {
    let text = "[[policies]]\nname = \"pq\"\npost_quantum = true\nsunset = 2030-01-01T00:00:00Z\n\
                [census]\nrows = 500\nprivacy = \"network\"\n";
    let config = config::parse(&format!("{LEAST}{text}"), Path::new("t.toml")).unwrap();
    let shown = serde_json::to_value(config).unwrap();
    let groups = ["X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"];
    assert_eq!(shown["policies"][0]["groups"], serde_json::json!(groups));
    assert_eq!(shown["policies"][0]["sunset"], "2030-01-01T00:00:00Z");
    assert_eq!(shown["census"], serde_json::json!({ "rows": 500, "privacy": "network" }));
}

//! What is wrong with a route's header rules, each in its words.

use crate::config::with;

/// The problems of one rule of a route that stands on line 9.
fn rule(rule: &str) -> String {
    match with(&format!("[[routes]]\nupstream = \"orders\"\n{rule}\n")) {
        Ok(_) => panic!("{rule} has none"),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn each_problem_of_header_rules() {
    let own =
        "expected a field that frames no message and that tlsfloor does not answer for itself";
    let cases = [
        (
            "request_headers.sett.X-A = \"a\"",
            "9:17 routes[0].request_headers.sett: found an unknown key, did you mean \"set\"?",
        ),
        (
            "request_headers.set.X-A = 1",
            "9:27 routes[0].request_headers.set.X-A: found 1, expected a string in quotes",
        ),
        (
            "request_headers.set.\"X A\" = \"a\"",
            "9:21 routes[0].request_headers.set.X A: found \"X A\", expected the name of a header field",
        ),
        (
            "request_headers.set.X-A = \"{client_adress}\"",
            "9:27 routes[0].request_headers.set.X-A: found \"{client_adress}\", expected {client_address} for {client_adress}?",
        ),
        (
            "request_headers.set.X-A = \"{what}\"",
            "9:27 routes[0].request_headers.set.X-A: found \"{what}\", expected a variable of {client_address}, {client_port}, {tls_version}, {tls_cipher}, {sni}, {ja4}, {client_cert_subject}, {client_cert_san}, {client_cert_fingerprint}, {request_id}, {host}, {path}",
        ),
        (
            "request_headers.append.X-A = \"{sni\"",
            "9:30 routes[0].request_headers.append.X-A: found \"{sni\", expected a variable in braces; a brace itself is written {{ or }}",
        ),
        (
            "response_headers.set.X-A = \" a\"",
            "9:28 routes[0].response_headers.set.X-A: found \" a\", expected a text in ASCII without spaces around it; remove takes a field away",
        ),
        (
            "response_headers.set = { x-a = \"1\", X-A = \"1\" }",
            "9:26 routes[0].response_headers.set.x-a: found \"x-a\", expected each field once; case makes no difference",
        ),
        (
            "response_headers.remove = [\"X-A\", \"Transfer-Encoding\"]",
            &format!(
                "9:35 routes[0].response_headers.remove[1]: found \"Transfer-Encoding\", {own}"
            ),
        ),
        (
            "request_headers.set.X_Forwarded_For = \"a\"",
            &format!(
                "9:21 routes[0].request_headers.set.X_Forwarded_For: found \"X_Forwarded_For\", {own}"
            ),
        ),
        (
            "request_headers.set.Host = \"{path}\"",
            "9:28 routes[0].request_headers.set.Host: found \"{path}\", expected a host, which may have {host} and {sni} in it",
        ),
        (
            "request_headers.append.Host = \"a\"",
            "9:24 routes[0].request_headers.append.Host: found \"Host\", expected another field: Host can be set for requests, and no more",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(rule(text), format!("t.toml:{expected}"), "{text}");
    }
    for host in ["a@b", "a b", "a/b", "a:", "a:x", "a:+1", "{host}/x", "{host}{path}"] {
        let said = rule(&format!("request_headers.set.Host = \"{host}\""));
        assert!(said.contains("expected a host, which may have"), "{said}");
    }
    for host in ["orders.internal", "a:8080", "[::1]:80", "{host}", "{sni}:8443", "v1.{host}"] {
        with(&format!(
            "[[routes]]\nupstream = \"orders\"\nrequest_headers.set.Host = \"{host}\"\n"
        ))
        .unwrap_or_else(|problems| panic!("{problems}"));
    }
}

#[test]
fn header_rules_are_shown_as_written() {
    let text = "[[routes]]\nupstream = \"orders\"\nrequest_headers.set.X-A = \"{sni} {{}}\"\n";
    let shown = serde_json::to_value(with(text).unwrap()).unwrap();
    let expected = serde_json::json!({"remove": [], "set": {"x-a": "{sni} {{}}"}, "append": {}});
    assert_eq!(shown["routes"][0]["request_headers"], expected);
}

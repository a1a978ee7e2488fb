//! Rollouts as written: each kind of problem in its exact words, and what stands for what.

use tlsfloor::config::{PlainAction, Salt};

use crate::config::{GOOD, problem, with};

/// `[rollout]` with a legacy lane and these keys.
fn rollout(keys: &str) -> String {
    format!("[rollout]\nlegacy = \"10.0.0.9:443\"\n{keys}")
}

#[test]
fn the_announcements_schedule_is_read_as_meant() {
    let config = with(&rollout(
        r#"
        cut = 2027-03-01T10:00:00+01:00
        ramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }, { at = 2027-02-15T00:00:00Z, percent = 50 }]
        brownouts = [{ from = 2027-01-12T10:00:00Z, lasts = "1h" },
                     { from = 2027-02-01T00:00:00Z, every = "1h", lasts = "10m", percent = 100 },
                     { from = 2027-01-20T10:00:00Z, until = 2027-01-20T11:23:00Z }]
        fuse = { refused = 5000, within = "1m" }
        salt = "tls12-2027"
        [[rollout.exemptions]]
        clients = ["203.0.113.0/24"]
        sni = ["*.example.com"]
        owner = "acme"
        reason = "contract 4711"
        expires = 2027-06-01T00:00:00Z
        [fleet]
        replicas = 3
        "#,
    ))
    .unwrap();
    assert_eq!(config.fleet.replicas, 3);
    assert!(matches!(&config.rollout.salt, Some(Salt::Text(text)) if text == "tls12-2027"));
    let shown = serde_json::to_value(&config.rollout).unwrap();
    let expected = serde_json::json!({
        "legacy": ["10.0.0.9:443"],
        "proxy_protocol": "v2",
        "legacy_timeout": "0s",
        "legacy_check": "5s",
        "cut": "2027-03-01T09:00:00Z",
        "ramp": [{ "at": "2027-02-01T00:00:00Z", "percent": 5 }, { "at": "2027-02-15T00:00:00Z", "percent": 50 }],
        "brownouts": [
            { "from": "2027-01-12T10:00:00Z", "until": "2027-01-12T11:00:00Z", "lasts": "3600s", "percent": 100 },
            { "from": "2027-02-01T00:00:00Z", "until": "2027-03-01T09:00:00Z", "every": "3600s", "lasts": "600s", "percent": 100 },
            { "from": "2027-01-20T10:00:00Z", "until": "2027-01-20T11:23:00Z", "lasts": "4980s", "percent": 100 },
        ],
        "allow_loosening": false,
        "fuse": { "refused": 5000, "within": "60s" },
        "salt": "(not shown)",
        "exemptions_file": null,
        "exemptions": [{
            "clients": ["203.0.113.0/24"], "sni": ["*.example.com"], "owner": "acme",
            "reason": "contract 4711", "expires": "2027-06-01T00:00:00Z",
        }],
    });
    assert_eq!(shown, expected);
}

#[test]
fn several_legacy_servers_are_a_list() {
    let config =
        with("[rollout]\nlegacy = [\"old.internal:443\", \"[2001:db8::9]:8443\"]\n").unwrap();
    let servers: Vec<String> = config.rollout.legacy.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["old.internal:443", "[2001:db8::9]:8443"]);
}

#[test]
fn plain_http_begins_at_forwarding() {
    let config =
        with("[plain_http.rollout]\ncut = 2027-03-01T09:00:00Z\nto = \"refuse\"\n").unwrap();
    assert_eq!(config.plain_http.action, PlainAction::Forward);
    let rollout = config.plain_http.rollout.unwrap();
    assert_eq!(rollout.to, PlainAction::Refuse);
    assert!(rollout.rollout.schedule.cut.is_some());
}

#[test]
fn each_problem_of_a_rollout_in_its_words() {
    let exemption = |keys: &str| {
        rollout(&format!(
            "[[rollout.exemptions]]\nowner = \"a\"\nreason = \"r\"\nexpires = 2027-06-01T00:00:00Z\n{keys}\n"
        ))
    };
    let cases = [
        (
            "[rollout]\nramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }]\n".to_owned(),
            "t.toml:1:1 rollout.legacy: found nothing, expected today's TLS terminator as \"HOST:PORT\": without one every failing hello is refused at once, and ramp has nobody to let through",
        ),
        (
            "[rollout]\nlegacy = \"10.0.0.9\"\n".to_owned(),
            "t.toml:2:10 rollout.legacy: found \"10.0.0.9\", expected \"HOST:PORT\" such as \"10.0.0.9:443\" or \"[2001:db8::9]:443\"",
        ),
        (
            "[rollout]\nlegacy = [\"a:1\", \"2001:db8::9:443\"]\n".to_owned(),
            "t.toml:2:18 rollout.legacy[1]: found \"2001:db8::9:443\", expected \"HOST:PORT\" such as \"10.0.0.9:443\" or \"[2001:db8::9]:443\"",
        ),
        (
            "[rollout]\nlegacy = [\"a:1\", \"A:1\"]\n".to_owned(),
            "t.toml:2:18 rollout.legacy[1]: found \"A:1\", expected each address once",
        ),
        (
            "[rollout]\nlegacy = []\n".to_owned(),
            "t.toml:2:10 rollout.legacy: found an empty list, expected at least one \"HOST:PORT\"",
        ),
        (
            "[rollout]\nlegacy = \"a:1\"\nproxy_protocol = \"v3\"\n".to_owned(),
            "t.toml:3:18 rollout.proxy_protocol: found \"v3\", expected one of \"v2\", \"v1\", \"none\"",
        ),
        (
            "[rollout]\nlegacy = \"a:1\"\nlegacy_check = \"2h\"\n".to_owned(),
            "t.toml:3:16 rollout.legacy_check: found \"2h\", expected a duration from 0ns to 3600s",
        ),
        ("[rollout]\nlegacy = 443\n".to_owned(), "t.toml:2:10 rollout.legacy: found 443, expected a string in quotes"),
        (
            "[rollout]\nlegacy = \"127.0.0.1:8443\"\n".to_owned(),
            "t.toml:2:10 rollout.legacy: found \"127.0.0.1:8443\", expected an address other than one that tlsfloor itself listens on, because such a connection would come back for ever",
        ),
        (
            "[rollout]\nlegacy = \"localhost:8080\"\n".to_owned(),
            "t.toml:2:10 rollout.legacy: found \"localhost:8080\", expected an address other than one that tlsfloor itself listens on, because such a connection would come back for ever",
        ),
        (
            rollout("cut = 2027-03-01\n"),
            "t.toml:3:7 rollout.cut: found 2027-03-01, expected a date-time with an offset and without quotes, such as 2027-03-01T09:00:00Z",
        ),
        (
            rollout("cut = 2027-03-01T09:00:00\n"),
            "t.toml:3:7 rollout.cut: found 2027-03-01T09:00:00, expected a date-time with an offset and without quotes, such as 2027-03-01T09:00:00Z",
        ),
        (
            rollout("cut = 2027-03-01T09:00:00.5Z\n"),
            "t.toml:3:7 rollout.cut: found 2027-03-01T09:00:00.5Z, expected whole seconds",
        ),
        (
            rollout("ramp = [{ at = 2027-02-01T00:00:00Z, percent = 101 }]\n"),
            "t.toml:3:48 rollout.ramp[0].percent: found 101, expected a whole number from 0 to 100",
        ),
        (
            rollout("ramp = [{ at = 2027-02-01T00:00:00Z }]\n"),
            "t.toml:3:9 rollout.ramp[0].percent: found nothing, expected how many of a hundred clients",
        ),
        (
            rollout(
                "ramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }, { at = 2027-02-02T00:00:00Z, percent = 4 }]\n",
            ),
            "t.toml:3:53 rollout.ramp[1]: found 4 percent after 5, expected more: shares only grow, so that a client that is refused stays so",
        ),
        (
            rollout(
                "ramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }, { at = 2027-02-01T00:00:00Z, percent = 6 }]\n",
            ),
            "t.toml:3:53 rollout.ramp[1]: found 2027-02-01T00:00:00Z, expected a time after 2027-02-01T00:00:00Z, of the step above",
        ),
        (
            rollout("cut = 2027-01-01T00:00:00Z\nramp = [{ at = 2027-02-01T00:00:00Z, percent = 5 }]\n"),
            "t.toml:4:9 rollout.ramp[0]: found 5 percent after the cut, which would let in clients that it refuses; expected a time before the cut, or allow_loosening = true to take the cut back",
        ),
        (
            rollout("brownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-02-01T00:00:00Z }]\n"),
            "t.toml:3:53 rollout.brownouts[0].until: found 2027-02-01T00:00:00Z, expected a time after from",
        ),
        (
            rollout("brownouts = [{ from = 2027-02-01T00:00:00Z }]\n"),
            "t.toml:3:14 rollout.brownouts[0].lasts: found nothing, expected how long it lasts, or until when",
        ),
        (
            rollout("brownouts = [{ lasts = \"1h\" }]\n"),
            "t.toml:3:14 rollout.brownouts[0].from: found nothing, expected when it begins",
        ),
        (
            rollout("brownouts = [{ from = 2027-02-01T00:00:00Z, every = \"1h\", lasts = \"10m\" }]\n"),
            "t.toml:3:14 rollout.brownouts[0].until: found nothing, expected when the last has ended",
        ),
        (
            rollout(
                "brownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-03-01T00:00:00Z, every = \"10m\", lasts = \"1h\" }]\n",
            ),
            "t.toml:3:83 rollout.brownouts[0].every: found \"10m\", expected more than lasts; without a pause, leave every out",
        ),
        (
            rollout(
                "brownouts = [{ from = 2027-02-01T00:00:00Z, until = 2027-03-01T00:00:00Z, lasts = \"1h\" }]\n",
            ),
            "t.toml:3:83 rollout.brownouts[0].lasts: found \"1h\", expected either lasts or until, or every with both",
        ),
        (
            rollout("brownouts = [{ from = 2027-02-01T00:00:00Z, lasts = \"500ms\" }]\n"),
            "t.toml:3:53 rollout.brownouts[0].lasts: found \"500ms\", expected whole seconds",
        ),
        (
            rollout("brownouts = [{ from = 2027-02-01T00:00:00Z, lasts = \"1h\", percent = 0 }]\n"),
            "t.toml:3:69 rollout.brownouts[0].percent: found 0, expected a whole number from 1 to 100",
        ),
        (
            rollout("fuse = { refused = 0, within = \"1m\" }\n"),
            "t.toml:3:20 rollout.fuse.refused: found 0, expected a whole number from 1 to 100000",
        ),
        (
            rollout("fuse = { refused = 5 }\n"),
            "t.toml:3:8 rollout.fuse.within: found nothing, expected a duration such as \"1m\"",
        ),
        (
            rollout("salt = \"a\"\nsalt_file = \"b\"\n"),
            "t.toml:4:13 rollout.salt_file: found \"b\", expected either salt or salt_file",
        ),
        (
            exemption(""),
            "t.toml:3:1 rollout.exemptions[0]: found an exemption for everybody, expected clients, sni or ja4 that tell some clients from the others; to let everybody in, change the schedule",
        ),
        (
            exemption("clients = [\"10.0.0.0/8\", \"0.0.0.0/0\"]"),
            "t.toml:3:1 rollout.exemptions[0]: found an exemption for everybody, expected clients, sni or ja4 that tell some clients from the others; to let everybody in, change the schedule",
        ),
        (
            exemption("sni = [\"*\"]"),
            "t.toml:7:8 rollout.exemptions[0].sni[0]: found \"*\", expected a host name or \"*.example.com\"",
        ),
        (
            exemption("ja4 = [\"T13\"]"),
            "t.toml:7:8 rollout.exemptions[0].ja4[0]: found \"T13\", expected a JA4 such as \"t10d120500_d94e65cdb899_c35b4a14be45\"",
        ),
        (
            rollout("[[rollout.exemptions]]\nclients = [\"10.0.0.0/8\"]\nowner = \"a\"\nreason = \"r\"\n"),
            "t.toml:3:1 rollout.exemptions[0].expires: found nothing, expected when it ends; an exemption for ever is none",
        ),
        (
            rollout(
                "[[rollout.exemptions]]\nclients = [\"10.0.0.0/8\"]\nowner = \" \"\nreason = \"r\"\nexpires = 2027-06-01T00:00:00Z\n",
            ),
            "t.toml:5:9 rollout.exemptions[0].owner: found \" \", expected 1 to 200 characters on one line",
        ),
        (
            "[plain_http]\naction = \"redirect\"\n[plain_http.rollout]\ncut = 2027-03-01T09:00:00Z\n".to_owned(),
            "t.toml:2:10 plain_http.action: found \"redirect\", expected \"forward\": plain_http.rollout leads from there to what its key to says",
        ),
        (
            "[plain_http.rollout]\nto = \"forward\"\n".to_owned(),
            "t.toml:2:6 plain_http.rollout.to: found \"forward\", expected one of \"redirect\", \"refuse\"",
        ),
        (
            "[fleet]\nreplicas = 0\n".to_owned(),
            "t.toml:2:12 fleet.replicas: found 0, expected a whole number from 1 to 10000",
        ),
    ];
    for (piece, expected) in cases {
        assert_eq!(problem(&format!("{piece}{GOOD}")), expected, "{piece}");
    }
    for (piece, start) in [
        ("[rollout]\nto = \"refuse\"\n", "t.toml:2:1 rollout.to: found an unknown key"),
        (
            "[plain_http.rollout]\nlegacy = \"a:1\"\n",
            "t.toml:2:1 plain_http.rollout.legacy: found an unknown key",
        ),
        (
            "[[plain_http.rollout.exemptions]]\nsni = [\"a\"]\n",
            "t.toml:1:1 plain_http.rollout.exemptions[0]",
        ),
    ] {
        let said = problem(&format!("{piece}{GOOD}"));
        assert!(said.starts_with(start), "{said}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let said = problem(&format!(
        "{}{GOOD}",
        rollout(
            "cut = \"soon\"\nramp = [{ percent = 200 }]\nbrownouts = [{ every = \"1h\" }]\nfuse = {}\n\
             exemptions = [{ clients = [\"10.0.0.1/8\"] }]\n"
        )
    ));
    for key in [
        "rollout.cut",
        "rollout.ramp[0].at",
        "rollout.ramp[0].percent",
        "rollout.brownouts[0].from",
        "rollout.fuse.refused",
        "rollout.fuse.within",
        "rollout.exemptions[0].clients[0]",
        "rollout.exemptions[0].owner",
        "rollout.exemptions[0].reason",
        "rollout.exemptions[0].expires",
    ] {
        assert!(said.contains(&format!("{key}: ")), "{key} not in\n{said}");
    }
}

#[test]
fn the_cut_can_be_taken_back_if_that_is_said() {
    let config = with(&rollout(
        "cut = 2027-01-01T00:00:00Z\nallow_loosening = true\n\
         ramp = [{ at = 2026-12-01T00:00:00Z, percent = 50 }, { at = 2027-02-01T00:00:00Z, percent = 5 },\n\
                 { at = 2027-02-02T00:00:00Z, percent = 100 }]\n",
    ));
    assert_eq!(config.unwrap().rollout.schedule.ramp.len(), 3);
}

//! `tlsfloor report` on the logs of a small fleet: what it adds up, what it survives, its forms.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{output, tlsfloor};

/// Logs in a folder.
struct Logs(TempDir);

impl Logs {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A minute of January 2027.
fn time(day: u32, hour: u32, minute: u32) -> String {
    format!("2027-01-{day:02}T{hour:02}:{minute:02}:00Z")
}

fn line(event: &str, at: (u32, u32), fields: &Value) -> String {
    let (from, to) = (time(at.0, at.1, 0), time(at.0, at.1, 1));
    let mut row =
        json!({ "timestamp": to, "level": "INFO", "event": event, "from": from, "to": to });
    for (key, value) in fields.as_object().unwrap() {
        row[key] = value.clone();
    }
    format!("{row}\n")
}

fn census(at: (u32, u32), client: &str, stack: &str, lane: &str, count: u64) -> String {
    line(
        "census",
        at,
        &json!({ "client": client, "sni": "api.example.com", "offered_max": "1.0", "ja4": "t10d",
            "policy": "floor", "reason": "version", "lane": lane, "count": count, "stack": stack }),
    )
}

fn totals(at: (u32, u32), version: &str, lane: &str, count: u64) -> String {
    let (offered, cipher, verdict) = match version {
        "" => ("1.0", "", "fail"),
        other => (other, "TLS_AES_128_GCM_SHA256", "pass"),
    };
    line(
        "totals",
        at,
        &json!({ "offered": offered, "version": version, "cipher": cipher, "lane": lane,
            "verdict": verdict, "count": count }),
    )
}

fn stage(at: (u32, u32), from: &str, to: &str) -> String {
    let at = time(at.0, at.1, 0);
    let row = json!({ "timestamp": at, "event": "stage", "from": from, "to": to, "stage": to,
        "percent": 100, "at": at });
    format!("{row}\n")
}

/// Two replicas around a brownout on the 12th: Acme vanishes, Beta comes back, Gamma is new.
fn fleet(logs: &Logs) -> [String; 2] {
    let one = [
        census((10, 9), "203.0.113.7", "java-7", "legacy", 40),
        totals((10, 9), "", "legacy", 40),
        totals((10, 9), "1.3", "serve", 9_960),
        stage((12, 10), "observe", "brownout"),
        census((12, 10), "203.0.113.7", "java-7", "refuse", 5),
        totals((12, 10), "", "refuse", 5),
        stage((12, 11), "brownout", "observe"),
        census((12, 12), "192.0.2.9", "pinned", "legacy", 1),
        totals((12, 12), "", "legacy", 1),
    ];
    let two = [
        "[pod/tlsfloor-1/proxy] not a line of ours\n".to_owned(),
        census((11, 9), "198.51.100.1", "windows-7", "legacy", 20),
        census((12, 12), "198.51.100.1", "windows-7", "legacy", 3),
        census((12, 12), "other", "unknown", "legacy", 31),
        totals((12, 12), "", "legacy", 54),
        "{\"event\":\"access\",\"status\":200}\n".to_owned(),
        r#"{"timestamp":"2027-01-12T12:00:00Z","event":"exemption","exemption":"acme/vpn","owner":"acme","count":5,"expires":"2027-06-01T00:00:00Z","state":"active"}"#.to_owned() + "\n",
        r#"{"timestamp":"2027-01-12T12:00:00Z","event":"exemption","exemption":"old/one","owner":"old","count":0}"#.to_owned() + "\n",
    ];
    let prefixed = two.map(|line| match line.starts_with('{') {
        true => format!("[pod/tlsfloor-1/proxy] {line}"),
        false => line,
    });
    [logs.write("one.json", one.concat()), logs.write("two.gz", gzip(&prefixed.concat()))]
}

fn json_of(arguments: &[&str]) -> Value {
    let (code, out, err) = output(&[&["report", "--format", "json"], arguments].concat());
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn replicas_add_up_and_totals_equal_the_connections_made() {
    let logs = Logs::new();
    let [one, two] = fleet(&logs);
    let answer = json_of(&[&one, &two]);
    assert_eq!(answer["connections"], 40 + 9_960 + 5 + 1 + 54);
    assert_eq!((&answer["below"], &answer["failed"]), (&100.into(), &100.into()));
    assert_eq!((&answer["below_other"], &answer["clients"]), (&31.into(), &3.into()));
    for by in ["client", "sni", "network", "stack"] {
        let answer = json_of(&["--by", by, "--top", "1", &one, &two]);
        let who = answer["who"].as_array().unwrap();
        let sum: u64 = who.iter().map(|line| line["connections"].as_u64().unwrap()).sum();
        assert_eq!(sum, 100, "by {by}: {who:?}");
        assert!(who.len() <= 2, "{who:?}");
    }
    let days: u64 =
        answer["days"].as_array().unwrap().iter().map(|d| d["below"].as_u64().unwrap()).sum();
    assert_eq!((days, answer["days"].as_array().unwrap().len()), (100, 3));
}

#[test]
fn nobody_below_the_floor_is_an_answer_too() {
    let logs = Logs::new();
    let log = logs.write("a.json", totals((10, 9), "1.3", "serve", 9_960));
    let (code, out, err) = output(&["report", &log]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("None of 9,960 connections is below the floor."), "{out}");
    assert_eq!(json_of(&[&log])["who"], json!([]));
}

#[test]
fn what_changed_since_the_last_brownout() {
    let logs = Logs::new();
    let [one, two] = fleet(&logs);
    let since = &json_of(&[&two, &one])["since_brownout"];
    assert_eq!(since["brownout"]["from"], "2027-01-12T10:00:00Z");
    assert_eq!(since["brownout"]["to"], "2027-01-12T11:00:00Z");
    assert_eq!([&since["vanished"], &since["back"], &since["new"]], [1, 1, 1]);
    assert_eq!(since["most_vanished"][0]["client"], "203.0.113.7");
    assert_eq!(since["most_back"][0]["client"], "198.51.100.1");
    // As long before it as after it: one hour and a minute.
    assert_eq!(since["before"]["from"], "2027-01-12T08:59:00Z");
    assert_eq!((&since["before"]["below"], &since["after"]["below"]), (&0.into(), &35.into()));
}

#[test]
fn the_text_is_the_answer_in_100_columns() {
    let logs = Logs::new();
    let [one, two] = fleet(&logs);
    let (code, out, err) = output(&["report", &one, &two]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    for said in [
        "50 of 5,030 connections a day, from at least 3 clients, are below TLS 1.2 (0.994 %).",
        "203.0.113.7",
        "Java 7 with its defaults",
        "-Dhttps.protocols=TLSv1.2",
        "1 client vanished, 1 came back, 1 new since.",
        "acme/vpn",
        "1 exemption unused: they can go.",
        "2027-01-11",
        "1 damaged line left out.",
    ] {
        assert!(out.contains(said), "{said} is not in\n{out}");
    }
    assert!(err.contains("two.gz:1: no JSON object"), "{err}");
    assert!(err.contains("1 damaged lines left out"), "{err}");
}

#[test]
fn damaged_lines_are_named_ten_times_and_then_counted() {
    let logs = Logs::new();
    let good = census((10, 9), "203.0.113.7", "java-7", "legacy", 7);
    let cut = good.split_at(60).0;
    let bad = format!("{cut}\n{{\"event\":\"census\"}}\n\u{0}\n").repeat(10);
    let file = logs.write("a.json", [b"\xff\xfe\n", (bad + &good).as_bytes()].concat());
    let (code, out, err) = output(&["report", "--format", "json", &file]);
    assert_eq!(code, Some(0), "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["below"], &answer["damaged"]["count"]), (&7.into(), &31.into()));
    assert_eq!(answer["damaged"]["first"].as_array().unwrap().len(), 10);
    assert!(err.contains("a.json:1: not text in UTF-8"), "{err}");
    assert!(err.contains("a.json:3: missing field"), "{err}");
    assert_eq!(err.lines().count(), 11, "{err}");
}

#[test]
fn standard_input_is_read_with_and_without_a_dash() {
    for arguments in [&["report", "--format", "json"][..], &["report", "--format", "json", "-"]] {
        let mut child =
            tlsfloor(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let text = census((10, 9), "203.0.113.7", "java-7", "legacy", 7).repeat(2);
        child.stdin.take().unwrap().write_all(&gzip(&text)).unwrap();
        let out = child.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((out.status.code(), &answer["below"]), (Some(0), &14.into()));
    }
}

#[test]
fn what_cannot_be_read_is_1_and_the_rest_is_reported() {
    let logs = Logs::new();
    let good = census((10, 9), "203.0.113.7", "java-7", "legacy", 7);
    let whole = logs.write("good.json", &good);
    let mut cut = gzip(&good.repeat(1000));
    cut.truncate(cut.len() - 10);
    let cut = logs.write("cut.gz", cut);
    let nowhere = logs.path("nowhere.json");
    let (code, out, err) = output(&["report", &nowhere, &cut, &whole]);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.contains("203.0.113.7"), "{out}");
    assert!(err.contains("nowhere.json: cannot be read") && err.contains("cut.gz"), "{err}");
    let (code, out, err) = output(&["report", &nowhere]);
    assert_eq!((code, out.as_str(), err.trim().lines().count()), (Some(1), "", 1), "{err}");
    let empty = logs.write("empty.json", "{\"event\":\"access\"}\nx\n");
    let (code, out, err) = output(&["report", &empty]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("no census or totals rows in 2 lines, 1 of them damaged"), "{err}");
}

#[test]
fn customers_are_named_and_no_cell_of_csv_is_a_formula() {
    let logs = Logs::new();
    let lines = ["203.0.113.7", "2001:db8::1", "=cmd|'/C calc'!A0"]
        .map(|client| census((10, 9), client, "java-7", "legacy", 7));
    let log = logs.write("a.json", lines.concat());
    let names = logs.write(
        "names.csv",
        "203.0.113.0/24,\"Müller \"\"TLS\"\", GmbH\",tls@mueller.example\n2001:db8::/32,+Acme,@acme\n",
    );
    let (code, out, err) = output(&["report", "--format", "csv", "--names", &names, &log]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("who,name,contact,clients,connections,share,"), "{out}");
    assert!(
        out.contains("\n203.0.113.7,\"Müller \"\"TLS\"\", GmbH\",tls@mueller.example,1,7,"),
        "{out}"
    );
    assert!(out.contains("\n2001:db8::1,'+Acme,'@acme,1,7,"), "{out}");
    assert!(out.contains("\n'=cmd|'/C calc'!A0,"), "{out}");
    let wrong = logs.write("wrong.csv", "# x\n203.0.113.1/24,Acme\n");
    let (code, out, err) = output(&["report", "--names", &wrong, &log]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("wrong.csv:2: 203.0.113.1/24: the address is not the first"), "{err}");
}

#[test]
fn html_is_one_page_that_loads_nothing() {
    let logs = Logs::new();
    let evil = "<img src=x onerror=alert(1)>";
    let log = logs.write("a.json", census((10, 9), evil, "java-7", "legacy", 7));
    let page = logs.path("report.html");
    let (code, out, err) = output(&["report", "--format", "html", "--output", &page, &log]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;") && !page.contains("<img"),
        "{page}"
    );
    assert!(page.contains("<svg") && page.contains("intercepting middlebox"), "{page}");
    for loading in ["<script", "<link", "@import", "url(", "src=\""] {
        assert!(!page.contains(loading), "{loading}");
    }
}

#[test]
fn the_evidence_has_each_protocol_and_suite_in_use() {
    let logs = Logs::new();
    let [one, two] = fleet(&logs);
    let (code, out, err) = output(&["report", "--evidence", &one, &two]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("TLS_AES_128_GCM_SHA256") && out.contains("12.3.3"), "{out}");
    let (_, csv, _) = output(&["report", "--evidence", "--format", "csv", &one, &two]);
    let serve = "\nserve,pass,1.3,1.3,TLS_AES_128_GCM_SHA256,9960,0.990059642,2027-01-10T09:00:00Z,2027-01-10T09:01:00Z\n";
    assert!(csv.contains(serve), "{csv}");
    let answer = json_of(&["--evidence", &one, &two]);
    let all = answer["in_use"].as_array().unwrap().iter();
    assert_eq!(all.map(|used| used["connections"].as_u64().unwrap()).sum::<u64>(), 10_060);
}

#[test]
fn markdown_is_for_tickets() {
    let logs = Logs::new();
    let [one, two] = fleet(&logs);
    let (code, out, _) = output(&["report", "--format", "markdown", "--by", "stack", &one, &two]);
    assert_eq!(code, Some(0));
    assert!(out.contains("## Looks like Java 7 with its defaults"), "{out}");
    assert!(
        out.contains(
            "| java-7 | Java 7 with its defaults, or a later Java that is set to TLS 1.0 | 45 | 1 |"
        ),
        "{out}"
    );
    assert!(out.contains("| operating system's TLS library | Java brings its own"), "{out}");
}

#[test]
fn many_programs_behind_one_old_hello_are_a_middlebox() {
    let logs = Logs::new();
    let agents = ["curl/8.5", "Java/21", "python-requests/2.31", "curl/8.6"].map(|agent| {
        json!({ "event": "legacy", "client": "203.0.113.7", "user_agent": agent }).to_string()
            + "\n"
    });
    let row = census((10, 9), "203.0.113.7", "windows-7", "legacy", 7);
    let log = logs.write("a.json", agents.concat() + &row);
    let answer = json_of(&[&log]);
    assert_eq!(answer["who"][0]["stack"], "middlebox");
    assert_eq!(answer["stacks"].as_array().unwrap().len(), 1);
    assert_eq!(answer["stacks"][0]["connections"], 7);
}

#[test]
fn another_policy_is_asked_about_alone() {
    let logs = Logs::new();
    let what_if =
        census((10, 9), "203.0.113.7", "java-8", "serve", 9).replace("\"floor\"", "\"tls13\"");
    let log =
        logs.write("a.json", what_if + &census((10, 9), "203.0.113.8", "java-7", "legacy", 7));
    assert_eq!(json_of(&[&log])["below"], 7);
    let answer = json_of(&["--policy", "tls13", &log]);
    assert_eq!((&answer["below"], &answer["who"][0]["who"]), (&9.into(), &"203.0.113.7".into()));
    let (_, out, _) = output(&["report", "--policy", "tls13", &log]);
    assert!(out.contains("from 1 client, are below the policy \"tls13\"."), "{out}");
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let logs = Logs::new();
    let rows: String = (0..5000)
        .map(|n| census((10, 9), &format!("10.0.{}.{}", n / 250, n % 250), "java-7", "legacy", 1))
        .collect();
    let log: PathBuf = logs.write("a.json", rows).into();
    let command = format!(
        "{{ {} report --format csv {}; echo $? >&2; }} | head -1",
        env!("CARGO_BIN_EXE_tlsfloor"),
        log.display()
    );
    let out = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8(out.stderr).unwrap(), "0\n");
}

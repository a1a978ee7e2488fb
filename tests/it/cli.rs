//! The real binary: exit codes, what it prints, signals.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    client::{plain_get, raw},
    hellos::families,
    pki::Pki,
    private_folder, proxy,
    upstream::Upstream,
};

pub(crate) fn tlsfloor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlsfloor"));
    command.args(arguments).env_remove("TLSFLOOR_CONFIG");
    command
}

pub(crate) fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = tlsfloor(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A folder with a certificate for localhost and a configuration.
pub(crate) struct Folder {
    pub(crate) dir: TempDir,
}

impl Folder {
    pub(crate) fn new(text: &str) -> Self {
        let dir = private_folder();
        let issued = Pki::shared().issue(&["localhost", "127.0.0.1"]);
        std::fs::write(dir.path().join("chain.pem"), issued.chain_pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), issued.key_pem()).unwrap();
        std::fs::write(dir.path().join("tlsfloor.toml"), text).unwrap();
        Self { dir }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("tlsfloor.toml")
    }

    /// What `tlsfloor check` says of it: exit code, standard output and standard error.
    pub(crate) fn check(&self) -> (Option<i32>, String, String) {
        output(&["check", "-c", text(&self.config())])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `tlsfloor run` as a process, and what it logs.
pub(crate) struct Running {
    child: Child,
    pub(crate) lines: BufReader<ChildStdout>,
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The line that it starts with.
    pub(crate) start: Value,
    /// What it logged before it had started.
    pub(crate) early: Vec<Value>,
}

impl Running {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::spawn(&mut tlsfloor(&["run", "-c", text(&folder.config())]))
    }

    /// In an environment with one variable more.
    #[cfg(feature = "otlp")]
    pub(crate) fn start_with(folder: &Folder, variable: &str, value: &Path) -> Self {
        let mut command = tlsfloor(&["run", "-c", text(&folder.config())]);
        command.env(variable, value);
        Self::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut early = Vec::new();
        let start = loop {
            let line = line(&mut lines);
            if line["event"] == "start" {
                break line;
            }
            early.push(line);
        };
        let first = |key: &str| {
            let listed = start[key].as_str().unwrap().trim_matches(['[', ']']);
            listed.parse().unwrap_or_else(|_| panic!("{start}"))
        };
        let [https, http, admin] = ["https", "http", "admin"].map(first);
        Self { https, http, admin, start, child, lines, early }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub(crate) fn event(&mut self, name: &str) -> Value {
        match self.early.iter().position(|line| line["event"] == name) {
            Some(place) => self.early.remove(place),
            None => event(&mut self.lines, name),
        }
    }

    pub(crate) fn line(&mut self) -> Value {
        line(&mut self.lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The next line of one kind.
fn event(lines: &mut BufReader<ChildStdout>, name: &str) -> Value {
    loop {
        let value = line(lines);
        if value["event"] == name {
            return value;
        }
    }
}

/// The next line; every one must be JSON.
fn line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    assert!(lines.read_line(&mut line).unwrap() > 0, "the log has ended");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn help_and_version() {
    let (code, out, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["run", "check", "demo", "report", "notice", "ready", "schema"] {
        assert!(out.contains(&format!("\n  {command}")), "{out}");
    }
    assert!(!out.contains("\n  probe"), "{out}");
    let (code, out, _) = output(&["--version"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), concat!("tlsfloor ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["--bogus"][..],
        &["serve"],
        &[],
        &["run", "--bogus"],
        &["check", "-c"],
        &["report", "--by", "x"],
        &["report", "--top", "0"],
    ] {
        let (code, out, err) = output(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains("--help"), "{err}");
    }
}

#[test]
fn a_file_that_is_not_there_is_1_and_named() {
    for command in ["run", "check"] {
        let (code, _, err) = output(&[command, "-c", "/nowhere/tlsfloor.toml"]);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("/nowhere/tlsfloor.toml") && err.trim().lines().count() == 1, "{err}");
    }
}

#[test]
fn check_and_run_name_the_same_five_mistakes_with_their_lines() {
    let folder = Folder::new(
        r#"[listen]
htps = ["127.0.0.1:0"]
workers = "four"
[tls]
minimum = "1.1"
certificates = [{ chain = "chain.pem", key = "key.pem" }]
[[upstreams]]
name = "orders"
servers = ["http://127.0.0.1:1"]
[[routes]]
upstream = "order"
[limits]
idle_timeout = "ten seconds"
"#,
    );
    let file = folder.config();
    let (code, _, err) = output(&["check", "-c", text(&file)]);
    assert_eq!(code, Some(1), "{err}");
    let problems: Vec<&str> = err.lines().collect();
    assert_eq!(problems.len(), 5, "{err}");
    for (line, key) in [
        (2, "listen.htps"),
        (3, "listen.workers"),
        (5, "tls.minimum"),
        (11, "routes[0].upstream"),
        (13, "limits.idle_timeout"),
    ] {
        let place = format!("tlsfloor.toml:{line}:");
        assert!(problems.iter().any(|p| p.contains(&place) && p.contains(key)), "{key}: {err}");
    }
    assert!(err.contains("\"https\"") && err.contains("\"orders\""), "no did-you-mean: {err}");
    assert_eq!(output(&["run", "-c", text(&file)]), (code, String::new(), err));
}

#[test]
fn check_says_good_without_listening() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = proxy::base(taken.local_addr().unwrap());
    let here = format!("https = [\"{}\"]", taken.local_addr().unwrap());
    let folder = Folder::new(&config.replace("https = [\"127.0.0.1:0\"]", &here));
    let (code, out, err) = folder.check();
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("good"), "{out}");
    let (code, _, err) = output(&["run", "-c", text(&folder.config())]);
    assert_eq!((code, err.trim().lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains(&taken.local_addr().unwrap().to_string()), "{err}");
    assert!(err.contains("listen.https"), "{err}");
}

#[test]
fn check_names_a_key_that_does_not_match_with_its_file() {
    let folder = Folder::new(&proxy::base("127.0.0.1:1".parse().unwrap()));
    let other = Pki::shared().issue(&["localhost"]);
    std::fs::write(folder.dir.path().join("key.pem"), other.key_pem()).unwrap();
    let (code, _, err) = folder.check();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("key.pem") && err.contains("tls.certificates[0]"), "{err}");
}

#[test]
fn the_schema_is_json() {
    let (code, out, _) = output(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_is_one_line_of_json_and_a_counter() {
    let upstream = Upstream::text("never").await;
    let folder = Folder::new(&(proxy::base(upstream.address) + "[log]\nrefused_per_minute = 2\n"));
    let mut running = Running::start(&folder);
    let java7 = families().into_iter().find(|family| family.name == "Java 7").unwrap();
    for _ in 0..5 {
        let alert = raw(running.https, &java7.bytes).await.unwrap();
        assert_eq!(alert, [0x15, 3, 1, 0, 2, 2, 70]);
    }
    let line = running.event("refused");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["sni"], "api.example.com");
    assert_eq!(line["offered"], "1.0");
    assert_eq!(line["reason"], "version");
    assert_eq!(line["listener"], "https");
    assert_eq!(line["lane"], "refuse");
    assert_eq!(line["generation"], 1);
    assert!(line["port"].as_u64().unwrap() > 0);
    assert_eq!(line["ja4"].as_str(), java7.ja4.as_deref());
    let metrics = plain_get(running.admin, "/metrics").await.text();
    let sample = "tlsfloor_client_hellos_total{offered=\"1.0\",verdict=\"fail\",reason=\"version\",lane=\"refuse\"} 5";
    assert!(metrics.contains(sample), "{metrics}");
    running.signal("TERM");
    let mut rest = String::new();
    running.lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("\"refused\"").count(), 1, "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_with_0_and_says_what_was_cut() {
    let upstream = Upstream::text("ok").await;
    let folder = Folder::new(&proxy::base(upstream.address));
    let mut running = Running::start(&folder);
    assert_eq!(plain_get(running.admin, "/readyz").await.status, 200);
    running.signal("TERM");
    loop {
        let line = running.event("drain");
        if line["step"] == "done" {
            assert_eq!(line["cut"], 0);
            break;
        }
    }
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::text("ok").await;
    let config = proxy::base(upstream.address).replace("delay = \"0s\"", "delay = \"1h\"");
    let folder = Folder::new(&config);
    let mut running = Running::start(&folder);
    running.signal("TERM");
    assert_eq!(running.event("drain")["step"], "signal");
    running.signal("INT");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_says_in_one_line_that_a_port_is_taken() {
    let Ok(_taken) = TcpListener::bind("127.0.0.1:8443") else {
        // Somebody else has it: just as well.
        return check_taken();
    };
    check_taken();
}

fn check_taken() {
    let (code, out, err) = output(&["demo"]);
    assert_eq!((code, out.as_str(), err.trim().lines().count()), (Some(1), "", 1), "{err}");
    assert!(err.contains("127.0.0.1:8443"), "{err}");
    assert_eq!(err.matches("in use").count(), 1, "the cause once: {err}");
}

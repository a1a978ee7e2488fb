//! `tlsfloor notice` as a user runs it: the announcement, the calendar, one customer's notice.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::cli::output;

const CONFIG: &str = r#"
[tls]
certificates = [{ chain = "not-here.pem", key = "not-here.key" }]
[plain_http]
action = "forward"
[plain_http.rollout]
to = "refuse"
cut = 2027-04-01T00:00:00Z
[[upstreams]]
name = "api"
servers = ["http://10.0.0.1:80"]
[[routes]]
host = "api.example.com"
upstream = "api"
[self_test]
host = "tls-check.example.com"
strict = [{ host = "tls13-only.example.com", minimum = "1.3" }, { host = "tls12-only.example.com", minimum = "1.2" }]
[rollout]
legacy = "10.77.0.9:443"
notice = "https://example.com/tls?a=1&b=2"
cut = 2027-03-01T09:00:00Z
ramp = [{ at = 2027-02-15T00:00:00Z, percent = 5 }]
brownouts = [
  { from = 2027-01-12T11:00:00+01:00, lasts = "1h" },
  { from = 2027-01-20T00:00:00Z, until = 2027-01-20T02:30:00Z, every = "1h", lasts = "10m", percent = 50 },
  { from = 2027-02-01T00:00:00Z, until = 2027-02-15T00:00:00Z, every = "1h", lasts = "10m" },
]
[[rollout.exemptions]]
clients = ["198.51.100.0/24"]
owner = "secret-owner"
reason = "secret-contract"
expires = 2027-06-01T00:00:00Z
"#;

struct Files(TempDir);

impl Files {
    fn new(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tlsfloor.toml"), config).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn notice(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let config = self.path("tlsfloor.toml");
        output(&[&["notice", "-c", &config], arguments].concat())
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.notice(arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out
    }
}

#[test]
fn the_announcement_has_every_date_and_nothing_private() {
    let files = Files::new(CONFIG);
    let text = files.good(&[]);
    for date in [
        "# TLS 1.1 and older end on 2027-03-01 09:00 UTC",
        "2027-01-12 10:00 UTC to 2027-01-12 11:00 UTC",
        "2027-01-20 00:00 UTC to 2027-01-20 00:10 UTC",
        "2027-01-20 01:00 UTC to 2027-01-20 01:10 UTC",
        "2027-01-20 02:00 UTC to 2027-01-20 02:10 UTC",
        "every hour for 10 minutes, from 2027-02-01 00:00 UTC until 2027-02-14 23:10 UTC (336 times)",
        "from 2027-02-15 00:00 UTC",
        "from 2027-03-01 09:00 UTC",
        "from 2027-04-01 00:00 UTC",
        "50 of 100 clients",
        "5 of 100 clients",
    ] {
        assert!(text.contains(date), "{date} is not in\n{text}");
    }
    for host in
        ["api.example.com", "https://tls-check.example.com/", "https://tls12-only.example.com/"]
    {
        assert!(text.contains(host), "{host}");
    }
    for tool in [
        "curl -sS",
        "openssl s_client",
        "python3 -c",
        "javac",
        "Net.WebClient",
        "node -e",
        "php -r",
        "go run",
        "ruby -r",
    ] {
        assert!(text.contains(tool), "{tool}");
    }
    assert!(text.contains("Java 7 with its defaults") && text.contains("network proxy"), "{text}");
    for private in ["secret", "198.51.100", "10.77.0.9", "not-here", " in 1"] {
        assert!(!text.contains(private), "{private} is in\n{text}");
    }
    assert!(
        text.contains(
            "https://tls13-only.example.com/ refuses whatever has no TLS 1.3; it is for a later end"
        ),
        "{text}"
    );
    assert!(!text.contains("curl -sS https://tls13-only"), "{text}");
    assert_eq!(text, files.good(&["--format", "markdown", "--lang", "en"]));
}

/// Reads HTML as strictly as XML is read, void elements aside; gives the texts.
fn texts(page: &str) -> Vec<String> {
    let body = page.strip_prefix("<!doctype html>").unwrap();
    let (mut open, mut texts) = (Vec::<String>::new(), Vec::new());
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("{piece}"));
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
        } else {
            let name = tag.split_whitespace().next().unwrap();
            assert!(!name.is_empty() && tag.matches('"').count() % 2 == 0, "<{tag}>");
            if !["meta", "br", "hr"].contains(&name) {
                open.push(name.to_owned());
            }
        }
        if open.last().is_none_or(|name| name != "style") {
            assert!(!text.contains('>'), "{text}");
            let entities = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"];
            let bare = entities.iter().fold(text.to_owned(), |text, one| text.replace(one, ""));
            assert!(!bare.contains('&'), "{text}");
        }
        texts.push(text.to_owned());
    }
    assert!(open.is_empty(), "{open:?}");
    texts
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let files = Files::new(CONFIG);
    let page = files.good(&["--format", "html"]);
    let texts = texts(&page);
    assert!(texts.iter().any(|text| text.contains("2027-03-01 09:00 UTC")));
    assert!(texts.iter().any(|text| text.contains("r.urlopen(&#39;https://tls12-only")), "{page}");
    assert!(page.contains("href=\"https://example.com/tls?a=1&amp;b=2\""), "{page}");
    for outside in ["<script", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

/// A component's properties, and the components in it.
#[derive(Debug, Default)]
struct Component {
    name: String,
    properties: BTreeMap<String, String>,
    inner: Vec<Self>,
}

/// Reads a calendar by the letter of RFC 5545.
fn calendar(text: &str) -> Component {
    let whole = text.strip_suffix("\r\n").expect("the last line has an end");
    let mut lines: Vec<String> = Vec::new();
    for line in whole.split("\r\n") {
        assert!(line.len() <= 75, "{line}");
        assert!(!line.contains(['\r', '\n']) && !line.is_empty(), "{line:?}");
        match line.strip_prefix(' ') {
            Some(rest) => lines.last_mut().unwrap().push_str(rest),
            None => lines.push(line.to_owned()),
        }
    }
    let mut open: Vec<Component> = vec![Component::default()];
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
        match name {
            "BEGIN" => open.push(Component { name: value.to_owned(), ..Component::default() }),
            "END" => {
                let done = open.pop().unwrap();
                assert_eq!(done.name, value);
                open.last_mut().unwrap().inner.push(done);
            }
            name => {
                let taken =
                    open.last_mut().unwrap().properties.insert(name.to_owned(), value.to_owned());
                assert!(taken.is_none(), "{name} twice");
            }
        }
    }
    assert_eq!(open.len(), 1);
    open.pop().unwrap().inner.pop().unwrap()
}

fn is_utc(text: &str) -> bool {
    text.len() == 16 && text.ends_with('Z') && text.as_bytes()[8] == b'T'
}

#[test]
fn the_calendar_holds_rfc_5545() {
    let files = Files::new(CONFIG);
    let text = files.good(&["--format", "ics"]);
    let calendar = calendar(&text);
    assert_eq!((calendar.name.as_str(), &*calendar.properties["VERSION"]), ("VCALENDAR", "2.0"));
    assert!(calendar.properties.contains_key("PRODID"));
    let mut uids = Vec::new();
    for event in &calendar.inner {
        let of = |name: &str| event.properties.get(name).map_or("", String::as_str);
        assert_eq!(event.name, "VEVENT");
        assert!(is_utc(of("DTSTART")) && is_utc(of("DTSTAMP")), "{event:?}");
        assert!(of("DTEND").is_empty() || (is_utc(of("DTEND")) && of("DTEND") > of("DTSTART")));
        assert!(of("DESCRIPTION").contains("https://tls-check.example.com/"), "{event:?}");
        uids.push(of("UID").to_owned());
        let alarm = &event.inner[0];
        assert_eq!((alarm.name.as_str(), &*alarm.properties["ACTION"]), ("VALARM", "DISPLAY"));
        assert!(alarm.properties.keys().any(|name| name.starts_with("TRIGGER")));
    }
    let starts: Vec<_> = calendar.inner.iter().map(|event| &*event.properties["DTSTART"]).collect();
    let expected = [
        "20270112T100000Z",
        "20270120T000000Z",
        "20270120T010000Z",
        "20270120T020000Z",
        "20270201T000000Z",
        "20270215T000000Z",
        "20270301T090000Z",
        "20270401T000000Z",
    ];
    assert_eq!(starts, expected);
    assert_eq!(calendar.inner[4].properties["RRULE"], "FREQ=HOURLY;INTERVAL=1;COUNT=336");
    assert_eq!(uids[0], "tls-brownout-20270112T100000Z-100@tls-check.example.com");
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), expected.len());
    assert_eq!(text, files.good(&["--format", "ics"]));
}

fn row(client: &str, lane: &str, stack: &str, from: &str, count: u32) -> String {
    format!(
        r#"{{"event":"census","from":"{from}:00Z","to":"{from}:59Z","client":"{client}","sni":"api.example.com","offered_max":"1.0","ja4":"t10d","policy":"floor","reason":"version","lane":"{lane}","count":{count},"stack":"{stack}"}}"#
    ) + "\n"
}

#[test]
fn one_customer_is_told_of_its_own_addresses_and_of_nobody_elses() {
    let files = Files::new(CONFIG);
    let log = [
        row("203.0.113.7", "legacy", "java-7", "2027-01-10T08:00", 40),
        row("203.0.113.7", "refuse", "java-7", "2027-01-12T10:30", 3),
        row("203.0.113.9", "legacy", "openssl-0.9.8", "2027-01-11T08:00", 1200),
        row("198.51.100.1", "legacy", "windows-xp", "2027-01-11T08:00", 7),
        row("203.0.113.8", "legacy", "<script>|x", "2027-01-11T08:00", 2)
            .replace("api.example.com", "<b>|a"),
        "no json\n".to_owned(),
    ];
    let log = files.write("log.json", &log.concat());
    let (code, text, err) = files.notice(&["--client", "203.0.113.0/24", &log]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("log.json:6: no JSON object"), "{err}");
    for known in [
        "1,245 connections from 3 addresses",
        "| 203.0.113.7 | api.example.com | 1.0 | looks like Java 7",
        "| 43 | 3 | 2027-01-10 08:00 UTC | 2027-01-12 10:30:59 UTC |",
        "| 2027-01-12 10:00 UTC to 2027-01-12 11:00 UTC | 3 |",
        "What to do: OpenSSL 0.9.8",
        "2027-03-01 09:00 UTC",
        "https://tls-check.example.com/",
    ] {
        assert!(text.contains(known), "{known} is not in\n{text}");
    }
    for others in ["198.51.100", "Windows XP", "secret", "<b>|a"] {
        assert!(!text.contains(others), "{others} is in\n{text}");
    }
    let (_, page, _) = files.notice(&["--client", "203.0.113.0/24", "--format", "html", &log]);
    assert!(texts(&page).iter().any(|text| text == "&lt;b&gt;|a"), "{page}");
}

#[test]
fn what_cannot_be_told_is_said() {
    let files = Files::new(CONFIG);
    let log =
        files.write("log.json", &row("203.0.113.7", "legacy", "java-7", "2027-01-10T08:00", 1));
    let (code, out, err) = files.notice(&["--client", "192.0.2.0/24", &log]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("no census rows of 192.0.2.0/24 that fail the floor in 1 lines"), "{err}");
    let (code, _, err) = files.notice(&["--client", "203.0.113.1/24", &log]);
    assert!(code == Some(2) && err.contains("203.0.113.0/24"), "{err}");
    let (code, _, err) = files.notice(&[&log]);
    assert!(code == Some(2) && err.contains("--client"), "{err}");
    let (code, _, err) = files.notice(&["--client", "203.0.113.0/24", "/not/here"]);
    assert!(code == Some(1) && err.contains("/not/here: cannot be read"), "{err}");
    let bare = CONFIG.split("[rollout]").next().unwrap().replace("cut = 2027-04-01T00:00:00Z", "");
    let bare = Files::new(&bare);
    let (code, _, err) = bare.notice(&["--format", "ics"]);
    assert!(code == Some(1) && err.contains("no brownout, ramp or cut"), "{err}");
    assert!(bare.good(&[]).contains("No dates are set in advance."));
    let out = files.path("notice.md");
    assert_eq!(files.good(&["--output", &out]), "");
    assert_eq!(std::fs::read_to_string(out).unwrap(), files.good(&[]));
}

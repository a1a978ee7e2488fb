//! The admin port: what it shows, what it changes, and for whom.

use std::net::SocketAddr;

use hyper::Request;

use crate::{
    cli::{Folder, Running},
    support::{
        client::{Answer, TlsClient, bytes, empty, http1, plain_get},
        eventually, private_folder,
        proxy::{Proxy, base},
        upstream::Upstream,
    },
};

const TOKEN: &str = "0123456789abcdef0123";

pub(crate) async fn ask(
    admin: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &'static str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", admin.to_string());
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let body = if body.is_empty() { empty() } else { bytes(body) };
    let stream = tokio::net::TcpStream::connect(admin).await.unwrap();
    http1(stream).await.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn the_first_page_lists_the_others_and_each_is_there() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let index = plain_get(proxy.admin, "/").await.text();
    let listed: Vec<_> = index.split_whitespace().filter(|word| word.starts_with('/')).collect();
    assert_eq!(
        listed,
        [
            "/livez",
            "/readyz",
            "/metrics",
            "/upstreams",
            "/connections",
            "/config",
            "/census",
            "/rollout",
            "/reload",
            "/log",
            "/rollout/pause",
            "/rollout/resume",
            "/rollout/rearm"
        ]
    );
    for page in &listed[..8] {
        assert_eq!(plain_get(proxy.admin, page).await.status, 200, "{page}");
    }
    for (page, allowed) in [("/reload", "POST"), ("/log", "PUT"), ("/rollout/pause", "POST")] {
        let answer = plain_get(proxy.admin, page).await;
        assert_eq!((answer.status, answer.field("allow")), (405, allowed));
    }
    assert_eq!(ask(proxy.admin, "POST", "/config", &[], "").await.field("allow"), "GET, HEAD");
    assert_eq!(plain_get(proxy.admin, "/nowhere").await.status, 404);
}

#[tokio::test]
async fn a_reload_says_what_came_of_it() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let answer = ask(proxy.admin, "POST", "/reload", &[], "").await;
    assert_eq!(answer.status, 200);
    let hash = plain_get(proxy.admin, "/config").await.json()["hash"].clone();
    let said = serde_json::json!({ "generation": 2, "hash": hash, "warnings": [] });
    assert_eq!(answer.json(), said);
    proxy.write("tlsfloor.toml", "[listen]\nhtps = []\n");
    let answer = ask(proxy.admin, "POST", "/reload", &[], "").await;
    assert_eq!((answer.status, answer.field("content-type")), (422, "application/problem+json"));
    let problems = answer.json()["problems"].clone();
    let said: Vec<_> =
        problems.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(said.len() > 1, "{said:?}");
    let place = "tlsfloor.toml:2:1 listen.htps: found an unknown key";
    assert!(said.iter().any(|one| one.contains(place)), "{said:?}");
    assert_eq!(plain_get(proxy.admin, "/config").await.json()["generation"], 2);
}

#[tokio::test]
async fn whoever_changes_something_shows_the_token() {
    let upstream = Upstream::text("hello").await;
    let dir = private_folder();
    std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let text = base(upstream.address)
        .replace("admin = ", "admin_token = \"token\"\n        admin = ")
        .replace("admin = \"127.0.0.1:0\"", "admin = \"0.0.0.0:0\"");
    let proxy = Proxy::in_folder(&text, dir, |_| {});
    let admin = SocketAddr::from(([127, 0, 0, 1], proxy.admin.port()));
    for shown in [&[][..], &[("authorization", "Bearer 0123456789abcdef0124")]] {
        let answer = ask(admin, "POST", "/reload", shown, "").await;
        assert_eq!((answer.status, answer.field("www-authenticate")), (401, "Bearer"));
    }
    let bearer = format!("Bearer {TOKEN}");
    // By whatever name it is reached.
    let fields = [("authorization", bearer.as_str()), ("host", "tlsfloor.prod.svc:9901")];
    assert_eq!(ask(admin, "POST", "/reload", &fields, "").await.status, 200);
    // Reading needs none, and shows none.
    let config = plain_get(admin, "/config").await;
    assert_eq!(config.status, 200);
    assert!(!config.text().contains(TOKEN), "{}", config.text());
    // A new token comes into force like everything else.
    proxy.write("token", "another-token-of-some-length");
    assert_eq!(ask(admin, "POST", "/reload", &fields, "").await.status, 200);
    assert_eq!(ask(admin, "POST", "/reload", &fields, "").await.status, 401);
}

#[tokio::test]
async fn a_web_page_changes_nothing() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    for fields in [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("host", "evil.example:9901"), ("origin", "http://evil.example:9901")],
    ] {
        let answer = ask(proxy.admin, "POST", "/reload", fields, "").await;
        assert_eq!(answer.status, 403, "{fields:?}");
    }
    assert_eq!(proxy.metric("tlsfloor_config_generation").await, 1.0);
}

#[tokio::test]
async fn connections_are_told() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let mut open = TlsClient::http1().open(proxy.https).await;
    assert_eq!(open.get("/").await.status, 200);
    let now = eventually(async || {
        let now = plain_get(proxy.admin, "/connections").await.json();
        (now["parked"] == 1).then_some(now)
    })
    .await;
    assert_eq!(now["open"], 1);
    assert_eq!(now["listeners"], serde_json::json!({ "https": 1, "http": 0 }));
    assert_eq!(now["workers"].as_array().unwrap().len(), 2);
    assert!(now["most"].as_u64() > Some(0));
}

#[test]
fn the_level_of_the_log_changes_while_running_and_a_reload_leaves_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::text("hello"));
    let folder = Folder::new(&base(upstream.address));
    let mut running = Running::start(&folder);
    assert!(running.event("config")["message"].as_str().unwrap().contains("ticket_secret"));
    let put = |level: &'static str| runtime.block_on(ask(running.admin, "PUT", "/log", &[], level));
    for wrong in ["", "{}", "tlsfloor=loud", "{\"level\": 3}"] {
        let answer = put(wrong);
        assert_eq!(answer.status, 422, "{wrong:?}: {}", answer.text());
    }
    assert_eq!(put("{\"level\": \"debug\"}").status, 200);
    assert_eq!(put("error").status, 200);
    // Nothing below an error from here on, until it is set back.
    running.signal("HUP");
    runtime.block_on(eventually(async || {
        let config = plain_get(running.admin, "/config").await.json();
        (config["generation"] == 2).then_some(())
    }));
    assert_eq!(put("info").status, 200);
    let set = || ["debug", "info"].map(str::to_owned);
    let lines = [running.event("config"), running.event("config")];
    assert_eq!(lines.map(|line| line["filter"].as_str().unwrap().to_owned()), set());
    running.signal("HUP");
    let reload = running.event("reload");
    let said = |key: &str| reload[key].as_str().unwrap().to_owned();
    assert_eq!((said("result"), said("trigger")), ("success".into(), "signal".into()));
    assert_eq!(reload["generation"], 3);
}

#[test]
fn a_reload_that_fails_is_in_the_log_with_file_and_line() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::text("hello"));
    let text = format!("{}[reload]\npoll = \"20ms\"\n", base(upstream.address));
    let folder = Folder::new(&text);
    let mut running = Running::start(&folder);
    assert!(running.event("config")["message"].as_str().unwrap().contains("ticket_secret"));
    let file = folder.dir.path().join("tlsfloor.toml");
    std::fs::write(&file, format!("{text}[log]\nrefused_per_minute = -1\nformt = \"text\"\n"))
        .unwrap();
    let problems = [running.event("config"), running.event("config")];
    let said = problems.map(|problem| problem["message"].as_str().unwrap().to_owned());
    let last = running.event("reload");
    assert!(
        said[0].contains("tlsfloor.toml:") && said[0].contains("log.refused_per_minute"),
        "{said:?}"
    );
    assert!(said[1].contains("log.formt"), "{said:?}");
    assert_eq!((&last["result"], &last["trigger"]), (&"failure".into(), &"change".into()));
    assert_eq!(last["generation"], 1);
    std::fs::write(&file, &text).unwrap();
    let next = running.event("reload");
    assert_eq!((&next["result"], &next["generation"]), (&"success".into(), &2.into()));
}

#[tokio::test]
async fn a_rollout_is_paused_and_goes_on() {
    let upstream = Upstream::text("hello").await;
    let rollout = "[rollout]\nlegacy = \"127.0.0.1:1\"\ncut = 2020-01-01T00:00:00Z\n";
    let proxy = Proxy::from_text(&format!("{}{rollout}", base(upstream.address)), |_| {});
    let order = |path: &'static str, body| ask(proxy.admin, "POST", path, &[], body);
    let stage = async || plain_get(proxy.admin, "/rollout").await.json()["tls"].clone();
    assert_eq!(stage().await["stage"], "cut");
    for wrong in ["", "{}", r#"{"by": "ann", "why": "support is flooded"}"#] {
        assert_eq!(order("/rollout/pause", wrong).await.status, 422, "{wrong}");
    }
    let words = r#"{"by": "ann", "why": "support is flooded", "for": "1h"}"#;
    let answer = order("/rollout/pause", words).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(stage().await["pause"]["why"] == "support is flooded", "{}", stage().await);
    let words = r#"{"by": "ann", "why": "it is quiet again"}"#;
    assert_eq!(order("/rollout/resume", words).await.status, 200);
    assert!(stage().await["pause"].is_null(), "{}", stage().await);
    assert_eq!(order("/rollout/resume", words).await.status, 422, "nothing is paused");
    assert_eq!(order("/rollout/rearm", words).await.status, 422, "no fuse has blown");
}

#[tokio::test]
async fn a_browser_gets_the_dashboard_which_loads_nothing_from_elsewhere() {
    let upstream = Upstream::text("hello").await;
    let proxy = Proxy::start(upstream.address);
    let accept = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let page = ask(proxy.admin, "GET", "/", &accept, "").await;
    assert_eq!((page.status, page.field("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.field("content-security-policy").starts_with("default-src 'none'"));
    let text = page.text();
    assert!(text.contains("the fuse has blown") && !text.contains("innerHTML"));
    assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    // Each page that it reads is there and has what it looks for.
    let read = async |path: &str| plain_get(proxy.admin, path).await.json();
    assert!(read("/rollout").await["tls"]["next"].is_array());
    assert!(read("/census?limit=15").await["clients"].is_array());
    assert!(read("/upstreams").await["upstreams"][0]["servers"][0]["in_flight"].is_u64());
    assert!(read("/connections").await["most"].is_u64());
    assert!(read("/config").await["generation"].is_u64());
}

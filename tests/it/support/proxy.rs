//! The proxy as `tlsfloor run` starts it, in this process, on ports of its own.

use std::{net::SocketAddr, path::Path};

use tempfile::TempDir;
use tlsfloor::{
    app::{App, Drained, Surroundings},
    config::{self, Config},
    files::Files,
    reload::{Outcome, Trigger},
    rollout::Clock,
};

use super::{client, pki::Pki};

/// A running proxy; it is drained when the test says so, or ends with the test's process.
pub(crate) struct Proxy {
    app: Option<App>,
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    folder: TempDir,
}

impl Proxy {
    /// In front of one upstream, everything else by default.
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, |_config| {})
    }

    /// As `start`, with a change to the configuration.
    pub(crate) fn with(upstream: SocketAddr, change: impl FnOnce(&mut Config)) -> Self {
        Self::from_text(&base(upstream), change)
    }

    /// By a whole configuration, in a folder with `chain.pem` and `key.pem` for localhost and
    /// their authority's `ca.pem`.
    pub(crate) fn from_text(text: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::in_folder(text, super::private_folder(), change)
    }

    /// As `from_text`, with more certificates: `NAME.pem` and `NAME.key` for some host names each.
    pub(crate) fn from_text_with(text: &str, certificates: &[(&str, &[&str])]) -> Self {
        let files = super::private_folder();
        for (name, hosts) in certificates {
            let issued = Pki::shared().issue(hosts);
            std::fs::write(files.path().join(format!("{name}.pem")), issued.chain_pem()).unwrap();
            std::fs::write(files.path().join(format!("{name}.key")), issued.key_pem()).unwrap();
        }
        Self::in_folder(text, files, |_| {})
    }

    /// As `from_text`, with what else is in the folder.
    pub(crate) fn in_folder(text: &str, files: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        Self::launch(text, (files, Clock::System), change)
    }

    /// As `from_text`, with rollouts that go by this clock.
    pub(crate) fn by_clock(text: &str, clock: Clock) -> Self {
        Self::launch(text, (super::private_folder(), clock), |_| {})
    }

    fn launch(
        text: &str,
        (files, clock): (TempDir, Clock),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let issued = Pki::shared().issue(&["localhost", "127.0.0.1"]);
        std::fs::write(files.path().join("chain.pem"), issued.chain_pem()).unwrap();
        std::fs::write(files.path().join("key.pem"), issued.key_pem()).unwrap();
        std::fs::write(files.path().join("ca.pem"), Pki::shared().authority_pem()).unwrap();
        let file = files.path().join("tlsfloor.toml");
        std::fs::write(&file, text).unwrap();
        let read = Files::default();
        let mut config = config::load(&file, &read).unwrap_or_else(|error| panic!("{error}"));
        change(&mut config);
        let surroundings =
            Surroundings { file: Some(file), files: read, clock, ..Surroundings::default() };
        let app = App::start(config, surroundings).unwrap_or_else(|error| panic!("{error}"));
        let addresses = app.addresses().clone();
        Self {
            app: Some(app),
            https: addresses.https[0],
            http: addresses.http[0],
            admin: addresses.admin,
            folder: files,
        }
    }

    /// Where its files are; its configuration is `tlsfloor.toml`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces one of its files in one step, as a careful program does.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let (new, file) = (self.folder().join("new"), self.folder().join(name));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// Has it read its files again, and waits for what comes of it.
    pub(crate) async fn reload(&self) -> Outcome {
        let reloads = self.app.as_ref().unwrap().reloads();
        super::soon(reloads.now(Trigger::Admin)).await
    }

    /// By another whole configuration from now on.
    pub(crate) async fn reload_as(&self, text: &str) -> Outcome {
        self.write("tlsfloor.toml", text);
        self.reload().await
    }

    /// In front of several servers by URL, on one worker, with more keys of their upstream.
    pub(crate) fn group(servers: &[String], keys: &str) -> Self {
        let text = base(SocketAddr::from(([127, 0, 0, 1], 1)));
        let text = text.replace("[\"http://127.0.0.1:1\"]", &format!("{servers:?}"));
        Self::from_text(&format!("{text}\n{keys}"), |config| config.listen.workers = 1)
    }

    /// What is doubtful about its configuration, one a line.
    pub(crate) fn warnings(&self) -> String {
        let warnings = self.app.as_ref().unwrap().warnings();
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// The servers of the upstream as `/upstreams` shows them.
    pub(crate) async fn servers(&self) -> Vec<serde_json::Value> {
        let answer = client::plain_get(self.admin, "/upstreams").await;
        assert_eq!(answer.status, 200);
        answer.json()["upstreams"][0]["servers"].as_array().unwrap().clone()
    }

    /// Waits until its servers stand so.
    pub(crate) async fn stand(&self, states: &[&str]) {
        let stand = || async {
            let servers = self.servers().await;
            let now: Vec<_> = servers.iter().map(|one| one["state"].as_str().unwrap()).collect();
            (now == states).then_some(())
        };
        super::eventually(stand).await;
    }

    /// Its running rollouts.
    pub(crate) fn rollouts(&self) -> &tlsfloor::rollout::Control {
        self.app.as_ref().unwrap().rollouts()
    }

    /// Who fails what, so far.
    pub(crate) fn census(&self) -> &tlsfloor::census::Census {
        self.app.as_ref().unwrap().census()
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let response = client::plain_get(self.admin, "/metrics").await;
        assert_eq!(response.status, 200);
        response.text()
    }

    /// The sample of `/metrics` whose name and labels are `series`; 0 where there is none.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let sample = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        sample.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn drain(mut self) -> Drained {
        self.app.take().unwrap().drain(std::future::pending()).await
    }
}

/// Everything on loopback, port 0, two workers.
pub(crate) fn base(upstream: SocketAddr) -> String {
    base_with(&format!("servers = [\"http://{upstream}\"]"))
}

/// The same with these keys of the one upstream.
pub(crate) fn base_with(upstream: &str) -> String {
    format!(
        r#"
        [listen]
        https = ["127.0.0.1:0"]
        http = ["127.0.0.1:0"]
        admin = "127.0.0.1:0"
        workers = 2
        [tls]
        certificates = [{{ chain = "chain.pem", key = "key.pem" }}]
        [drain]
        delay = "0s"
        grace = "10s"
        [[upstreams]]
        name = "api"
        {upstream}
        "#
    )
}

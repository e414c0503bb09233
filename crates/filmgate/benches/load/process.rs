//! The gateway as a process of its own, and what a process uses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::message::{Asker, request};
use crate::{Row, now, row};

const ADMIN_KEY: &str = "fga-admin-key-of-the-bench-0123456789";

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time so far.
    pub(crate) cpu: Duration,
    /// Memory, in bytes.
    pub(crate) resident: u64,
}

/// What a process has used so far, as Linux tells it; nothing elsewhere.
pub(crate) fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let number = |nth: usize| fields.get(nth).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // The kernel counts time in hundredths of a second for user space, and memory in pages.
    Usage { cpu: Duration::from_millis((number(11) + number(12)) * 10), resident: number(21) * 4096 }
}

/// A running gateway. Dropping it ends it.
pub(crate) struct Gateway {
    child: Option<Child>,
    directory: PathBuf,
    settings: Vec<String>,
    address: SocketAddr,
    key: String,
}

impl Gateway {
    /// Starts it with an empty database.
    pub(crate) async fn start(directory: &Path, upstream: SocketAddr, more: Vec<String>) -> Self {
        let settings = [
            "server.listen=\"127.0.0.1:0\"".to_owned(),
            format!("upstreams.xai.base_url=\"http://{upstream}/v1\""),
            // What is measured is taking videos in and submitting them, as often as may be.
            "upstreams.xai.poll_every=\"1h\"".to_owned(),
            "jobs.max_unfinished=100000000".to_owned(),
            "pools.ssoBasic.quota_units=100000".to_owned(),
            "pools.ssoBasic.max_in_flight=0".to_owned(),
        ];
        let settings = settings.into_iter().chain(more).collect();
        let directory = directory.join("gateway");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self { child: None, directory, settings, address, key: String::new() };
        gateway.launch().await;
        let made = gateway.admin("/admin/v1/keys", &json!({ "name": "bench" })).await;
        gateway.key = made["key"].as_str().expect("a key").to_owned();
        gateway
    }

    async fn launch(&mut self) {
        let server_file = self.directory.join("server.json");
        let _ = std::fs::remove_file(&server_file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_filmgate"));
        command.arg("serve").arg("--data-dir").arg(&self.directory);
        command.args(self.settings.iter().flat_map(|setting| ["--set", setting]));
        command.env_remove("XAI_API_KEY").env("FILMGATE_ADMIN_KEY", ADMIN_KEY);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("the gateway runs"));
        for _ in 0..60_000 {
            let text = std::fs::read_to_string(&server_file).unwrap_or_default();
            if let Ok(server) = serde_json::from_str::<Value>(&text) {
                let url = server["admin_url"].as_str().unwrap_or_default();
                let address = url.trim_start_matches("http://").trim_end_matches("/admin/v1");
                self.address = address.parse().expect("an address");
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the gateway does not start");
    }

    /// Ends it, and starts it again on what it has; how long until it answers.
    pub(crate) async fn restart(&mut self) -> Duration {
        self.end();
        let begun = now();
        self.launch().await;
        Asker::connect(self.address).await.ask(&request("GET", "/healthz", "", "")).await;
        begun.elapsed()
    }

    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let _ = child.wait();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn usage(&self) -> Usage {
        self.child.as_ref().map(|child| usage(child.id())).unwrap_or_default()
    }

    /// Gives it so many tokens of its first pool.
    pub(crate) async fn import(&self, tokens: usize) {
        let names: Vec<String> = (0..tokens).map(|n| format!("token-of-the-bench-{n}")).collect();
        self.admin("/admin/v1/tokens/import", &json!({ "ssoBasic": names })).await;
    }

    async fn admin(&self, path: &str, body: &Value) -> Value {
        let request = request("POST", path, ADMIN_KEY, &body.to_string());
        json_of(&Asker::connect(self.address).await.ask(&request).await)
    }

    /// Has one video made; its id.
    pub(crate) async fn one_video(&self, request: &[u8]) -> String {
        let answer = json_of(&Asker::connect(self.address).await.ask(request).await);
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// Has so many clients ask the same again and again.
    pub(crate) async fn row(&self, clients: usize, request: &[u8]) -> Row {
        row(self.address, || self.usage(), clients, request).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

fn json_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

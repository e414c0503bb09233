//! A real Prometheus that scrapes a gateway under test, with the repository's own configuration and rules.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::text_of;
use crate::app::TestApp;

/// A Prometheus that runs. Dropping it ends it.
pub(super) struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
    dir: TempDir,
}

impl Prometheus {
    /// Scrapes this gateway every second, and works out the rules as often. Returns once it has seen it.
    pub(super) async fn of(app: &TestApp) -> Self {
        let mut dir = tempfile::tempdir().unwrap();
        let gateway = app.url.strip_prefix("http://").unwrap();
        let config = text_of("packaging/prometheus/prometheus.yml");
        let (example, intervals) = ("127.0.0.1:8000", "_interval: 15s");
        assert!(config.contains(example) && config.matches(intervals).count() == 2, "{config}");
        let config = config.replace(example, gateway).replace(intervals, "_interval: 1s");
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let rules = text_of("packaging/prometheus/alerts.yml");
        std::fs::write(dir.path().join("alerts.yml"), rules).unwrap();
        for _ in 0..5 {
            // Prometheus cannot be told to take any port.
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut prometheus = Self {
                child: command(&dir, port).spawn().unwrap(),
                url: format!("http://127.0.0.1:{port}"),
                http: app.http.clone(),
                dir,
            };
            if prometheus.comes_up().await {
                prometheus.scrapes().await;
                return prometheus;
            }
            // Somebody else was quicker to take the port.
            dir = std::mem::replace(&mut prometheus.dir, tempfile::tempdir().unwrap());
        }
        panic!("prometheus does not start");
    }

    async fn comes_up(&mut self) -> bool {
        for _ in 0..600 {
            let ready = self.http.get(format!("{}/-/ready", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    async fn scrapes(&self) {
        let up = async || !self.query("up{job=\"filmgate\"} == 1").await.is_empty();
        for _ in 0..200 {
            if up().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not scrape: {:#}", self.get("targets", &[]).await);
    }

    /// Waits for so many more scrapes.
    pub(super) async fn scrapes_again(&self, times: usize) {
        let last = "timestamp(up{job=\"filmgate\"})";
        for _ in 0..times {
            let before = self.query(last).await;
            while self.query(last).await == before {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// What an expression gives now: the samples, without the time.
    pub(super) async fn query(&self, expression: &str) -> Vec<Value> {
        let mut data = self.get("query", &[("query", expression)]).await;
        let mut samples = data["result"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for sample in &mut samples {
            sample["value"] = sample["value"][1].take();
        }
        samples
    }

    /// What it gave in the last minutes: the values of all series.
    pub(super) async fn values(&self, expression: &str, minutes: u32) -> Vec<f64> {
        let now = self.query("vector(time())").await;
        let now: f64 = now[0]["value"].as_str().and_then(|time| time.parse().ok()).unwrap();
        let from = (now - f64::from(minutes) * 60.0).to_string();
        let range = [("query", expression), ("start", &from), ("end", &now.to_string()), ("step", "1s")];
        let data = self.get("query_range", &range).await;
        let series = data["result"].as_array().unwrap().iter();
        let points = series.flat_map(|series| series["values"].as_array().unwrap());
        points.map(|point| point[1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Asks the API. An answer that is no success ends the test.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("{}/api/v1/{path}", self.url), query).unwrap();
        let mut answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer:#}");
        answer["data"].take()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &TempDir, port: u16) -> Command {
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=error");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

//! What whoever watches filmgate sees: alive, ready, and what it counts.

use std::collections::{BTreeMap, HashSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

#[tokio::test]
async fn alive_and_ready() {
    let app = Setup::default().start().await;
    for (path, expected) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        // Probes have no key.
        let answer = app.http.get(format!("{}{path}", app.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.text().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_counted() {
    let app = Setup { video_seconds: 0.0, tokens: [2, 3], ..Setup::default() }.start().await;
    app.make("a fox", "480p", 6).await;
    app.make("a fox", "720p", 6).await;
    app.make("[lie]", "720p", 6).await;
    app.make("[moderate]", "480p", 6).await;
    app.make("[error]", "480p", 6).await;
    app.make("[unauthorized]", "480p", 6).await;
    app.ask(Method::POST, "/v1/videos", Some(json!({ "prompt": "a fox", "model": "x" }))).await;
    app.ask(Method::GET, "/v1/videos/video_x", None).await;
    app.create("[hang]", "720p", 6).await;
    app.until_job_is("submitting").await;
    // Two basic tokens cool after [unauthorized]; one super token is switched off.
    let token = app.tokens("ssoSuper").await[0]["id"].as_str().unwrap().to_owned();
    app.admin(Method::POST, &format!("/tokens/{token}/disable"), None).await;
    app.each_token("ssoBasic", "disable").await;
    app.each_token("ssoBasic", "enable").await;
    app.each_token("ssoBasic", "reset").await;

    let metrics = Metrics::read(&app).await;
    for (series, value) in [
        (r#"filmgate_http_requests_total{method="GET",route="/v1/videos/{id}",status="404"}"#, 1.0),
        (r#"filmgate_http_requests_total{method="POST",route="/v1/videos",status="404"}"#, 1.0),
        (r#"filmgate_http_requests_total{method="POST",route="/v1/videos",status="200"}"#, 7.0),
        ("filmgate_jobs_admitted_total", 7.0),
        (r#"filmgate_jobs_refused_total{code="unknown_model"}"#, 1.0),
        (r#"filmgate_attempts_total{pool="ssoBasic",outcome="done"}"#, 1.0),
        (r#"filmgate_attempts_total{pool="ssoSuper",outcome="done"}"#, 2.0),
        (r#"filmgate_attempts_total{pool="ssoBasic",outcome="moderated"}"#, 1.0),
        (r#"filmgate_attempts_total{pool="ssoBasic",outcome="unknown"}"#, 1.0),
        (r#"filmgate_jobs_completed_total{pool="ssoBasic",route="primary",verdict="as_asked"}"#, 1.0),
        (r#"filmgate_jobs_completed_total{pool="ssoSuper",route="primary",verdict="as_asked"}"#, 1.0),
        (r#"filmgate_jobs_completed_total{pool="ssoSuper",route="primary",verdict="downgraded"}"#, 1.0),
        (r#"filmgate_jobs_failed_total{code="moderation_blocked"}"#, 1.0),
        (r#"filmgate_jobs_failed_total{code="outcome_unknown"}"#, 1.0),
        (r#"filmgate_jobs_failed_total{code="upstream_unauthorized"}"#, 1.0),
        (r#"filmgate_jobs_active{state="submitting"}"#, 1.0),
        (r#"filmgate_jobs_active{state="running"}"#, 0.0),
        (r#"filmgate_videos_downgraded_total{pool="ssoSuper"}"#, 1.0),
        (r#"filmgate_videos_below_sent_total{pool="ssoSuper"}"#, 1.0),
        (r#"filmgate_tokens{pool="ssoBasic",status="active"}"#, 2.0),
        (r#"filmgate_tokens{pool="ssoSuper",status="active"}"#, 2.0),
        (r#"filmgate_tokens{pool="ssoSuper",status="disabled"}"#, 1.0),
        (r#"filmgate_videos_in_flight{pool="ssoSuper"}"#, 1.0),
        (r#"filmgate_video_duration_seconds_count{pool="ssoSuper"}"#, 2.0),
    ] {
        assert_eq!(metrics.value(series), Some(value), "{series}\n{}", metrics.text);
    }
    assert_sums(&metrics);
}

/// What depends on chance in its parts, but not as a whole.
fn assert_sums(metrics: &Metrics) {
    let decisions = |pool: &str, route: &str| {
        metrics
            .value(&format!("filmgate_decisions_total{{pool=\"{pool}\",route=\"{route}\"}}"))
            .unwrap_or(0.0)
    };
    let all: f64 = ["ssoBasic", "ssoSuper"]
        .into_iter()
        .flat_map(|pool| ["primary", "upgrade", "fallback"].map(|route| decisions(pool, route)))
        .sum();
    // Seven jobs; the unauthorized one was tried more than once.
    assert!(all > 7.0 && decisions("ssoSuper", "primary") >= 3.0, "{}", metrics.text);
    let refused: f64 = ["ssoBasic", "ssoSuper"]
        .into_iter()
        .filter_map(|pool| {
            metrics.value(&format!("filmgate_attempts_total{{pool=\"{pool}\",outcome=\"refused\"}}"))
        })
        .sum();
    assert!(refused >= 2.0, "{}", metrics.text);
    assert!(metrics.value(r#"filmgate_submit_duration_seconds_count{pool="ssoSuper"}"#).unwrap() >= 2.0);
    for pool in ["ssoBasic", "ssoSuper"] {
        let left = metrics.value(&format!("filmgate_quota_left_units{{pool=\"{pool}\"}}")).unwrap();
        let granted = metrics.value(&format!("filmgate_quota_granted_units{{pool=\"{pool}\"}}")).unwrap();
        assert!(0.0 < left && left < granted, "{pool}: {left} of {granted}");
    }
}

#[tokio::test]
async fn a_video_that_never_had_a_token_counts_as_failed() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let body = json!({ "prompt": "a fox", "seconds": "4", "on_shortage": "wait" });
    let video: Value = app.request(Method::POST, "/v1/videos", Some(body)).await.json().await.unwrap();
    app.admin(Method::POST, &format!("/jobs/{}/cancel", video["id"].as_str().unwrap()), None).await;
    let metrics = Metrics::read(&app).await;
    assert_eq!(
        metrics.value(r#"filmgate_jobs_failed_total{code="cancelled"}"#),
        Some(1.0),
        "{}",
        metrics.text
    );
}

#[tokio::test]
async fn a_fresh_gateway_has_metrics_too() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let metrics = Metrics::read(&app).await;
    assert_eq!(metrics.value("filmgate_jobs_admitted_total"), Some(0.0));
    assert_eq!(metrics.value(r#"filmgate_videos_in_flight{pool="ssoBasic"}"#), Some(0.0));
}

#[tokio::test]
async fn strangers_cannot_fill_the_metrics() {
    let app = Setup::default().start().await;
    let before = Metrics::read(&app).await.series.len();
    for n in 0..20 {
        let method = Method::from_bytes(format!("ODD{n}").as_bytes()).unwrap();
        app.ask(method, "/v1/videos", None).await;
        app.ask(Method::GET, &format!("/v1/odd{n}"), None).await;
        app.ask(Method::GET, &format!("/v1/videos/odd{n}"), None).await;
    }
    let after = Metrics::read(&app).await;
    // Three pairs of method and route, each with a counter and a histogram; not one for each of sixty requests.
    assert!(after.series.len() <= before + 3 * (1 + 15) + 2, "{}", after.text);
}

impl TestApp {
    async fn until_job_is(&self, state: &str) {
        while !self.jobs().await.iter().any(|job| job["state"] == state) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// Parsed metrics.
struct Metrics {
    text: String,
    /// The value of each series, which is its name with labels.
    series: BTreeMap<String, f64>,
}

impl Metrics {
    async fn read(app: &TestApp) -> Self {
        let answer = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
        let metrics = Self::parse(answer.text().await.unwrap());
        metrics.check_histograms();
        metrics
    }

    fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// Reads the OpenMetrics text format strictly: families are declared once, before their samples; no series
    /// stands there twice; the end is marked.
    fn parse(text: String) -> Self {
        let (mut families, mut series) = (BTreeMap::new(), BTreeMap::new());
        let body = text.strip_suffix("# EOF\n").expect("the end is marked");
        for line in body.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            } else if !line.starts_with("# HELP ") && !line.starts_with("# UNIT ") {
                let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
                check_sample(&families, name);
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}"));
                assert!(series.insert(name.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        Self { text, series }
    }

    /// The buckets of a histogram only grow, and the last one is its count.
    fn check_histograms(&self) {
        let mut seen = HashSet::new();
        for (name, count) in self.series.iter().filter(|(name, _)| name.contains("_count")) {
            let labels = name.split_once('{').map_or("", |(_, labels)| labels);
            let family = name.split("_count").next().unwrap();
            let last = format!("{family}_bucket{{le=\"+Inf\",{labels}");
            assert_eq!(self.series.get(&last), Some(count), "{name}: {last}");
            seen.insert(name);
        }
        let buckets = self.series.keys().filter(|name| name.contains("_bucket")).count();
        assert_eq!(seen.is_empty(), buckets == 0);
    }
}

/// A sample belongs to a family that was declared, with the ending of its kind, and its labels are well formed.
fn check_sample(families: &BTreeMap<String, String>, sample: &str) {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{sample}");
    let belongs = |(family, kind): (&String, &String)| match name.strip_prefix(family.as_str()) {
        Some("_total") => kind == "counter",
        Some("_bucket" | "_count" | "_sum") => kind == "histogram",
        Some("") => kind == "gauge",
        _ => false,
    };
    assert!(families.iter().any(belongs), "no family for {sample}");
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{sample}"));
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{sample}"));
        assert!(!key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{sample}");
        assert!(!value.trim_end_matches('"').contains('"'), "{sample}");
    }
}

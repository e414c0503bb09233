//! The demo's tour: the four founding scenarios and a lying provider, over real HTTP, one line of truth each.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use filmgate_domain::TokenId;
use filmgate_engine::Deed;
use reqwest::Client;
use serde_json::{Value, json};

use crate::start::Running;

struct Scenario {
    title: &'static str,
    prompt: &'static str,
    resolution: &'static str,
    seconds: u32,
    /// Whether the pool ssoSuper has no token for it.
    without_super: bool,
    /// What has to come of it: pool, route, verdict.
    expected: (&'static str, &'static str, &'static str),
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        title: "1. 480p, 6 s",
        prompt: "a paper boat on a pond",
        resolution: "480p",
        seconds: 6,
        without_super: false,
        expected: ("ssoBasic", "primary", "as_asked"),
    },
    Scenario {
        title: "2. 720p, 6 s",
        prompt: "a red fox in the snow",
        resolution: "720p",
        seconds: 6,
        without_super: false,
        expected: ("ssoSuper", "primary", "as_asked"),
    },
    Scenario {
        title: "3. 480p, 10 s",
        prompt: "clouds over a city",
        resolution: "480p",
        seconds: 10,
        without_super: false,
        expected: ("ssoSuper", "primary", "as_asked"),
    },
    Scenario {
        title: "4. 720p, 6 s, no Super token left",
        prompt: "a lighthouse at night",
        resolution: "720p",
        seconds: 6,
        without_super: true,
        expected: ("ssoBasic", "fallback", "downgraded"),
    },
    Scenario {
        title: "5. 720p, 6 s, and the provider lies",
        prompt: "[lie] a promise",
        resolution: "720p",
        seconds: 6,
        without_super: false,
        expected: ("ssoSuper", "primary", "downgraded"),
    },
];

/// Makes the five videos and tells of each what was asked, sent and delivered, and why. Fails when one did
/// not go as it should.
pub(crate) async fn run(running: &Running, client_key: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let http = Client::builder().no_proxy().build()?;
    let tour = Tour { http, base: format!("{}/v1", running.local_url()), key: client_key.to_owned() };
    let mut jobs = Vec::new();
    for scenario in &SCENARIOS {
        let switched_off = if scenario.without_super { super_tokens(running) } else { Vec::new() };
        for token in &switched_off {
            running.engine.change_token(*token, Deed::Disable).await?;
        }
        jobs.push(tour.create(scenario).await);
        for token in switched_off {
            running.engine.change_token(token, Deed::Enable).await?;
        }
    }
    if !as_json {
        println!("Five videos, over real HTTP; each file is fetched and measured.\n");
    }
    let mut all_well = true;
    for (scenario, job) in SCENARIOS.iter().zip(jobs) {
        let video = tour.finished(&job?).await?;
        let well = is_as_expected(&video, scenario);
        all_well &= well;
        if as_json {
            println!("{}", json!({ "scenario": scenario.title, "as_expected": well, "video": video }));
        } else {
            print(scenario, &video, well);
        }
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn super_tokens(running: &Running) -> Vec<TokenId> {
    let tokens = running.engine.tokens().into_iter().filter(|view| *view.info.pool == *"ssoSuper");
    tokens.map(|view| view.info.id).collect()
}

struct Tour {
    http: Client,
    base: String,
    key: String,
}

impl Tour {
    async fn create(&self, scenario: &Scenario) -> anyhow::Result<String> {
        let body = json!({
            "prompt": scenario.prompt, "resolution": scenario.resolution, "aspect_ratio": "16:9",
            "seconds": scenario.seconds.to_string(),
        });
        let request = self.http.post(format!("{}/videos", self.base)).bearer_auth(&self.key).json(&body);
        let answer: Value = request.send().await?.json().await?;
        if let Some(message) = answer["error"]["message"].as_str() {
            bail!("{}: {message}", scenario.title);
        }
        answer["id"].as_str().map(str::to_owned).context("the gateway gave no id")
    }

    async fn finished(&self, id: &str) -> anyhow::Result<Value> {
        loop {
            let request = self.http.get(format!("{}/videos/{id}", self.base)).bearer_auth(&self.key);
            let video: Value = request.send().await?.json().await?;
            if matches!(video["status"].as_str(), Some("completed" | "failed") | None) {
                return Ok(video);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

fn is_as_expected(video: &Value, scenario: &Scenario) -> bool {
    let report = &video["filmgate"];
    let (pool, route, verdict) = scenario.expected;
    report["pool"] == pool && report["route"] == route && report["verdict"] == verdict
}

fn print(scenario: &Scenario, video: &Value, well: bool) {
    let report = &video["filmgate"];
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let form = |value: &Value| match (value["resolution"].as_str(), value["seconds"].as_u64()) {
        (Some(resolution), Some(seconds)) => format!("{resolution}, {seconds} s"),
        _ => "-".to_owned(),
    };
    let delivered = &report["delivered"];
    let measured = match (&delivered["width"], &delivered["height"], delivered["seconds"].as_f64()) {
        (Value::Number(width), Value::Number(height), Some(seconds)) => {
            format!("{width}x{height}, {seconds:.1} s (measured)")
        }
        _ => video["error"]["message"].as_str().unwrap_or("nothing").to_owned(),
    };
    let why = match (report["reason"].as_str(), report["route"].as_str()) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some("primary")) => "the first pool that delivers this".to_owned(),
        _ => "-".to_owned(),
    };
    let shortfalls = report["shortfalls"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let shortfalls: Vec<&str> = shortfalls.collect();
    let verdict = match shortfalls.is_empty() {
        true => word(&report["verdict"]),
        false => format!("{}: {}", word(&report["verdict"]), shortfalls.join(", ")),
    };
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_row(["  asked", &form(&report["asked"])]);
    table.add_row(["  sent", &form(&report["sent"])]);
    table.add_row(["  delivered", &measured]);
    table.add_row(["  pool, route", &format!("{}, {}", word(&report["pool"]), word(&report["route"]))]);
    table.add_row(["  why", &why]);
    table.add_row(["  verdict", &verdict]);
    println!("{}{}", scenario.title, if well { "" } else { "   NOT AS EXPECTED" });
    println!("{}\n", table.trim_fmt());
}

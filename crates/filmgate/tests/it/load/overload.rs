//! Four times as many requests as the machine carries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::MIB;
use crate::app::{Setup, TestApp, client};
use crate::books;

/// The most memory that the gateway may have in use, in bytes.
const BOUND: u64 = 200 * MIB;

/// One video that is asked for: its id if it was accepted.
async fn ask(request: reqwest::RequestBuilder, prompt: String) -> Result<String, u64> {
    let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "6", "aspect_ratio": "16:9" });
    let response = request.json(&body).send().await.unwrap();
    if response.status().is_success() {
        let video: Value = response.json().await.unwrap();
        return Ok(video["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "overloaded", "{body}");
    Err(seconds)
}

/// How many videos a second the gateway takes from a few clients that ask one after the other.
async fn carried(app: &TestApp) -> (f64, Vec<String>) {
    const EACH: usize = 15;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for c in 0..4 {
        let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
        clients.spawn(async move {
            let mut ids = Vec::new();
            for n in 0..EACH {
                ids.extend(ask(request.try_clone().unwrap(), format!("client {c}, video {n}")).await.ok());
            }
            ids
        });
    }
    let ids = clients.join_all().await.concat();
    assert_eq!(ids.len(), 4 * EACH, "that is no overload");
    (ids.len() as f64 / begun.elapsed().as_secs_f64(), ids)
}

/// The most memory in use while this runs.
fn watch_memory(app: &Arc<TestApp>, until: &Arc<AtomicBool>) -> tokio::task::JoinHandle<u64> {
    let (app, until) = (Arc::clone(app), Arc::clone(until));
    tokio::task::spawn_blocking(move || {
        let mut most = 0;
        while !until.load(Ordering::Relaxed) {
            most = app.resident().max(most);
            std::thread::sleep(Duration::from_millis(20));
        }
        most
    })
}

/// Asks how a video is doing, again and again; how often it was told.
fn watch_status(app: &Arc<TestApp>, id: String, until: &Arc<AtomicBool>) -> tokio::task::JoinHandle<u64> {
    let (app, until) = (Arc::clone(app), Arc::clone(until));
    let told = AtomicU64::new(0);
    tokio::spawn(async move {
        while !until.load(Ordering::Relaxed) {
            let answer = app.request(Method::GET, &format!("/v1/videos/{id}"), None).await;
            assert_eq!(answer.status(), StatusCode::OK);
            told.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        told.into_inner()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_at_four_times_what_it_carries_the_rest_is_shed_and_every_accepted_video_is_made() {
    const REQUESTS: usize = 900;
    super::raise_open_files(8192);
    // Tokens enough: what is scarce is the machine.
    let setup = Setup { tokens: [40, 0], video_seconds: 3.0, ..Setup::default() };
    let app = setup
        .set("pools.ssoBasic.max_in_flight=0")
        .set("server.max_creations=32")
        .set("jobs.max_unfinished=250")
        .start()
        .await;
    let app = Arc::new(app);
    let (a_second, mut accepted) = carried(&app).await;
    let done = Arc::new(AtomicBool::new(false));
    let memory = watch_memory(&app, &done);
    let status = watch_status(&app, accepted[0].clone(), &done);

    // Each comes when it comes, whatever became of those before.
    let pause = Duration::from_secs_f64(1.0 / (4.0 * a_second));
    let http = client();
    let (begun, mut requests) = (Instant::now(), JoinSet::new());
    for n in 0..REQUESTS {
        tokio::time::sleep_until(begun + pause * n as u32).await;
        let request = http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
        requests.spawn(ask(request, format!("flood, video {n}")));
    }
    let mut shed = 0;
    while let Some(answer) = requests.join_next().await {
        match answer.unwrap() {
            Ok(id) => accepted.push(id),
            Err(_) => shed += 1,
        }
    }
    for id in &accepted {
        assert_eq!(app.ended(id).await["state"], "completed", "{id} was accepted");
    }
    done.store(true, Ordering::Relaxed);
    let (most, told) = (memory.await.unwrap(), status.await.unwrap());
    eprintln!(
        "carried {a_second:.0} a second; of {REQUESTS} at four times that, {shed} shed, {} accepted in all; \
         {told} status calls; at most {} MiB",
        accepted.len(),
        most / MIB
    );
    assert!(shed > 0 && told > 0);
    assert!(most < BOUND, "{most} bytes in use");
    // What was shed left nothing, and nothing was made twice.
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    books::generations(&app).into_values().for_each(|made| *times.entry(made).or_default() += 1);
    assert_eq!(times, BTreeMap::from([(1, accepted.len())]));
    books::balance(&app).await;
}

//! Killed again and again, at random moments, while clients go on asking.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;

/// Another seed can be chosen with `FILMGATE_TEST_SEED`.
fn seeded() -> StdRng {
    let seed = std::env::var("FILMGATE_TEST_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    eprintln!("FILMGATE_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// A client that asks for videos until there are enough of them or the gateway is gone. Returns what it was
/// promised: the ids of accepted videos.
async fn ask(request: reqwest::RequestBuilder, prompts: Vec<String>, pause: Duration) -> Vec<String> {
    let mut accepted = Vec::new();
    for prompt in prompts {
        let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "6", "aspect_ratio": "16:9" });
        let Ok(response) = request.try_clone().unwrap().json(&body).send().await else { break };
        assert!(response.status().is_success(), "{response:?}");
        let Ok(video) = response.json::<Value>().await else { break };
        accepted.push(video["id"].as_str().unwrap().to_owned());
        tokio::time::sleep(pause).await;
    }
    accepted
}

async fn all_ended(app: &TestApp) -> BTreeMap<String, Value> {
    for _ in 0..1200 {
        let jobs = books::jobs(app).await;
        if jobs.iter().all(|job| !job["finished_at"].is_null()) {
            return jobs.into_iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job)).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some jobs never end: {:?}", books::jobs(app).await);
}

/// Every accepted job ended, as a kill allows; nothing was made twice, or for nobody; the books are right.
async fn check(app: &mut TestApp, accepted: &[String]) {
    let jobs = all_ended(app).await;
    for id in accepted {
        assert!(jobs.contains_key(id), "{id} was accepted and is lost");
    }
    // What a killed submission started may still be on its way into the simulator's books.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut made = books::generations(app);
    let (mut completed, mut unknown) = (0, 0);
    for job in jobs.values() {
        let times = made.remove(job["prompt"].as_str().unwrap()).unwrap_or(0);
        let [attempt] = &job["attempts"].as_array().unwrap()[..] else { panic!("{job}") };
        if job["state"] == "completed" {
            completed += 1;
            assert_eq!(times, 1, "{job}");
            let file = std::fs::metadata(app.file(job["id"].as_str().unwrap())).unwrap();
            assert_eq!(file.len(), job["filmgate"]["delivered"]["bytes"]);
        } else {
            unknown += 1;
            assert_eq!(job["failure"]["code"], "outcome_unknown", "{job}");
            assert!(times <= 1, "made {times} times: {job}");
        }
        assert_eq!(attempt["charged"], true);
    }
    assert!(made.is_empty(), "made for nobody: {made:?}");
    for generation in app.simulator.generations() {
        let job = jobs.values().find(|job| job["prompt"] == generation.prompt.as_str()).unwrap();
        assert_eq!(job["attempts"][0]["token"], app.token_ids[&generation.token.name].as_str());
    }
    books::balance(app).await;
    eprintln!("{} accepted, {completed} completed, {unknown} unknown", accepted.len());
    app.kill();
    books::is_sound(app);
    let left = std::fs::read_dir(app.data_dir().join("media/partial")).unwrap().count();
    assert_eq!(left, 0, "partial files of ended jobs");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_ten_times_nothing_is_lost_and_nothing_is_made_twice() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(20);
    let setup = Setup { tokens: [8, 0], video_seconds: 0.2, simulator: slow, ..Setup::default() };
    let mut app = setup.start().await;
    let mut rng = seeded();
    let mut accepted = Vec::new();
    for round in 0..10 {
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let prompts = (0..3).map(|n| format!("round {round}, client {client}, video {n}")).collect();
                let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
                tokio::spawn(ask(request, prompts, Duration::from_millis(rng.random_range(0..80))))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..350))).await;
        app.kill();
        for client in clients {
            accepted.extend(client.await.unwrap());
        }
        app.launch().await;
    }
    check(&mut app, &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_starts_it_still_takes_up_everything() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(20);
    let setup = Setup { tokens: [4, 0], video_seconds: 0.3, simulator: slow, ..Setup::default() };
    let mut app = setup.start().await;
    let mut rng = seeded();
    let mut accepted = Vec::new();
    for round in 0..3 {
        for n in 0..4 {
            let video = app.create(&format!("round {round}, video {n}"), "480p", 6).await;
            accepted.push(video["id"].as_str().unwrap().to_owned());
        }
        app.kill();
        for _ in 0..4 {
            app.begin();
            tokio::time::sleep(Duration::from_millis(rng.random_range(5..250))).await;
            app.kill();
        }
        app.launch().await;
    }
    check(&mut app, &accepted).await;
}

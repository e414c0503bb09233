//! Killed again and again, at random moments, while clients go on asking.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp, seed};
use crate::books;

fn seeded() -> StdRng {
    StdRng::seed_from_u64(seed(20_261_123))
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
    assert!(completed > 0, "no job survived a kill");
    app.kill();
    books::is_sound(app);
    assert_eq!(app.partial_files(), 0, "partial files of ended jobs");
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
            let video = app.create(&format!("[slow] round {round}, video {n}"), "480p", 6).await;
            accepted.push(video["id"].as_str().unwrap().to_owned());
        }
        // Some are still being submitted then, and the others run.
        app.reaches(&accepted[accepted.len() - 3], "running").await;
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

#[tokio::test]
async fn clients_that_hang_up_leave_nothing_behind() {
    use std::io::Write as _;
    let app = Setup { tokens: [4, 0], ..Setup::default() }.start().await;
    let mut rng = seeded();
    for n in 0..24 {
        let body =
            json!({ "prompt": format!("video {n}"), "resolution": "480p", "seconds": "6" }).to_string();
        let request = format!(
            "POST /v1/videos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            app.client_key,
            body.len(),
        );
        let mut connection = std::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..4000))).await;
    }
    // The last of them may not have been read yet.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let jobs = all_ended(&app).await;
    assert!(jobs.values().all(|job| job["state"] == "completed"), "{jobs:?}");
    let made = books::generations(&app);
    assert!(made.len() == jobs.len() && made.values().all(|times| *times == 1), "{made:?}");
    books::balance(&app).await;
}

/// Something that an operator does, at random, with a token or a job.
async fn meddle(app: &TestApp, jobs: &[String], rng: &mut StdRng) {
    let path = match rng.random_range(0..5) {
        0 => format!("/jobs/{}/cancel", jobs[rng.random_range(0..jobs.len())]),
        verb => {
            let token = &app.token_ids[&format!("super-{}", rng.random_range(1..=6))];
            format!("/tokens/{token}/{}", ["disable", "enable", "enable", "reset"][verb - 1])
        }
    };
    let response = app.request_as(ADMIN_KEY, Method::POST, &format!("/admin/v1{path}"), None).await;
    // A job that has ended meanwhile cannot be cancelled.
    assert!(response.status().is_success() || response.status() == StatusCode::NOT_FOUND, "{response:?}");
}

#[tokio::test]
async fn whatever_happens_at_once_the_books_are_right() {
    const FAULTS: [&str; 10] =
        ["", "", "", "[slow]", "[fail]", "[moderate]", "[error]", "[lost]", "[busy]", "[unauthorized]"];
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(10);
    let setup = Setup { tokens: [3, 6], video_seconds: 0.1, simulator: slow, ..Setup::default() };
    let mut app = setup.set("tokens.first_pause=\"300ms\"").set("jobs.deadline=\"20s\"").start().await;
    let mut rng = seeded();
    let mut accepted = Vec::new();
    for n in 0..80 {
        let prompt = format!("{} video {n}", FAULTS[rng.random_range(0..FAULTS.len())]);
        let resolution = ["480p", "720p"][rng.random_range(0..2)];
        let body = json!({ "prompt": prompt, "resolution": resolution, "seconds": "6" });
        let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            assert!(response.status().is_success(), "{response:?}");
            accepted.push(response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
        }
        meddle(&app, &accepted, &mut rng).await;
        if n % 20 == 19 {
            app.kill();
            app.launch().await;
        }
    }
    let jobs = all_ended(&app).await;
    assert_eq!(jobs.keys().collect::<BTreeSet<_>>(), accepted.iter().collect());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let made = books::generations(&app);
    let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs.values() {
        let times = made.get(job["prompt"].as_str().unwrap()).copied().unwrap_or(0);
        let completed = job["state"] == "completed";
        assert!(times <= 1 && (times == 1 || !completed), "made {times} times: {job}");
        *endings.entry(job["failure"]["code"].as_str().unwrap_or("completed")).or_default() += 1;
    }
    eprintln!("{endings:?}");
    books::balance(&app).await;
    app.kill();
    books::is_sound(&app);
}

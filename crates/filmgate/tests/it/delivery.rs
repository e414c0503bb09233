//! What comes of a finished video: fetched, measured, kept, served, and removed when its time is up.

mod kills;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use filmgate_simulator::Render;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;
use crate::gate::Gate;
use crate::needs;

fn id(video: &Value) -> &str {
    video["id"].as_str().unwrap()
}

/// The code of an answer that is an error.
async fn refused(response: reqwest::Response) -> (StatusCode, String) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_served_is_what_is_on_disk_and_what_was_measured() {
    let app = Setup::default().start().await;
    let video = app.make("one", "720p", 10).await;
    let delivered = &video["filmgate"]["delivered"];
    assert_eq!((&video["size"], &video["seconds"]), (&json!("1280x720"), &json!("10")));
    assert_eq!(video["filmgate"]["verdict"], "as_asked");
    assert_eq!(video["filmgate"]["shortfalls"], json!([]));

    let kept = std::fs::read(app.file(id(&video))).unwrap();
    let response = app.content(id(&video)).await;
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_eq!(response.headers()["content-length"], kept.len().to_string().as_str());
    let tag = format!("\"{}\"", delivered["sha256"].as_str().unwrap());
    assert_eq!(response.headers()["etag"], tag.as_str());
    let served = response.bytes().await.unwrap();
    assert_eq!(served, kept);
    assert_eq!(delivered["bytes"], kept.len());

    // The provider's own file, and an independent program for its hash.
    let made = &app.simulator.generations()[0];
    let theirs = format!("http://{}/files/{}.mp4", app.simulator.addr(), made.request_id);
    assert_eq!(app.http.get(theirs).send().await.unwrap().bytes().await.unwrap(), served);
    let hashed = Command::new("sha256sum").arg(app.file(id(&video))).output().unwrap();
    let hashed = String::from_utf8(hashed.stdout).unwrap();
    assert_eq!(hashed.split_whitespace().next(), delivered["sha256"].as_str());
}

fn have_ffprobe(test: &str) -> bool {
    needs::met(test, needs::program("ffprobe", "-version"))
}

/// Codec, width, height and seconds, as ffprobe has them.
fn ffprobe(file: &Path) -> (String, u64, u64, f64) {
    let entries = "stream=codec_name,width,height:format=duration";
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-of", "json", "-show_entries", entries]);
    let output = command.arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = &found["streams"][0];
    let side = |name: &str| stream[name].as_u64().unwrap();
    let seconds = found["format"]["duration"].as_str().unwrap().parse().unwrap();
    (stream["codec_name"].as_str().unwrap().to_owned(), side("width"), side("height"), seconds)
}

async fn ffprobe_agrees(app: &TestApp) {
    for (resolution, seconds, aspect_ratio) in
        [("480p", 6, "16:9"), ("480p", 3, "9:16"), ("720p", 4, "16:9"), ("720p", 2, "1:1")]
    {
        let body = json!({
            "prompt": "a red fox", "resolution": resolution, "seconds": seconds, "aspect_ratio": aspect_ratio,
        });
        let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
        let video: Value = response.json().await.unwrap();
        let video = app.finished(id(&video)).await;
        assert_eq!(video["filmgate"]["verdict"], "as_asked", "{video}");
        let served = app.data_dir().join("served.mp4");
        std::fs::write(&served, app.content(id(&video)).await.bytes().await.unwrap()).unwrap();
        let (codec, width, height, seconds) = ffprobe(&served);
        let delivered = &video["filmgate"]["delivered"];
        assert_eq!(delivered["codec"], codec);
        assert_eq!((&delivered["width"], &delivered["height"]), (&json!(width), &json!(height)));
        assert_eq!(video["size"], format!("{width}x{height}"));
        let difference = (delivered["seconds"].as_f64().unwrap() - seconds).abs();
        assert!(difference < 0.005, "{delivered} is {seconds} s long");
    }
}

#[tokio::test]
async fn ffprobe_agrees_about_flat_videos() {
    if have_ffprobe("delivery::ffprobe_agrees_about_flat_videos") {
        ffprobe_agrees(&Setup::default().start().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffprobe_agrees_about_real_pictures() {
    if have_ffprobe("delivery::ffprobe_agrees_about_real_pictures") {
        let drawn = Setup { simulator: |config| config.render = Render::Small, ..Setup::default() };
        ffprobe_agrees(&drawn.start().await).await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_good_is_fetched_once_more_and_fails_the_job() {
    let app = Setup::default().start().await;
    for (prompt, code) in [("[cutoff]", "truncated_video"), ("[notvideo]", "not_a_video")] {
        let video = app.make(prompt, "720p", 6).await;
        assert_eq!((&video["status"], &video["error"]["code"]), (&json!("failed"), &json!(code)));
        let job = app.job(id(&video)).await;
        assert_eq!(job["failure"]["fault"], "upstream");
        // The provider made it and billed it.
        assert_eq!(
            (&job["attempts"][0]["outcome"], &job["attempts"][0]["charged"]),
            (&json!("done"), &json!(true))
        );
        let refusal = refused(app.content(id(&video)).await).await;
        assert_eq!(refusal, (StatusCode::NOT_FOUND, "video_failed".to_owned()));
        assert!(!app.file(id(&video)).exists());
    }
    assert!(app.simulator.generations().iter().all(|generation| generation.fetches == 2));
    assert_eq!(app.partial_files(), 0);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_kept() {
    let app = Setup::default().set("media.max_file=\"1KiB\"").start().await;
    let video = app.make("one", "720p", 10).await;
    assert_eq!(video["error"]["code"], "video_too_large");
    assert!(video["error"]["message"].as_str().unwrap().contains("1024 bytes"), "{video}");
    assert_eq!(app.simulator.generations()[0].fetches, 1);
    assert_eq!(app.partial_files(), 0);
}

#[tokio::test]
async fn a_lying_upstream_is_told_apart_from_a_fallback() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let video = app.make("[lie]", "720p", 10).await;
    assert_eq!(video["filmgate"]["shortfalls"], json!(["720p became 752x416"]));
    assert_eq!((&video["size"], &video["seconds"]), (&json!("752x416"), &json!("10")));
    app.with_token("super-1", "disable").await;
    let video = app.make("honest", "720p", 10).await;
    assert_eq!(video["filmgate"]["shortfalls"], json!(["720p became 752x416", "10s became 6s"]));
    assert_eq!(
        video["filmgate"]["sent"],
        json!({ "resolution": "480p", "seconds": 6, "aspect_ratio": "16:9" })
    );
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    for line in [
        "filmgate_videos_downgraded_total{pool=\"ssoSuper\"} 1",
        "filmgate_videos_downgraded_total{pool=\"ssoBasic\"} 1",
        "filmgate_videos_below_sent_total{pool=\"ssoSuper\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(metrics.contains("filmgate_videos_below_sent_total{pool=\"ssoBasic\"} 0"), "{metrics}");
}

#[tokio::test]
async fn a_file_that_breaks_off_is_fetched_again() {
    let (gate, app) = Gate::before(Setup::default()).await;
    gate.slam(1);
    let video = app.make("one", "720p", 6).await;
    assert_eq!(video["status"], "completed", "{video}");
    assert_eq!(app.simulator.generations()[0].fetches, 2);
    assert_eq!(app.simulator.generations().len(), 1);
    app.says("WARN", "not delivered: the video could not be fetched").await;
    let kept = std::fs::read(app.file(id(&video))).unwrap();
    assert_eq!(video["filmgate"]["delivered"]["bytes"], kept.len());
    assert_eq!(app.partial_files(), 0);
    books::balance(&app).await;
}

/// A byte now and then keeps the idle time-out away for ever.
#[tokio::test]
async fn a_file_that_drips_is_given_up_and_fetched_again() {
    let (gate, app) = Gate::before(Setup::default().set("upstreams.xai.fetch_timeout=\"2s\"")).await;
    gate.drip(1);
    let video = app.make("one", "720p", 6).await;
    assert_eq!(video["status"], "completed", "{video}");
    assert!(app.simulator.generations()[0].fetches >= 2);
    assert_eq!(app.simulator.generations().len(), 1);
    app.says("WARN", "not delivered: the video did not arrive within 2s").await;
    books::balance(&app).await;
}

#[tokio::test]
async fn a_disk_that_does_not_take_the_file_is_tried_again() {
    let app = Setup::default().start().await;
    let partial = app.data_dir().join("media/partial");
    std::fs::remove_dir(&partial).unwrap();
    std::fs::write(&partial, "in the way").unwrap();
    let video = app.create("one", "720p", 6).await;
    app.says("WARN", "not delivered: the video could not be kept on disk").await;
    assert_eq!(app.job(id(&video)).await["state"], "delivering");
    std::fs::remove_file(&partial).unwrap();
    std::fs::create_dir(&partial).unwrap();
    assert_eq!(app.finished(id(&video)).await["status"], "completed");
    assert_eq!(app.simulator.generations().len(), 1);
    books::balance(&app).await;
}

/// Slow: there is a minute of pauses between the six fetches.
#[tokio::test]
async fn slow_a_file_that_always_breaks_off_fails_the_job() {
    let app = Setup::default().start().await;
    let video = app.create("[hangup]", "720p", 6).await;
    let fetches = || app.simulator.generations().iter().map(|generation| generation.fetches).sum::<u32>();
    for _ in 0..960 {
        if fetches() == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let job = app.ended(id(&video)).await;
    assert_eq!(job["failure"]["code"], "delivery_failed", "{job}");
    assert_eq!(app.simulator.generations()[0].fetches, 6);
    assert_eq!(app.simulator.generations().len(), 1);
    assert_eq!(
        (&job["attempts"][0]["outcome"], &job["attempts"][0]["charged"]),
        (&json!("done"), &json!(true))
    );
    books::balance(&app).await;
}

#[tokio::test]
async fn a_slow_file_holds_no_token() {
    let setup = Setup { tokens: [0, 1], ..Setup::default() }.set("pools.ssoSuper.max_in_flight=1");
    let (gate, app) = Gate::before(setup).await;
    gate.shut();
    let first = app.create("one", "720p", 6).await;
    let job = app.reaches(id(&first), "delivering").await;
    assert_eq!((&job["attempts"][0]["outcome"], &job["progress"]), (&json!("done"), &json!(99)));
    assert_eq!(app.token("super-1").await["in_flight"], 0);
    let refusal = refused(app.content(id(&first)).await).await;
    assert_eq!(refusal, (StatusCode::NOT_FOUND, "video_not_ready".to_owned()));
    let second = app.create("two", "720p", 6).await;
    app.reaches(id(&second), "delivering").await;
    gate.open();
    for video in [first, second] {
        assert_eq!(app.finished(id(&video)).await["status"], "completed");
    }
    books::balance(&app).await;
}

#[tokio::test]
async fn cancelled_while_its_file_comes_in_nothing_of_it_is_kept() {
    let (gate, app) = Gate::before(Setup::default()).await;
    gate.shut();
    let video = app.create("one", "720p", 6).await;
    app.reaches(id(&video), "delivering").await;
    let job = app.admin(Method::POST, &format!("/jobs/{}/cancel", id(&video)), None).await;
    assert_eq!((&job["state"], &job["failure"]["code"]), (&json!("failed"), &json!("cancelled")));
    gate.open();
    // Another one after it, so that the first has had its time.
    assert_eq!(app.make("two", "720p", 6).await["status"], "completed");
    for _ in 0..200 {
        if app.partial_files() == 0
            && !app.file(id(&video)).exists()
            && app.simulator.generations()[0].fetches == 1
        {
            assert_eq!(app.job(id(&video)).await, job);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the file of a cancelled job stays on disk");
}

/// Waits until a video's file is gone; retention looks through the files at each start.
async fn is_removed(app: &TestApp, id: &str) {
    for _ in 0..200 {
        let response = app.content(id).await;
        if response.status() == StatusCode::NOT_FOUND {
            assert!(!app.file(id).exists());
            match &*refused(response).await.1 {
                "video_expired" => return,
                // The file goes first, and then that is written down.
                code => assert_eq!(code, "video_missing"),
            }
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the file of {id} was not removed");
}

#[tokio::test]
async fn videos_are_removed_when_their_time_is_up_and_the_job_stays() {
    let mut app = Setup::default().start().await;
    let video = app.make("one", "720p", 6).await;
    app.kill();
    app.also_set("media.keep=\"1s\"");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    app.launch().await;
    is_removed(&app, id(&video)).await;
    let mut after = app.get(&format!("/v1/videos/{}", id(&video))).await;
    // Only the time until which it is kept followed the setting.
    assert_eq!(after["expires_at"].as_i64(), after["completed_at"].as_i64().map(|at| at + 1));
    after["expires_at"] = video["expires_at"].clone();
    assert_eq!(after, video);
    assert!(!app.job(id(&video)).await["file_removed_at"].is_null());
    // And it stays so.
    app.kill();
    app.launch().await;
    assert_eq!(refused(app.content(id(&video)).await).await.1, "video_expired");
    assert_eq!(app.get(&format!("/v1/videos/{}", id(&video))).await["status"], "completed");
}

#[tokio::test]
async fn the_oldest_videos_go_when_all_together_are_too_large() {
    let mut app = Setup::default().start().await;
    let mut videos = Vec::new();
    for n in 0..3 {
        videos.push(app.make(&format!("video {n}"), "720p", 6).await);
    }
    let bytes = |video: &Value| video["filmgate"]["delivered"]["bytes"].as_u64().unwrap();
    let room = bytes(&videos[1]) + bytes(&videos[2]);
    app.kill();
    app.also_set(&format!("media.max_bytes=\"{room}B\""));
    app.launch().await;
    is_removed(&app, id(&videos[0])).await;
    for video in &videos[1..] {
        assert_eq!(app.content(id(video)).await.status(), StatusCode::OK);
    }
    app.kill();
    app.also_set("media.max_bytes=\"1B\"");
    app.launch().await;
    for video in &videos {
        is_removed(&app, id(video)).await;
    }
}

#[tokio::test]
async fn leftovers_of_an_earlier_process_are_cleared_at_the_start() {
    let mut app = Setup::default().start().await;
    let video = app.make("one", "480p", 6).await;
    app.kill();
    let partial = app.data_dir().join("media/partial");
    std::fs::write(partial.join("0197f3c0-1111-7000-8000-000000000000"), b"half a video").unwrap();
    std::fs::write(partial.join(app.file(id(&video)).file_stem().unwrap()), b"half a video").unwrap();
    std::fs::write(partial.join("what is this"), b"?").unwrap();
    app.launch().await;
    assert_eq!(app.partial_files(), 0);
    assert_eq!(app.content(id(&video)).await.status(), StatusCode::OK);
}

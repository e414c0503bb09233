//! The answer to a submission gets lost, and the upstream can tell what became of it: by its idempotency keys, or
//! by its list of videos. What becomes of it where the upstream can tell nothing is told in `faults` and `recovery`.

use std::time::Duration;

use filmgate_simulator::{AcceptMode, SimulatorConfig};
use rstest::rstest;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;
use crate::faults::{end_of, ended_as, ending};

#[derive(Clone, Copy, Debug)]
enum Way {
    Repeat,
    LookUp,
}

/// A gateway whose only upstream can tell, in this way.
async fn start(way: Way, setup: Setup) -> TestApp {
    let setup = setup
        .set("upstreams.xai.header_timeout=\"500ms\"")
        .set("upstreams.xai.look_up_grace=\"700ms\"")
        .set("jobs.deadline=\"60s\"");
    match way {
        Way::Repeat => setup.set("upstreams.xai.lost_answer=\"repeat\"").start().await,
        Way::LookUp => {
            let mut app = setup.start().await;
            app.kill();
            app.also_set("upstreams.xai.kind=\"openai\"");
            app.also_set("upstreams.xai.lost_answer=\"look_up\"");
            let base_url = app.simulator.openai_url();
            app.also_set(&format!("upstreams.xai.base_url=\"{base_url}\""));
            app.launch().await;
            app
        }
    }
}

fn honours_keys(config: &mut SimulatorConfig) {
    config.honours_idempotency_keys = true;
}

fn answers_late(config: &mut SimulatorConfig) {
    config.honours_idempotency_keys = true;
    config.answer_delay = Duration::from_millis(400);
}

#[rstest]
#[tokio::test]
async fn a_video_whose_answer_is_lost_is_found_and_delivered(
    #[values(Way::Repeat, Way::LookUp)] way: Way,
    #[values("[lost] one", "[hang] one", "[garbage] one")] prompt: &str,
) {
    let app = start(way, Setup { simulator: honours_keys, ..Setup::default() }).await;
    let job = end_of(&app, prompt, "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false), "{job}");
    assert_eq!(books::generations(&app)[prompt], 1);
    assert!(!job["attempts"][0]["lost_at"].is_null(), "{job}");
    books::balance(&app).await;
}

#[rstest]
#[tokio::test]
async fn a_job_killed_while_it_is_submitted_goes_on(#[values(Way::Repeat, Way::LookUp)] way: Way) {
    let mut app = start(way, Setup { simulator: answers_late, ..Setup::default() }).await;
    let video = app.create("one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "submitting").await;
    app.kill();
    app.launch().await;
    let job = app.ended(id).await;
    let (code, outcomes, charged, slot) = ending(&job);
    assert_eq!((&*code, outcomes.last(), charged, slot), ("completed", Some(&"done"), true, false), "{job}");
    assert_eq!(books::generations(&app)["one"], 1);
    books::balance(&app).await;
}

/// A submission that comes to nothing at an upstream that lists its videos is sent anew, and given back.
#[tokio::test]
async fn what_never_arrived_is_sent_anew_after_the_grace_time() {
    let app = start(Way::LookUp, Setup::default()).await;
    let job = end_of(&app, "[error] one", "720p").await;
    let failed = ended_as("upstream_unreachable", &["refused"; 3], false, false);
    assert_eq!(ending(&job), failed, "{job}");
    assert_eq!(app.simulator.refusals().len(), 3);
    assert!(app.simulator.generations().is_empty());
    books::balance(&app).await;
}

#[tokio::test]
async fn what_cannot_be_found_out_until_the_deadline_is_unknown() {
    let setup = Setup { simulator: honours_keys, ..Setup::default() };
    let mut app = start(Way::Repeat, setup).await;
    app.kill();
    app.also_set("jobs.deadline=\"3s\"");
    app.launch().await;
    let job = end_of(&app, "[error] one", "720p").await;
    assert_eq!(ending(&job), ended_as("outcome_unknown", &["unknown"], true, true), "{job}");
    assert!(app.simulator.refusals().len() > 1, "it was tried again");
    books::balance(&app).await;
}

/// The list knows a video only some time after it was ordered.
#[tokio::test]
async fn a_video_that_is_listed_late_is_waited_for() {
    let late = |config: &mut SimulatorConfig| config.openai.listed_after_ms = 400;
    let app = start(Way::LookUp, Setup { simulator: late, ..Setup::default() }).await;
    let job = end_of(&app, "[lost] one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false), "{job}");
    assert_eq!(books::generations(&app)["[lost] one"], 1);
}

/// Accepted after the answer was lost: asked at once, the list would not have it.
#[tokio::test]
async fn a_video_that_is_accepted_late_is_waited_for() {
    let late = |config: &mut SimulatorConfig| {
        config.accept = AcceptMode::AfterAnswer { delay: Duration::from_millis(300) };
    };
    let app = start(Way::LookUp, Setup { simulator: late, ..Setup::default() }).await;
    let job = end_of(&app, "[lost] one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false), "{job}");
    assert_eq!(books::generations(&app)["[lost] one"], 1);
}

/// Of videos with the same words, each job gets one, and no two the same.
#[tokio::test]
async fn jobs_with_the_same_words_share_no_video() {
    let setup = Setup { tokens: [0, 1], simulator: answers_late, ..Setup::default() };
    let mut app = start(Way::LookUp, setup).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.create("[lost] same", "720p", 6).await["id"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.kill();
    app.launch().await;
    let mut taken = Vec::new();
    for id in ids {
        let job = app.ended(&id).await;
        assert_eq!(job["state"], "completed", "{job}");
        let last = job["attempts"].as_array().unwrap().last().unwrap();
        taken.push(last["upstream_id"].as_str().unwrap().to_owned());
    }
    let count = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), count, "two jobs have the same video");
    assert_eq!(app.simulator.generations().len(), count);
    books::balance(&app).await;
}

/// A repetition that is turned away at the door says nothing about the first.
#[tokio::test]
async fn a_refused_repetition_does_not_end_the_job() {
    let setup = Setup { tokens: [0, 1], simulator: honours_keys, ..Setup::default() };
    let app = start(Way::Repeat, setup).await;
    let video = app.create("[hang] one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "submitting").await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    app.job_until(id, "blamed", |job| !job["attempts"][0]["lost_at"].is_null()).await;
    app.says("WARN", "whether the upstream took it is not known so far").await;
    assert_eq!(app.job(id).await["state"], "submitting");
    app.at_provider("super-1", json!({ "valid": true })).await;
    let job: Value = app.ended(id).await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false), "{job}");
    assert_eq!(books::generations(&app)["[hang] one"], 1);
    books::balance(&app).await;
}

//! What a fault leaves alone: other upstreams, other pools, other tokens.

use std::time::Duration;

use reqwest::StatusCode;
use rstest::rstest;
use serde_json::json;

use super::kinds::Section;
use super::meddler::{Deed, Play, Stage};
use super::{Table, WORDS, deaf};
use crate::app::Setup;
use crate::books;

/// More than files are fetched from one upstream at once (64).
const HANGING: usize = 70;

fn always(stage: Stage, deed: Deed, passed_on: bool) -> Play {
    Play { stage, script: vec![deed], always: true, passed_on }
}

/// Waits until so many jobs hang, and says which.
async fn hanging(table: &Table, state: &str) -> Vec<String> {
    for _ in 0..1200 {
        let jobs = books::jobs(&table.app).await.into_iter().filter(|job| job["state"] == state);
        let ids: Vec<String> = jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        if ids.len() == HANGING {
            return ids;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never {HANGING} jobs that are {state}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn slow_an_upstream_that_hangs_keeps_no_other_and_no_other_pool_waiting(
    #[values(None, Some(Stage::Submit), Some(Stage::Poll), Some(Stage::Fetch))] stage: Option<Stage>,
) {
    let setup = Setup::default().set("jobs.deadline=\"30m\"");
    let mut table = Table::start(Section::Submit, setup.set("upstreams.xai.header_timeout=\"30m\"")).await;
    let other = ("other".to_owned(), table.app.simulator.url());
    let deaf = ("deaf".to_owned(), format!("http://{}/v1", deaf().await));
    (table.further, table.patience) = (vec![other, deaf], "30m");
    let at = if stage.is_none() { "deaf" } else { "xai" };
    let pool = |name: &str, upstream: &str, tokens| (name.to_owned(), upstream.to_owned(), tokens);
    table.pools(&[pool("hangs", at, 6), pool("same", "xai", 1), pool("other", "other", 1)]).await;
    for n in 0..HANGING {
        let name = format!("hang{n}");
        if let Some(stage) = stage {
            table.meddler.play(&name, always(stage, Deed::Hang, false));
        }
        table.create("hangs", &name).await;
    }
    let state = match stage {
        None | Some(Stage::Submit) => "submitting",
        Some(Stage::Poll) => "running",
        Some(Stage::Fetch) => "delivering",
    };
    let before = hanging(&table, state).await;
    for n in 0..10 {
        for pool in ["same", "other"] {
            let id = table.create(pool, &format!("{pool}{n}")).await;
            assert_eq!(table.app.finished(&id).await["status"], "completed", "{pool}");
        }
    }
    assert_eq!(hanging(&table, state).await, before, "they hang all the while");
}

/// A provider that says no to every token: the job gives up before it has blamed the third.
#[rstest]
#[case(401, "upstream_unauthorized")]
#[case(402, "upstream_unauthorized")]
#[case(403, "upstream_unauthorized")]
#[case(429, "upstream_rate_limited")]
#[tokio::test(flavor = "multi_thread")]
async fn of_six_tokens_that_are_refused_two_are_blamed(#[case] status: u16, #[case] code: &str) {
    let table = Table::start(Section::Submit, Setup::default().set("jobs.max_attempts=6")).await;
    table.pools(&[("pool".to_owned(), "xai".to_owned(), 6)]).await;
    let no = Deed::Answer(status, "", format!(r#"{{"error":"{WORDS}"}}"#));
    table.meddler.play("job", always(Stage::Submit, no, false));
    let id = table.create("pool", "job").await;
    let job = table.ended(&id).await;
    assert_eq!(job["failure"]["code"], code, "{job}");
    assert_eq!(table.meddler.played("job"), 3, "two are blamed, and the third refusal ends it");
    assert_eq!(table.tokens("pool").await, "4 active, 2 cooling 60 s");
    books::balance(&table.app).await;
}

/// What was blamed serves nobody, and the others serve everybody.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_refused_job_the_next_is_made_at_once() {
    let table = Table::start(Section::Submit, Setup::default()).await;
    table.pools(&[("pool".to_owned(), "xai".to_owned(), 6)]).await;
    let no = Deed::Answer(401, "", format!(r#"{{"error":"{WORDS}"}}"#));
    table.meddler.play("first", always(Stage::Submit, no, false));
    let id = table.create("pool", "first").await;
    table.ended(&id).await;
    for n in 0..4 {
        let id = table.create("pool", &format!("next{n}")).await;
        let job = table.ended(&id).await;
        assert_eq!((&job["state"], job["attempts"].as_array().unwrap().len()), (&json!("completed"), 1));
    }
    let page = table.app.content(&id).await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
}

/// What a client was told of the progress is never taken back.
#[tokio::test(flavor = "multi_thread")]
async fn progress_never_goes_back() {
    let table = Table::start(Section::Submit, Setup::default()).await;
    table.pools(&[("pool".to_owned(), "xai".to_owned(), 1)]).await;
    let says = |progress| Deed::Answer(202, "", format!(r#"{{"status":"pending","progress":{progress}}}"#));
    let script = vec![says(80), says(80), says(10)];
    table.meddler.play("job", Play { script, ..always(Stage::Poll, says(0), false) });
    let id = table.create("pool", "job").await;
    table.app.job_until(&id, "at 80%", |job| job["progress"] == 80).await;
    let far = table.meddler.played("job") + 5;
    for _ in 0..1200 {
        if table.meddler.played("job") >= far {
            break;
        }
        assert_eq!(table.app.get(&format!("/v1/videos/{id}")).await["progress"], 80);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(table.meddler.played("job") >= far);
    assert_eq!(table.app.job(&id).await["progress"], 80);
    table.meddler.stop("job");
    assert_eq!(table.app.finished(&id).await["progress"], 100);
}

//! When a token that has nothing left comes back: by a clock that the test sets, to the millisecond. And the ledger.

mod budget;
mod crowd;
mod panics;
mod random;
mod scene;

use std::time::Duration;

use filmgate_domain::{Cause, JobState, Polled, RateLimit, TokenStatus};
use filmgate_upstream::Told;

use scene::{BEGIN, HOUR, MINUTE, Scene, refused};

const MILLI: Duration = Duration::from_millis(1);

fn nothing_left(reset: Duration) -> RateLimit {
    RateLimit { remaining: 0, reset: Some(reset), in_units: false }
}

#[tokio::test]
async fn what_was_spent_comes_back_one_window_after_each_answer_and_a_waiting_job_is_served() {
    let mut scene = Scene::new().await;
    scene.spend().await;
    scene.timer.shows(BEGIN + MINUTE * 20);
    scene.spend().await;
    assert_eq!(scene.left(), 0);
    scene.ledger_agrees().await;
    let third = scene.ask().await;
    // Of two that come in the same millisecond either may be the first.
    scene.timer.shows(scene.engine.now() + MINUTE);
    let fourth = scene.ask().await;

    scene.timer.shows(BEGIN + HOUR - MILLI);
    assert_eq!(scene.left(), 0, "not a moment sooner");
    scene.timer.shows(BEGIN + HOUR);
    let job = scene.running(third).await;
    assert_eq!(job.attempts[0].reserved_at, BEGIN + HOUR);
    scene.moves_on(third, |job| job.state.is_final()).await;
    scene.timer.shows(BEGIN + HOUR + MINUTE * 20 - MILLI);
    assert_eq!(scene.left(), 0, "what came back is spent again");
    scene.timer.shows(BEGIN + HOUR + MINUTE * 20);
    let job = scene.running(fourth).await;
    assert_eq!(job.attempts[0].reserved_at, BEGIN + HOUR + MINUTE * 20);
    scene.ledger_agrees().await;
}

#[tokio::test]
async fn units_come_back_at_the_same_moment_after_a_restart() {
    let mut scene = Scene::new().await;
    scene.spend().await;
    let second = BEGIN + MINUTE * 10;
    scene.timer.shows(second);
    scene.spend().await;
    scene.restart().await;
    assert_eq!(scene.left(), 0);
    scene.ledger_agrees().await;
    for (at, left) in
        [(BEGIN + HOUR - MILLI, 0), (BEGIN + HOUR, 4), (second + HOUR - MILLI, 4), (second + HOUR, 8)]
    {
        scene.timer.shows(at);
        assert_eq!(scene.left(), left, "at {at}");
    }
    scene.ledger_agrees().await;
}

#[tokio::test]
async fn a_rate_limited_token_comes_back_at_the_moment_that_the_upstream_named() {
    let mut scene = Scene::new().await;
    scene.answers(Err(refused(Cause::RateLimited, Some(Duration::from_secs(100)))));
    let id = scene.ask().await;
    let job = scene.until(id, |job| job.state == JobState::Queued && job.attempts.len() == 1).await;
    assert!(!job.attempts[0].charged);
    let back = BEGIN + Duration::from_secs(100);
    let token = scene.token();
    assert_eq!((token.status, token.cooling_until), (TokenStatus::Cooling, Some(back)));
    let told = token.last_fail_reason.unwrap();
    assert_eq!(
        &*told, "no; by our own book 4 units are left",
        "beside those that the refused one had reserved"
    );
    scene.ledger_agrees().await;

    scene.restart().await;
    scene.timer.shows(back - MILLI);
    assert_eq!(scene.token().status, TokenStatus::Cooling);
    scene.timer.shows(back);
    let job = scene.running(id).await;
    assert_eq!(job.attempts[1].reserved_at, back, "by itself, and no sooner");
    assert_eq!(scene.token().status, TokenStatus::Active);
}

#[tokio::test]
async fn an_expired_token_does_not_come_back() {
    let mut scene = Scene::new().await;
    scene.answers(Err(refused(Cause::Credential, None)));
    let id = scene.ask().await;
    scene.until(id, |job| job.state == JobState::Queued && job.attempts.len() == 1).await;
    scene.timer.shows(BEGIN + HOUR * 23);
    assert_eq!(scene.token().status, TokenStatus::Expired);
    scene.timer.shows(BEGIN + HOUR * 25);
    let job = scene.until(id, |job| job.state.is_final()).await;
    assert_eq!((job.attempts.len(), scene.token().status), (1, TokenStatus::Expired));
}

#[tokio::test]
async fn a_token_with_nothing_left_by_its_headers_waits_and_serves_who_waits() {
    let mut scene = Scene::new().await;
    scene.answers(Ok(Some(nothing_left(Duration::from_secs(90)))));
    let first = scene.ask().await;
    scene.running(first).await;
    let back = BEGIN + Duration::from_secs(90);
    let token = scene.token();
    assert_eq!((token.status, token.cooling_until), (TokenStatus::Cooling, Some(back)));
    assert_eq!((token.fail_count, token.last_fail_reason), (0, None), "it did nothing wrong");
    assert_eq!(scene.left(), 4, "and keeps what our book has");
    let second = scene.ask().await;
    scene.restart().await;
    assert_eq!(scene.token().cooling_until, Some(back), "it is written down");
    scene.timer.shows(back);
    let job = scene.running(second).await;
    assert_eq!(job.attempts[0].reserved_at, back);
}

#[tokio::test]
async fn the_answer_to_a_question_counts_too() {
    let mut scene = Scene::new().await;
    let pending = Polled::Pending { progress: Some(50) };
    let told = Told { polled: pending, limits: Some(nothing_left(MINUTE * 5)) };
    scene.upstream.polls.lock().unwrap().push_back(told);
    let first = scene.ask().await;
    scene.running(first).await;
    assert_eq!(scene.token().status, TokenStatus::Active);
    scene.moves_on(first, |job| job.progress == 50).await;
    let back = scene.token().cooling_until.unwrap();
    assert!(back.since(BEGIN) > MINUTE * 5, "{back}");
    let second = scene.ask().await;
    scene.timer.shows(back);
    let job = scene.running(second).await;
    assert_eq!(job.attempts[0].reserved_at, back);
}

#[tokio::test]
async fn units_that_only_the_upstream_knows_of_are_gone_until_it_says() {
    let mut scene = Scene::new().await;
    let told = |remaining| RateLimit { remaining, reset: Some(MINUTE * 30), in_units: true };
    scene.answers(Ok(Some(told(3))));
    let first = scene.ask().await;
    scene.running(first).await;
    assert_eq!(scene.left(), 3, "of the four by our book");
    scene.ledger_agrees().await;
    scene.restart().await;
    assert_eq!(scene.left(), 3);
    scene.ledger_agrees().await;
    scene.timer.shows(BEGIN + MINUTE * 30);
    scene.until(first, |job| job.state.is_final()).await;
    assert_eq!(scene.left(), 4);

    scene.answers(Ok(Some(told(1_000))));
    let second = scene.ask().await;
    scene.running(second).await;
    assert_eq!(scene.left(), 0, "more than our book has is not believed");
    scene.ledger_agrees().await;
}

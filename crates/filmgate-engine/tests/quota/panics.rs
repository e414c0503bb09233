//! Steps that panic again and again: their job ends, as it would if they failed, and all others go on.

use std::panic::AssertUnwindSafe;

use filmgate_domain::{Job, JobId, JobState, LostAnswer, Outcome, Polled};
use filmgate_engine::Choice;
use futures_util::FutureExt as _;
use tracing::Metadata;
use tracing::span::{Attributes, Id, Record};

use crate::scene::{Budget, HOUR, Scene};

async fn scene() -> Scene {
    Scene::with(Budget { units: 100, cost: 1, lost_answer: LostAnswer::GiveUp }).await
}

async fn ended(scene: &Scene, id: JobId) -> Job {
    scene.moves_on(id, |job| job.state.is_final()).await;
    scene.engine.store().job(id).await.unwrap().unwrap()
}

fn code(job: &Job) -> Option<&str> {
    job.failure.as_ref().map(|failure| &*failure.code)
}

#[tokio::test]
async fn a_job_whose_file_makes_filmgate_panic_is_given_up_and_others_go_on() {
    let mut scene = scene().await;
    let url = "https://cdn.example/panic.mp4";
    *scene.upstream.panics.lock().unwrap() = Some(url.to_owned());
    let done = Polled::Done { url: url.into(), cost_ticks: None };
    scene.upstream.polls.lock().unwrap().push_back(done.into());
    let broken = scene.ask().await;
    scene.running(broken).await;
    scene.moves_on(broken, |job| job.fetches > 0).await;
    let other = scene.ask().await;
    scene.running(other).await;
    assert_eq!(code(&ended(&scene, other).await), Some("moderation_blocked"), "as if nothing were");

    let broken = ended(&scene, broken).await;
    let tries = scene.engine.settings().rules.max_fetches;
    assert_eq!((code(&broken), broken.fetches), (Some("internal_error"), tries), "{broken:?}");
    assert_eq!(broken.attempts[0].outcome, Some(Outcome::Done));
    scene.ledger_agrees().await;
}

#[tokio::test]
async fn a_job_that_makes_filmgate_panic_when_it_is_asked_about_ends_with_its_deadline_and_others_go_on() {
    let mut scene = scene().await;
    let broken = scene.ask().await;
    *scene.upstream.panics.lock().unwrap() = Some(broken.to_string());
    scene.running(broken).await;
    scene.spend().await;
    scene.restart().await;
    scene.spend().await;
    let job = scene.engine.job(broken).await.unwrap().unwrap();
    assert_eq!(
        job.state,
        JobState::Running,
        "three panics and more end nothing: it may be made and paid for"
    );
    scene.timer.shows(scene.engine.now() + HOUR * 24);
    let broken = ended(&scene, broken).await;
    assert_eq!(code(&broken), Some("deadline_exceeded"), "{broken:?}");
    assert_eq!(broken.attempts[0].outcome, Some(Outcome::TimedOut));
    scene.ledger_agrees().await;
}

/// A log that cannot be written to, as its program was not made for that.
struct BrokenLog;

impl tracing::Subscriber for BrokenLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        assert!(!event.metadata().target().starts_with("filmgate"), "as the test wants");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_panic_in_the_middle_of_the_books_is_told_and_a_start_from_what_is_on_disk_helps() {
    let mut scene = scene().await;
    let before = scene.ask().await;
    scene.running(before).await;
    assert!(!scene.engine.is_broken());
    // Of what is logged, one line is while the desk is locked.
    let request = scene.request([77; 32], Choice::default()).await;
    let broken = {
        let _log = tracing::subscriber::set_default(BrokenLog);
        AssertUnwindSafe(scene.engine.admit(request)).catch_unwind().await
    };
    assert!(broken.is_err() && scene.engine.is_broken());

    scene.restart().await;
    assert!(!scene.engine.is_broken());
    assert_eq!(code(&ended(&scene, before).await), Some("moderation_blocked"), "as if nothing were");
    scene.ledger_agrees().await;
}

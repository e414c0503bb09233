//! Ten thousand jobs that a stop left open, in every state in which they can be for long.

use std::sync::Arc;

use filmgate_domain::{Cause, Certainty, Failure, JobId, JobState, LostAnswer, OnShortage};
use filmgate_engine::{Choice, Request};
use tokio::task::JoinSet;

use crate::budget::all_end;
use crate::scene::{Budget, HOUR, Scene, refused};

const JOBS: u32 = 10_000;
/// They wait for a token.
const WAITING: u32 = 1_000;
/// Nobody knows whether the upstream has them.
const LOST: usize = 4_000;

async fn admit_all(scene: &Scene) -> Vec<JobId> {
    let choice = Choice { on_shortage: OnShortage::Wait, max_wait: Some(HOUR * 24), ..Choice::default() };
    let asked = scene.request([0; 32], choice).await;
    let mut ids = Vec::new();
    for portion in (0..JOBS).collect::<Vec<_>>().chunks(500) {
        let mut arriving = JoinSet::new();
        for n in portion {
            let mut fingerprint = [0; 32];
            fingerprint[..4].copy_from_slice(&n.to_be_bytes());
            let (spec, choice) = (asked.spec.clone(), asked.choice.clone());
            let request = Request { fingerprint, spec, choice, files: Vec::new(), keep: None, ..asked };
            let engine = scene.engine.clone();
            arriving.spawn(async move { engine.admit(request).await.unwrap().id });
        }
        ids.extend(arriving.join_all().await);
    }
    ids
}

/// How many are in which state, once all are where they stay while the clock stands still.
async fn settled_down(scene: &Scene) -> Vec<(JobState, u64)> {
    let running = u64::from(JOBS - WAITING) - LOST as u64;
    loop {
        let counts = scene.engine.active_by_state();
        if counts.contains(&(JobState::Running, running)) {
            return counts;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_ten_thousand_open_jobs_are_taken_up_and_each_moves_on() {
    let budget = Budget { units: JOBS - WAITING, cost: 1, lost_answer: LostAnswer::Repeat };
    let mut scene = Scene::with(budget).await;
    let lost = || Err(Failure { certainty: Certainty::Unknown, ..refused(Cause::Timeout, None) });
    (0..LOST).for_each(|_| scene.answers(lost()));
    let ids = admit_all(&scene).await;
    let before = settled_down(&scene).await;
    let began = tokio::time::Instant::now();
    scene.restart().await;
    eprintln!("stopped and ready again after {:?}: {before:?}", began.elapsed());
    assert_eq!(scene.engine.active_by_state(), before, "each is where it was");
    all_end(&scene).await;
    for id in ids {
        let job = Arc::clone(&scene.engine.job(id).await.unwrap().unwrap());
        assert_eq!(job.attempts.len(), 1, "{job:?}");
        assert!(job.attempts[0].charged && job.attempts[0].settled_at.is_some(), "{job:?}");
        let code = job.failure.as_ref().map(|failure| &*failure.code);
        assert_eq!(code, Some("moderation_blocked"), "{job:?}");
    }
    scene.ledger_agrees().await;
}

//! Many at once for what is enough for few: exactly as many are admitted as the budget pays for, round after round, and
//! the books of memory and disk say the same of each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use filmgate_domain::{
    Cause, Certainty, Failure, Job, JobId, JobState, LostAnswer, NoToken, OnShortage, Outcome, Period, Polled,
};
use filmgate_engine::{AdmitError, Choice, Engine, Request};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use crate::scene::{BEGIN, Budget, HOUR, MINUTE, Scene, refused};

const ROUNDS: u32 = 50;
const AT_ONCE: usize = 200;
const BUDGET: Budget = Budget { units: 37, cost: 1, lost_answer: LostAnswer::GiveUp };

/// Everybody at once; those that were admitted.
async fn rush(scene: &Scene, round: u32) -> Vec<JobId> {
    let choice = Choice { on_shortage: OnShortage::Fail, ..Choice::default() };
    let asked = scene.request([0; 32], choice).await;
    let mut rush = JoinSet::new();
    for n in 0..AT_ONCE as u32 {
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&[round.to_be_bytes(), n.to_be_bytes()].concat());
        let (spec, choice) = (asked.spec.clone(), asked.choice.clone());
        let request = Request { fingerprint, spec, choice, files: Vec::new(), keep: None, ..asked };
        let engine = scene.engine.clone();
        rush.spawn(async move { engine.admit(request).await });
    }
    let mut admitted = Vec::new();
    for answer in rush.join_all().await {
        match answer {
            Ok(job) => admitted.push(job.id),
            Err(AdmitError::NoToken(NoToken::Shortage(_))) => {}
            Err(other) => panic!("refused for another reason: {other}"),
        }
    }
    admitted
}

/// Looks all the time, until it is told to end: nobody ever sees more in use than there is.
fn watch(engine: Engine, ends: Arc<AtomicBool>) -> std::thread::JoinHandle<u32> {
    std::thread::spawn(move || {
        let mut looks = 0;
        while !ends.load(SeqCst) {
            let view = engine.tokens().remove(0);
            let left = view.info.quota.unwrap();
            assert_eq!(view.reserved + view.spent + left, BUDGET.units, "{view:?}");
            looks += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        looks
    })
}

/// What the upstream will say. Nothing that gives a unit back before the clock moves: the next in the rush would get it.
fn prepare(scene: &Scene, rng: &mut StdRng) {
    for _ in 0..BUDGET.units {
        scene.answers(match rng.random_range(0..8) {
            0 => Err(Failure { certainty: Certainty::Unknown, ..refused(Cause::Timeout, None) }),
            _ => Ok(None),
        });
        let polled = match rng.random_range(0..4) {
            0 => Polled::Failed { reason: "no".to_owned() },
            1 => Polled::Done { url: "https://cdn.example/a.mp4".into(), cost_ticks: None },
            _ => Polled::Moderated { reason: None, cost_ticks: None },
        };
        scene.upstream.polls.lock().unwrap().push_back(polled.into());
    }
}

async fn in_the_books(engine: &Engine, ids: &[JobId]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for id in ids {
        jobs.push(engine.store().job(*id).await.unwrap().expect("what was admitted is written down"));
    }
    jobs
}

/// The three books of what is reserved: open attempts on disk, the ledger, the token in memory.
async fn reserved(scene: &Scene) -> [u64; 3] {
    let unfinished = scene.engine.store().unfinished().await.unwrap();
    let open = unfinished.iter().flat_map(|job| &job.attempts).filter(|attempt| attempt.settled_at.is_none());
    let period = Period { from: BEGIN - HOUR, until: scene.engine.now() + HOUR };
    let ledger = scene.engine.ledger(period).await.unwrap();
    [
        open.map(|attempt| u64::from(attempt.units)).sum(),
        ledger.pools[0].1.account.open,
        u64::from(scene.view().reserved),
    ]
}

/// Lets the time pass until every job is at its end.
pub(crate) async fn all_end(scene: &Scene) {
    while scene.engine.active_by_state().iter().any(|(_, count)| *count > 0) {
        scene.timer.shows(scene.engine.now() + MINUTE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each was reserved once and settled once, and paid for where it may have been made.
fn each_is_settled_once(jobs: &[Job]) {
    for job in jobs {
        assert!(job.state.is_final(), "{job:?}");
        let [attempt] = &job.attempts[..] else { panic!("not one reservation: {job:?}") };
        let (outcome, settled_at) = (attempt.outcome.unwrap(), attempt.settled_at.unwrap());
        assert!(attempt.reserved_at <= settled_at, "{job:?}");
        let free = matches!(outcome, Outcome::Refused | Outcome::Failed | Outcome::Unsent);
        assert_eq!(attempt.charged, !free, "{job:?}");
    }
}

/// Once each submission is answered, all books say the same; how much that is.
async fn at_rest(scene: &Scene) -> u64 {
    let moving = [JobState::Queued, JobState::Reserved, JobState::Submitting];
    let moves = |(state, count): &(JobState, u64)| moving.contains(state) && *count > 0;
    while scene.engine.active_by_state().iter().any(moves) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let [open, ledger, memory] = reserved(scene).await;
    assert_eq!((open, open), (ledger, memory), "on disk; by the ledger, in memory");
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_at_once_as_many_are_admitted_as_the_budget_pays_for() {
    let mut scene = Scene::with(BUDGET).await;
    let mut rng = StdRng::seed_from_u64(37);
    let mut outcomes = BTreeMap::<&str, usize>::new();
    let mut looks = 0;
    for round in 0..ROUNDS {
        prepare(&scene, &mut rng);
        let ends = Arc::<AtomicBool>::default();
        let watcher = watch(scene.engine.clone(), Arc::clone(&ends));
        let admitted = rush(&scene, round).await;
        assert_eq!(admitted.len(), BUDGET.units as usize, "round {round}");
        let open = at_rest(&scene).await;
        assert_eq!(open + u64::from(scene.view().spent), u64::from(BUDGET.units), "round {round}");
        ends.store(true, SeqCst);
        looks += watcher.join().unwrap();
        if round % 10 == 0 {
            scene.restart().await;
            assert_eq!(at_rest(&scene).await, open, "after a restart");
            assert_eq!(rush(&scene, ROUNDS + round).await, [], "after a restart");
        }
        for id in admitted.iter().take(3) {
            // One whose answer was lost is at its end.
            let _ = scene.engine.cancel(*id).await;
        }
        all_end(&scene).await;
        assert_eq!(at_rest(&scene).await, 0, "round {round}");
        let jobs = in_the_books(&scene.engine, &admitted).await;
        each_is_settled_once(&jobs);
        for outcome in jobs.iter().map(|job| job.attempts[0].outcome.unwrap()) {
            *outcomes.entry(outcome.as_str()).or_default() += 1;
        }
        scene.timer.shows(scene.engine.now() + HOUR + MINUTE);
        assert_eq!(scene.left(), BUDGET.units, "round {round}");
        scene.upstream.polls.lock().unwrap().clear();
        scene.upstream.submissions.lock().unwrap().clear();
    }
    eprintln!("{ROUNDS} rounds, {looks} looks: {outcomes:?}");
    assert_eq!(
        outcomes.keys().copied().collect::<Vec<_>>(),
        ["cancelled", "done", "failed", "moderated", "unknown"]
    );
    scene.ledger_agrees().await;
}

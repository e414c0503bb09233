//! Answers that are given again: a key is claimed with its job, once, and for a day.

use filmgate_domain::*;
use filmgate_store::{ANSWERS_KEPT, Answer, Claim, JobFilter, Remembered, Scope, Store, StoreError};

use crate::{admitted, at, people, stores};

const DAY: u64 = ANSWERS_KEPT.as_secs();

fn scope(caller: CallerId, key: &str) -> Scope {
    Scope { caller, path: "/v1/videos".into(), key: key.into() }
}

fn claim(caller: CallerId, key: &str, answer: Option<Answer>) -> Option<Claim> {
    Some(Claim { scope: scope(caller, key), fingerprint: [7; 32], answer })
}

fn said(body: &str) -> Answer {
    Answer { status: 200, body: body.as_bytes().to_vec() }
}

async fn number_of_jobs(store: &Store) -> usize {
    store.jobs(&JobFilter::default()).await.unwrap().len()
}

#[tokio::test]
async fn an_answer_is_remembered_with_its_job_across_a_kill() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, token, at(0), 1);
        let answer = Answer { status: 200, body: vec![0, 1, 0xff, b'{'] };
        store.admit_claiming(&job, claim(caller, "k", Some(answer.clone()))).await.unwrap();
        let expected = Remembered { fingerprint: [7; 32], job: job.id, answer: Some(answer) };
        assert_eq!(store.remembered(&scope(caller, "k"), at(1)).await.unwrap(), Some(expected.clone()));

        let killed = place.as_after_a_kill();
        let after = killed.open();
        assert_eq!(after.remembered(&scope(caller, "k"), at(1)).await.unwrap(), Some(expected));
        assert_eq!(after.job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn of_two_jobs_with_one_key_one_is_admitted() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        // All are queued before the first is answered, so that they share a commit.
        let pending: Vec<_> = (0..64)
            .map(|seed| {
                let job = admitted(caller, token, at(seed), seed);
                (job.id, store.admit_claiming(&job, claim(caller, "k", Some(said("first")))))
            })
            .collect();
        let mut admitted = Vec::new();
        for (job, pending) in pending {
            match pending.await {
                Ok(()) => admitted.push(job),
                Err(error) => assert_eq!(error, StoreError::KeyClaimed),
            }
        }
        let [winner] = admitted[..] else { panic!("{admitted:?}") };
        assert_eq!(number_of_jobs(&store).await, 1);
        let known = store.remembered(&scope(caller, "k"), at(99)).await.unwrap().unwrap();
        assert_eq!(known.job, winner);
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_written_leaves_no_claim() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, token, at(0), 1);
        store.admit(&job).await.unwrap();
        // A job that is there already; and one whose token is not known.
        store.admit_claiming(&job, claim(caller, "k", None)).await.unwrap_err();
        let no_token = admitted(caller, TokenId(99), at(0), 2);
        store.admit_claiming(&no_token, claim(caller, "k", None)).await.unwrap_err();
        assert_eq!(store.remembered(&scope(caller, "k"), at(0)).await.unwrap(), None);

        let other = admitted(caller, token, at(0), 3);
        store.admit_claiming(&other, claim(caller, "k", None)).await.unwrap();
        let known = store.remembered(&scope(caller, "k"), at(0)).await.unwrap().unwrap();
        assert_eq!((known.job, known.answer), (other.id, None));
    }
}

#[tokio::test]
async fn other_callers_paths_and_keys_are_others() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let stranger = store.add_caller("stranger", at(0)).await.unwrap();
        let scopes = [
            scope(caller, "k"),
            scope(caller, "K"),
            scope(stranger, "k"),
            Scope { path: "/openai/v1/videos".into(), ..scope(caller, "k") },
        ];
        for (seed, scope) in (0..).zip(&scopes) {
            assert_eq!(store.remembered(scope, at(0)).await.unwrap(), None);
            let job = admitted(scope.caller, token, at(0), seed);
            let claim = Claim { scope: scope.clone(), fingerprint: [7; 32], answer: None };
            store.admit_claiming(&job, Some(claim)).await.unwrap();
            assert_eq!(store.remembered(scope, at(0)).await.unwrap().unwrap().job, job.id);
        }
        assert_eq!(number_of_jobs(&store).await, scopes.len());
    }
}

#[tokio::test]
async fn an_answer_that_comes_later_stands_once_it_is_there() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, token, at(0), 1);
        let scope = scope(caller, "k");
        assert_eq!(store.answer(&scope, job.id, said("too early")).await.unwrap(), None);
        store.admit_claiming(&job, claim(caller, "k", None)).await.unwrap();
        let refused = Answer { status: 422, body: b"{}".to_vec() };
        assert_eq!(store.answer(&scope, job.id, refused.clone()).await.unwrap(), Some(refused.clone()));
        assert_eq!(store.answer(&scope, job.id, said("later")).await.unwrap(), Some(refused.clone()));
        let other = JobId::from_bytes([9; 16]);
        assert_eq!(store.answer(&scope, other, said("not mine")).await.unwrap(), None);
        assert_eq!(store.remembered(&scope, at(1)).await.unwrap().unwrap().answer, Some(refused));
    }
}

#[tokio::test]
async fn after_a_day_a_key_is_free_again_and_its_answer_is_forgotten() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let (old, young) = (admitted(caller, token, at(0), 1), admitted(caller, token, at(10), 2));
        store.admit_claiming(&old, claim(caller, "old", Some(said("old")))).await.unwrap();
        store.admit_claiming(&young, claim(caller, "young", Some(said("young")))).await.unwrap();

        let last = at(DAY - 1);
        assert!(store.remembered(&scope(caller, "old"), last).await.unwrap().is_some());
        let too_early = admitted(caller, token, last, 3);
        let claimed = store.admit_claiming(&too_early, claim(caller, "old", None)).await;
        assert_eq!(claimed, Err(StoreError::KeyClaimed));

        // Also while retention has not come by.
        assert_eq!(store.remembered(&scope(caller, "old"), at(DAY)).await.unwrap(), None);
        let next = admitted(caller, token, at(DAY), 4);
        store.admit_claiming(&next, claim(caller, "old", None)).await.unwrap();
        let known = store.remembered(&scope(caller, "old"), at(DAY)).await.unwrap().unwrap();
        assert_eq!((known.job, known.answer), (next.id, None));

        assert_eq!(store.forget_answers(at(DAY + 9)).await.unwrap(), 0);
        assert_eq!(store.forget_answers(at(DAY + 10)).await.unwrap(), 1);
        // Asked as of a moment at which it would still count: it is gone.
        assert_eq!(store.remembered(&scope(caller, "young"), at(11)).await.unwrap(), None);
        assert!(store.remembered(&scope(caller, "old"), at(DAY + 10)).await.unwrap().is_some());
        assert_eq!(number_of_jobs(&store).await, 3, "jobs stay");
    }
}

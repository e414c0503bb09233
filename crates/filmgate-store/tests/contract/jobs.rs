//! Jobs: what is written is read, lists are what they say, what is final stays.

use filmgate_domain::*;
use filmgate_store::{JobFilter, StoreError, StoredFile};

use crate::{admitted, at, completed, delivering, failed, file, happen, people, queued, reserved, stores};

#[tokio::test]
async fn a_jobs_whole_life_reads_back_at_every_step() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut job = queued(caller, at(0), 1);
        job.spec.prompt = "雪の中の狐 \u{0} 🦊 'quoted' $1".into();
        store.admit(&job).await.unwrap();
        assert_eq!(store.job(job.id).await.unwrap().as_ref(), Some(&job));

        let refused = Failure {
            cause: Cause::RateLimited,
            certainty: Certainty::Refused,
            status: Some(429),
            retry_after: None,
            message: "too many requests".to_owned(),
        };
        let mut second = reserved(2, token, at(4));
        second.route = Route::Fallback;
        second.reason = "ssoSuper: 3 tokens out of quota".into();
        let life = [
            Event::Reserved(Box::new(reserved(1, token, at(1)))),
            Event::Sending,
            Event::SubmitFailed(refused),
            Event::Reserved(Box::new(second)),
            Event::Sending,
            Event::Accepted { upstream_id: "up-7".into() },
            Event::Polled(Polled::Pending { progress: Some(40) }),
            Event::Polled(Polled::Done { url: "https://vidgen.example/7.mp4".into(), cost_ticks: Some(5) }),
            Event::Fetched(file(123_456)),
        ];
        for (second, event) in (1..).zip(life) {
            happen(&mut job, event, at(second));
            store.advance(&job, &[]).await.unwrap();
            assert_eq!(store.job(job.id).await.unwrap().as_ref(), Some(&job));
        }
        assert_eq!(job.state, JobState::Completed);
        store.close().await;

        let store = place.open();
        assert_eq!(store.job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn a_failure_reads_back_word_for_word() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        for (seed, fault) in (1..).zip([Fault::Caller, Fault::Token, Fault::Upstream, Fault::Gateway]) {
            let mut job = admitted(caller, token, at(seed), seed);
            store.admit(&job).await.unwrap();
            happen(&mut job, Event::DeadlinePassed, at(seed + 1000));
            job.failure = Some(JobFailure::new("some_code", fault, "what happened"));
            store.advance(&job, &[]).await.unwrap();
            assert_eq!(store.job(job.id).await.unwrap(), Some(job));
        }
    }
}

#[tokio::test]
async fn a_job_that_is_not_there_is_none() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, token, at(0), 1);
        assert_eq!(store.job(job.id).await.unwrap(), None);
        let missing = StoreError::Missing { what: "job", id: job.id.to_string() };
        assert_eq!(store.advance(&job, &[]).await, Err(missing));
        assert_eq!(store.job(job.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_job_is_admitted_once() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, token, at(0), 1);
        store.admit(&job).await.unwrap();
        let mut other = job.clone();
        other.spec.prompt = "another".into();
        assert!(store.admit(&other).await.is_err());
        assert_eq!(store.job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn a_final_job_does_not_change_and_neither_do_its_tokens() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        for (seed, ended) in [(1, completed(caller, token, at(9), 1)), (2, failed(caller, at(9), 2))] {
            store.admit(&ended).await.unwrap();
            let mut late = admitted(caller, token, at(9), seed);
            happen(&mut late, Event::DeadlinePassed, at(2000));
            let mut info = store.tokens().await.unwrap().remove(0).info;
            info.use_count = 77;
            assert_eq!(store.advance(&late, &[&info]).await, Err(StoreError::JobIsFinal(ended.id)));
            assert_eq!(store.job(ended.id).await.unwrap(), Some(ended));
            assert_eq!(store.tokens().await.unwrap()[0].info.use_count, 0);
        }
    }
}

#[tokio::test]
async fn advancing_writes_the_last_two_attempts_and_the_tokens() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut job = admitted(caller, token, at(0), 1);
        store.admit(&job).await.unwrap();
        for n in 2..=3 {
            let last = job.attempts.last_mut().unwrap();
            (last.outcome, last.settled_at) = (Some(Outcome::Refused), Some(at(1)));
            job.attempts.push(reserved(n, token, at(2)));
            store.advance(&job, &[]).await.unwrap();
        }
        assert_eq!(store.job(job.id).await.unwrap().as_ref(), Some(&job));

        let mut info = store.tokens().await.unwrap().remove(0).info;
        (info.status, info.cooling_until) = (TokenStatus::Cooling, Some(at(60)));
        (info.use_count, info.last_used_at) = (5, Some(at(3)));
        store.advance(&job, &[&info]).await.unwrap();
        let stored = store.tokens().await.unwrap().remove(0).info;
        assert_eq!((stored.status, stored.cooling_until), (TokenStatus::Cooling, Some(at(60))));
        assert_eq!((stored.use_count, stored.last_used_at), (5, Some(at(3))));
    }
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let other = store.add_caller("other", at(0)).await.unwrap();
        let jobs = [
            admitted(caller, token, at(1), 1),
            completed(other, token, at(2), 2),
            failed(caller, at(3), 3),
            admitted(other, token, at(4), 4),
            failed(other, at(5), 5),
        ];
        for job in [3, 0, 4, 2, 1].map(|n| &jobs[n]) {
            store.admit(job).await.unwrap();
        }
        let found = async |filter: JobFilter| {
            let found = store.jobs(&filter).await.unwrap();
            let places = found.iter().map(|job| jobs.iter().position(|j| j == job).unwrap());
            places.collect::<Vec<_>>()
        };
        let all = JobFilter::default();
        let oldest_first = JobFilter { ascending: true, ..all.clone() };
        assert_eq!(found(all.clone()).await, [4, 3, 2, 1, 0]);
        assert_eq!(found(oldest_first.clone()).await, [0, 1, 2, 3, 4]);
        assert_eq!(found(JobFilter { limit: 2, ..all.clone() }).await, [4, 3]);
        assert_eq!(found(JobFilter { limit: 2, after: Some(jobs[3].id), ..all.clone() }).await, [2, 1]);
        assert_eq!(found(JobFilter { after: Some(jobs[3].id), ..oldest_first.clone() }).await, [4]);
        assert_eq!(found(JobFilter { caller: Some(caller), ..all.clone() }).await, [2, 0]);
        assert_eq!(found(JobFilter { state: Some(JobState::Reserved), ..all.clone() }).await, [3, 0]);
        assert_eq!(found(JobFilter { state: Some(JobState::Failed), ..all.clone() }).await, [4, 2]);
        assert_eq!(found(JobFilter { state: Some(JobState::Queued), ..all.clone() }).await, [0; 0]);
        let narrow = JobFilter {
            caller: Some(other),
            state: Some(JobState::Failed),
            after: Some(jobs[0].id),
            limit: 1,
            ascending: true,
            ..all.clone()
        };
        assert_eq!(found(narrow).await, [4]);

        store.delete_job(jobs[4].id, at(50)).await.unwrap();
        store.delete_job(jobs[4].id, at(51)).await.unwrap();
        assert_eq!(found(all.clone()).await, [3, 2, 1, 0]);
        assert!(store.delete_job(jobs[3].id, at(50)).await.is_err(), "it is not at its end");
        let with_deleted = store.jobs(&JobFilter { deleted: true, limit: 1, ..all.clone() }).await.unwrap();
        assert_eq!((with_deleted[0].id, with_deleted[0].deleted_at), (jobs[4].id, Some(at(50))));
    }
}

#[tokio::test]
async fn what_a_video_is_made_from_and_what_its_client_chose_is_kept() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        let mut job = queued(caller, at(1), 1);
        job.spec.mode = Mode::Extend;
        job.spec.added = Some(Seconds::new(8).unwrap());
        let file = Source::File { media_type: "image/png".into(), bytes: 3, sha256: "ab".into() };
        let url = Source::Url { url: "https://example.com/狐.png".into() };
        let earlier = Source::Job { id: JobId::from_bytes([9; 16]) };
        let roles = [Role::FirstFrame, Role::Reference, Role::Video];
        let inputs = roles.into_iter().zip([file, url, earlier]);
        job.spec.inputs = inputs.map(|(role, source)| Input { role, source }).collect();
        job.on_shortage = OnShortage::Wait;
        job.wait_until = Some(at(99));
        job.webhook = Some("https://example.com/hook".into());
        store.admit(&job).await.unwrap();
        assert_eq!(store.job(job.id).await.unwrap().as_ref(), Some(&job));

        job.wait_until = None;
        store.advance(&job, &[]).await.unwrap();
        assert_eq!(store.job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn unfinished_and_finished_jobs_are_told_apart() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut first = admitted(caller, token, at(1), 1);
        let second = delivering(caller, token, at(2), 2);
        let third = completed(caller, token, at(3), 3);
        for job in [&first, &second, &third] {
            store.admit(job).await.unwrap();
        }
        assert_eq!(store.unfinished().await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(store.finished_since(at(3)).await.unwrap(), std::slice::from_ref(&third));
        assert_eq!(store.finished_since(at(4)).await.unwrap(), []);

        happen(&mut first, Event::Cancelled, at(9));
        store.advance(&first, &[]).await.unwrap();
        assert_eq!(store.unfinished().await.unwrap(), [second]);
        assert_eq!(store.finished_since(at(0)).await.unwrap(), [third, first]);
    }
}

#[tokio::test]
async fn jobs_are_counted_by_state() {
    for place in stores() {
        let store = place.open();
        assert_eq!(store.job_counts().await.unwrap(), []);
        let (caller, token) = people(&store).await;
        for seed in 0..7 {
            store.admit(&completed(caller, token, at(seed), seed)).await.unwrap();
        }
        store.admit(&failed(caller, at(8), 8)).await.unwrap();
        store.admit(&queued(caller, at(9), 9)).await.unwrap();
        let counts = [(JobState::Queued, 1), (JobState::Completed, 7), (JobState::Failed, 1)];
        assert_eq!(store.job_counts().await.unwrap(), counts);
    }
}

#[tokio::test]
async fn files_are_listed_until_they_are_removed() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut newer = delivering(caller, token, at(1), 1);
        happen(&mut newer, Event::Fetched(file(2000)), at(20));
        let older = completed(caller, token, at(10), 2);
        for job in [&newer, &older, &failed(caller, at(3), 3), &delivering(caller, token, at(4), 4)] {
            store.admit(job).await.unwrap();
        }
        let of = |job: &Job, bytes| StoredFile {
            job: job.id,
            finished_at: job.finished_at.unwrap(),
            bytes,
            deleted: false,
        };
        assert_eq!(store.files().await.unwrap(), [of(&older, 1000), of(&newer, 2000)]);

        store.delete_job(newer.id, at(29)).await.unwrap();
        let doomed = StoredFile { deleted: true, ..of(&newer, 2000) };
        assert_eq!(store.files().await.unwrap(), [of(&older, 1000), doomed]);
        store.file_removed(older.id, at(30)).await.unwrap();
        store.file_removed(older.id, at(31)).await.unwrap();
        assert_eq!(store.files().await.unwrap(), [doomed]);
        let removed = store.job(older.id).await.unwrap().unwrap();
        assert_eq!((removed.file_removed_at, removed.has_file()), (Some(at(30)), false));

        let running = store.unfinished().await.unwrap()[0].id;
        assert!(store.file_removed(running, at(32)).await.is_err());
    }
}

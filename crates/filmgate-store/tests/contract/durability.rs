//! What is acknowledged stays, in the order in which it was asked for, whatever happens to others.

use filmgate_domain::*;
use filmgate_store::{JobFilter, StoreError};

use crate::{admitted, at, people, stores};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let tasks = (0..32).map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..20 {
                    let mut job = admitted(caller, token, at(n), task * 1000 + n);
                    store.admit(&job).await.unwrap();
                    if n % 2 == 0 {
                        job.progress = 50;
                        store.advance(&job, &[]).await.unwrap();
                    }
                    acknowledged.push(job);
                }
                acknowledged
            })
        });
        let mut acknowledged = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            acknowledged.extend(task.await.unwrap());
        }
        acknowledged.sort_by_key(|job| job.id);

        let killed = place.as_after_a_kill();
        assert_eq!(killed.open().unfinished().await.unwrap(), acknowledged);
        // Dropped, but not closed: the threads of the old store may still be at work.
        drop(store);
        assert_eq!(place.open().unfinished().await.unwrap(), acknowledged);
    }
}

#[tokio::test]
async fn writes_happen_in_the_order_of_the_calls() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut job = admitted(caller, token, at(0), 1);
        let first = store.admit(&job);
        let rest: Vec<_> = (1..=99)
            .map(|progress| {
                job.progress = progress;
                store.advance(&job, &[])
            })
            .collect();
        // Awaited the other way round, which changes nothing.
        for pending in rest.into_iter().rev() {
            pending.await.unwrap();
        }
        first.await.unwrap();
        assert_eq!(store.job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn a_write_happens_though_nobody_waits_for_it() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut job = admitted(caller, token, at(0), 1);
        store.admit(&job).detach();
        job.progress = 50;
        drop(store.advance(&job, &[]));
        store.close().await;
        assert_eq!(place.open().job(job.id).await.unwrap(), Some(job));
    }
}

#[tokio::test]
async fn a_write_that_fails_harms_no_other() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let mut good = Vec::new();
        let mut bad = Vec::new();
        // All are queued before the first is answered, so that most share a commit.
        for seed in 0..300 {
            let job = admitted(caller, token, at(seed), seed);
            match seed % 100 {
                // A caller that is not known; a job that is there already; a job that is not there.
                20 => bad.push(store.admit(&Job { caller: CallerId(99), ..job })),
                40 => bad.push(store.admit(&admitted(caller, token, at(seed - 1), seed - 1))),
                60 => bad.push(store.advance(&job, &[])),
                _ => good.push((job.id, store.admit(&job))),
            }
        }
        let mut admitted = Vec::new();
        for (id, pending) in good {
            pending.await.unwrap();
            admitted.push(id);
        }
        for pending in bad {
            pending.await.unwrap_err();
        }
        let all = JobFilter { limit: 1000, ascending: true, ..JobFilter::default() };
        let stored: Vec<_> = store.jobs(&all).await.unwrap().iter().map(|job| job.id).collect();
        assert_eq!(stored, admitted);
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let clone = store.clone();
        store.close().await;
        assert_eq!(clone.callers().await, Err(StoreError::Closed));
        assert_eq!(clone.admit(&admitted(caller, token, at(0), 1)).await, Err(StoreError::Closed));
        clone.close().await;
    }
}

#[tokio::test]
async fn without_threads_a_dropped_committer_loses_what_is_queued_and_keeps_what_is_committed() {
    let (directory, key) = (tempfile::tempdir().unwrap(), filmgate_store::MasterKey::generate());
    let path = directory.path().join("filmgate.db");
    let (store, committer) = filmgate_store::Store::open_inline(&path, &key).unwrap();
    let committing = tokio::spawn(committer.run(|| std::future::ready(())));
    store.add_caller("committed", at(0)).await.unwrap();
    committing.abort();
    assert!(committing.await.unwrap_err().is_cancelled());
    assert_eq!(store.add_caller("queued", at(0)).await, Err(StoreError::Closed));

    let (store, committer) = filmgate_store::Store::open_inline(&path, &key).unwrap();
    let names: Vec<String> = store.callers().await.unwrap().into_iter().map(|caller| caller.name).collect();
    assert_eq!(names, ["committed"]);
    let committing = tokio::spawn(committer.run(|| std::future::ready(())));
    store.close().await;
    committing.await.unwrap();
}

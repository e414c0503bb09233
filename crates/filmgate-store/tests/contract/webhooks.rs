//! Webhooks: the end of a job is told to whom it concerns, once it is on disk, until somebody has it.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{Delivery, DeliveryFilter, DeliveryState, Due, EventId, Store, StoreError, Try};

use crate::{at, completed, delivering, file, happen, people, queued, stores};

const HOOK: &str = "https://studio.example/hook";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn secret(text: &str) -> Secret {
    Secret::new(format!("whsec_{text}"))
}

/// A job of this caller that names `webhook`, ended through `advance`.
async fn ended(store: &Store, caller: CallerId, webhook: Option<&str>, second: u64) -> Job {
    let mut job = queued(caller, at(second), second);
    job.webhook = webhook.map(Box::from);
    store.admit(&job).await.unwrap();
    happen(&mut job, Event::Cancelled, at(second));
    store.advance(&job, &[]).await.unwrap();
    job
}

async fn all(store: &Store) -> Vec<Delivery> {
    store.deliveries(&DeliveryFilter::default()).await.unwrap()
}

async fn due(store: &Store, second: u64) -> Due {
    store.due_deliveries(at(second), 4, 16).await.unwrap()
}

fn failed(second: u64, again: Option<u64>) -> Try {
    Try { at: at(second), status: Some(500), error: Some("answered 500".into()), again_at: again.map(at) }
}

#[tokio::test]
async fn the_end_of_a_job_is_told_to_its_caller_and_to_whom_it_names() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let stranger = store.add_caller("stranger", at(0)).await.unwrap();
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();

        let both = ended(&store, caller, Some("https://Other.example:8443/x?y=1"), 1).await;
        let same = ended(&store, caller, Some(HOOK), 2).await;
        let own = ended(&store, stranger, Some("https://stranger.example"), 3).await;
        ended(&store, stranger, None, 4).await;
        let mut made = delivering(caller, token, at(5), 5);
        store.admit(&made).await.unwrap();
        happen(&mut made, Event::Fetched(file(7)), at(6));
        store.advance(&made, &[]).await.unwrap();

        let mut told = all(&store).await;
        told.sort_by_key(|delivery| (delivery.created_at, delivery.url.clone()));
        let facts: Vec<_> = told.iter().map(|d| (d.job, d.caller, d.event, &*d.url, &*d.host)).collect();
        let failed = JobState::Failed;
        let expected = [
            (both.id, caller, failed, "https://Other.example:8443/x?y=1", "other.example:8443"),
            (both.id, caller, failed, HOOK, "studio.example"),
            (same.id, caller, failed, HOOK, "studio.example"),
            (own.id, stranger, failed, "https://stranger.example", "stranger.example"),
            (made.id, caller, JobState::Completed, HOOK, "studio.example"),
        ];
        assert_eq!(facts, expected);
        assert!(told.iter().all(|d| d.tries == 0 && d.state() == DeliveryState::Pending));
        assert_eq!(told[4].created_at, at(6));

        store.close().await;
        assert_eq!(all(&place.open()).await.len(), 5, "they are on disk");
    }
}

#[tokio::test]
async fn an_end_that_does_not_reach_the_disk_is_not_told() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();
        let job = completed(caller, token, at(1), 1);
        store.admit(&job).await.unwrap();
        // It is final already.
        assert_eq!(store.advance(&job, &[]).await, Err(StoreError::JobIsFinal(job.id)));
        assert_eq!(all(&store).await, []);
    }
}

#[tokio::test]
async fn what_ended_before_a_kill_is_told_after_it() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();
        let job = ended(&store, caller, None, 1).await;
        let before = due(&store, 1).await;
        let after = due(&place.as_after_a_kill().open(), 1).await;
        assert_eq!((after.deliveries[0].job, after), (job.id, before));
    }
}

#[tokio::test]
async fn a_delivery_is_due_until_it_is_delivered_or_given_up() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();
        ended(&store, caller, None, 10).await;
        assert_eq!((due(&store, 9).await.deliveries, due(&store, 9).await.next), (vec![], Some(at(10))));
        let [delivery] = &due(&store, 10).await.deliveries[..] else { panic!("one is due") };
        let id = delivery.id;

        store.note_try(id, failed(11, Some(16))).await.unwrap();
        let Due { deliveries, next } = due(&store, 15).await;
        assert_eq!((deliveries, next), (vec![], Some(at(16))));
        let [again] = &due(&store, 16).await.deliveries[..] else { panic!("it is due again") };
        assert_eq!((again.id, again.tries, again.last_status), (id, 1, Some(500)));
        assert_eq!((again.last_try_at, again.last_error.as_deref()), (Some(at(11)), Some("answered 500")));

        store.note_try(id, failed(17, None)).await.unwrap();
        let given_up = store.delivery(id).await.unwrap().unwrap();
        assert_eq!((given_up.state(), given_up.given_up_at), (DeliveryState::GivenUp, Some(at(17))));
        assert_eq!(due(&store, 99).await, Due { deliveries: vec![], next: None });

        assert!(store.retry_delivery(id, at(20)).await.unwrap());
        assert!(!store.retry_delivery(EventId::from_bytes([0; 16]), at(20)).await.unwrap());
        let taken = Try { at: at(21), status: Some(204), error: None, again_at: None };
        store.note_try(id, taken).await.unwrap();
        let delivered = store.delivery(id).await.unwrap().unwrap();
        assert_eq!((delivered.state(), delivered.tries), (DeliveryState::Delivered, 3));
        assert_eq!((delivered.last_status, delivered.last_error), (Some(204), None));
        // A late note changes nothing.
        store.note_try(id, failed(22, None)).await.unwrap();
        assert_eq!(store.delivery(id).await.unwrap().unwrap().state(), DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn one_server_does_not_hold_up_the_others() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        for second in 1..=9 {
            ended(&store, caller, Some(&format!("https://slow.example/{second}")), second).await;
        }
        ended(&store, caller, Some("https://other.example"), 10).await;
        let hosts = |due: Due| due.deliveries.into_iter().map(|d| d.url).collect::<Vec<_>>();
        let first = hosts(store.due_deliveries(at(20), 4, 16).await.unwrap());
        let slow = |n: u32| format!("https://slow.example/{n}").into_boxed_str();
        assert_eq!(first, [slow(1), "https://other.example".into(), slow(2), slow(3), slow(4)]);
        assert_eq!(hosts(store.due_deliveries(at(20), 4, 2).await.unwrap()).len(), 2);
    }
}

#[tokio::test]
async fn news_comes_when_a_job_ends_and_when_a_delivery_is_to_be_repeated() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();
        ended(&store, caller, None, 1).await;
        store.news().await;
        let id = due(&store, 1).await.deliveries[0].id;
        store.retry_delivery(id, at(2)).await.unwrap();
        store.news().await;
    }
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_filtered() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        let other = store.add_caller("other", at(0)).await.unwrap();
        let mut jobs = Vec::new();
        for (second, caller) in [(1, caller), (2, other), (3, caller)] {
            jobs.push(ended(&store, caller, Some(HOOK), second).await.id);
        }
        let [newest, middle, oldest] = &all(&store).await[..] else { panic!("three") };
        assert_eq!([oldest.job, middle.job, newest.job], jobs[..]);
        store.note_try(middle.id, failed(9, None)).await.unwrap();
        let found = async |filter: DeliveryFilter| {
            store.deliveries(&filter).await.unwrap().into_iter().map(|d| d.id).collect::<Vec<_>>()
        };
        let base = DeliveryFilter::default();
        assert_eq!(found(DeliveryFilter { caller: Some(other), ..base }).await, [middle.id]);
        assert_eq!(found(DeliveryFilter { job: Some(jobs[0]), ..base }).await, [oldest.id]);
        assert_eq!(found(DeliveryFilter { after: Some(newest.id), limit: 1, ..base }).await, [middle.id]);
        let state = |state| DeliveryFilter { state: Some(state), caller: None, ..base };
        assert_eq!(found(state(DeliveryState::GivenUp)).await, [middle.id]);
        assert_eq!(found(state(DeliveryState::Pending)).await, [newest.id, oldest.id]);
        assert_eq!(found(state(DeliveryState::Delivered)).await, []);

        assert_eq!(store.forget_deliveries(at(60)).await.unwrap(), 1, "what is pending stays");
        assert_eq!(all(&store).await.len(), 2);
    }
}

#[tokio::test]
async fn a_secret_is_made_once_and_replaced_with_a_grace() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        let texts = async |second: u64| {
            let secrets = store.webhook_secrets(caller, at(second)).await.unwrap();
            secrets.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(0).await, [""; 0]);
        assert!(store.set_webhook(caller, Some(HOOK), secret("a"), at(1)).await.unwrap());
        assert!(!store.set_webhook(caller, None, secret("b"), at(2)).await.unwrap());
        assert_eq!(texts(2).await, ["whsec_a"]);

        store.rotate_webhook(caller, secret("c"), DAY, at(100)).await.unwrap();
        assert_eq!(texts(100).await, ["whsec_c", "whsec_a"]);
        assert_eq!(texts(100 + 24 * 3600).await, ["whsec_c"]);
        store.rotate_webhook(caller, secret("d"), DAY, at(200)).await.unwrap();
        assert_eq!(texts(200).await, ["whsec_d", "whsec_c"]);

        let [webhook] = &store.webhooks().await.unwrap()[..] else { panic!("one") };
        assert_eq!((webhook.caller_name.as_str(), &webhook.url), ("default", &None));
        assert_eq!((webhook.created_at, webhook.rotated_at), (at(1), Some(at(200))));
        assert_eq!(webhook.previous_until, Some(at(200) + DAY));
        store.wipe_replaced_secrets(at(200) + DAY).await.unwrap();
        assert_eq!(store.webhooks().await.unwrap()[0].previous_until, None);

        let other = store.add_caller("other", at(0)).await.unwrap();
        store.rotate_webhook(other, secret("e"), DAY, at(300)).await.unwrap();
        assert_eq!(store.webhook_secrets(other, at(300)).await.unwrap().len(), 1);
        let missing = StoreError::Missing { what: "caller", id: "caller_99".to_owned() };
        assert_eq!(store.set_webhook(CallerId(99), None, secret("f"), at(1)).await, Err(missing));
    }
}

#[tokio::test]
async fn what_is_pending_follows_a_new_address_and_ends_with_the_webhook() {
    for place in stores() {
        let store = place.open();
        let (caller, _) = people(&store).await;
        store.set_webhook(caller, Some(HOOK), secret("a"), at(0)).await.unwrap();
        ended(&store, caller, Some("https://once.example"), 1).await;
        let urls = async || {
            let due = due(&store, 50).await;
            let mut urls: Vec<_> = due.deliveries.into_iter().map(|d| (d.url, d.host)).collect();
            urls.sort();
            urls
        };
        let once = (Box::from("https://once.example"), Box::from("once.example"));
        store.set_webhook(caller, Some("https://new.example/x"), secret("b"), at(2)).await.unwrap();
        assert_eq!(
            urls().await,
            [(Box::from("https://new.example/x"), Box::from("new.example")), once.clone()]
        );
        store.set_webhook(caller, None, secret("b"), at(3)).await.unwrap();
        assert_eq!(urls().await, [once]);
        assert!(store.remove_webhook(caller, at(4)).await.unwrap());
        assert!(!store.remove_webhook(caller, at(5)).await.unwrap());
        assert_eq!(urls().await, []);
        let deliveries = all(&store).await;
        assert!(deliveries.iter().all(|d| d.last_error.as_deref() == Some("the webhook was removed")));
        assert!(store.webhook_secrets(caller, at(5)).await.unwrap().is_empty());
    }
}

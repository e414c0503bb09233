//! Repeats that come while the first request is between its arrival and the commit of its job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{CHAT, OPENAI, Raw, XAI, assert_replayed, begin, conversation, request, send, with_key};
use crate::app::Setup;
use crate::books;
use crate::wire::assert_xai_error;

/// A server with a picture that it does not show before it is told to: whoever makes a video of it is held up
/// between its arrival and its job.
struct Picture {
    url: String,
    visitors: Arc<AtomicUsize>,
    shown: watch::Sender<bool>,
}

impl Picture {
    async fn hidden() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/fox.png", listener.local_addr().unwrap());
        let (shown, visitors) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
        let (door, count) = (shown.subscribe(), Arc::clone(&visitors));
        tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                tokio::spawn(show(visitor, door.clone()));
            }
        });
        Picture { url, visitors, shown }
    }

    /// Waits until that many have asked for it.
    async fn asked_for(&self, times: usize) {
        for _ in 0..400 {
            if self.visitors.load(SeqCst) >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not asked for {times} times");
    }
}

async fn show(mut visitor: TcpStream, mut shown: watch::Receiver<bool>) {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0";
    let mut request = [0; 4096];
    let _ = visitor.read(&mut request).await;
    let _ = shown.wait_for(|shown| *shown).await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", PNG.len());
    // A visitor who has left harms nobody.
    let _ = visitor.write_all(&[head.as_bytes(), PNG].concat()).await;
}

fn goes_anywhere() -> Setup {
    Setup { tokens: [0, 4], ..Setup::default() }.set("outside.allow_private=true")
}

#[tokio::test]
async fn a_key_whose_request_is_not_admitted_yet() {
    let (app, picture) = (goes_anywhere().start().await, Picture::hidden().await);
    let body = json!({ "prompt": "a fox", "image": { "url": picture.url } });
    let first = begin(request(&app, XAI, &[("idempotency-key", "k")], &body));
    picture.asked_for(1).await;
    let other = json!({ "prompt": "other" });
    for body in [&body, &other] {
        let second = with_key(&app, XAI, "k", body).await;
        assert_eq!((second.status, second.header("retry-after")), (StatusCode::CONFLICT, "1"), "{second:?}");
        assert_eq!(second.code(), "idempotency_in_progress");
        assert_xai_error(&second.json());
    }
    picture.shown.send_replace(true);
    let first = first.await.unwrap();
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_replayed(&with_key(&app, XAI, "k", &body).await, &first);
    let other = with_key(&app, XAI, "k", &other).await;
    assert_eq!((other.status, &*other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    assert_xai_error(&other.json());
    assert_eq!(app.jobs().await.len(), 1);
}

#[tokio::test]
async fn a_completion_with_the_same_key_waits_for_the_first() {
    let (app, picture) = (goes_anywhere().start().await, Picture::hidden().await);
    let mut body = conversation("a fox");
    let image = json!({ "type": "image_url", "image_url": { "url": picture.url } });
    body["messages"][0]["content"] = json!([{ "type": "text", "text": "a fox" }, image]);
    let key = [("idempotency-key", "k")];
    let first = begin(request(&app, CHAT, &key, &body));
    picture.asked_for(1).await;
    let repeats: Vec<_> = (0..3).map(|_| begin(request(&app, CHAT, &key, &body))).collect();
    let other = begin(request(&app, CHAT, &key, &conversation("other")));
    picture.shown.send_replace(true);
    let first = first.await.unwrap();
    for repeat in repeats {
        let repeat = repeat.await.unwrap();
        assert_eq!((repeat.status, &repeat.body), (first.status, &first.body));
    }
    let other = other.await.unwrap();
    assert_eq!((other.status, &*other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    assert_eq!((app.jobs().await.len(), picture.visitors.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_retry_waits_for_the_request_that_it_repeats() {
    let (app, picture) = (goes_anywhere().start().await, Picture::hidden().await);
    let body = json!({ "prompt": "a fox", "image": { "url": picture.url } });
    let sdk = |n| request(&app, XAI, &[("x-stainless-retry-count", n)], &body);
    let first = begin(sdk("0"));
    picture.asked_for(1).await;
    let retries = [begin(sdk("1")), begin(sdk("2")), begin(sdk("1"))];
    // Who asks anew means it.
    let another = begin(sdk("0"));
    picture.asked_for(2).await;
    picture.shown.send_replace(true);
    let (first, another) = (first.await.unwrap().video(), another.await.unwrap().video());
    assert_ne!(first, another);
    for retry in retries {
        let retried = retry.await.unwrap().video();
        assert!(retried == first || retried == another);
    }
    assert_eq!((app.jobs().await.len(), picture.visitors.load(SeqCst)), (2, 2));
}

#[tokio::test]
async fn a_retry_takes_the_place_of_a_request_whose_client_is_gone() {
    let (app, picture) = (goes_anywhere().start().await, Picture::hidden().await);
    let body = json!({ "prompt": "a fox", "image": { "url": picture.url } });
    let (count, key) = ("x-stainless-retry-count", "idempotency-key");
    for (visit, first, second) in [(1, (count, "0"), (count, "1")), (3, (key, "k"), (key, "k"))] {
        let first = begin(request(&app, XAI, &[first], &body));
        picture.asked_for(visit).await;
        first.abort();
        let second = tokio::spawn(until_admitted(request(&app, XAI, &[second], &body)));
        picture.asked_for(visit + 1).await;
        picture.shown.send_replace(true);
        assert_eq!(second.await.unwrap().status, StatusCode::OK);
        picture.shown.send_replace(false);
    }
    assert_eq!(app.jobs().await.len(), 2);
}

/// Sends a request again and again while it is told to come back.
pub(super) async fn until_admitted(request: RequestBuilder) -> Raw {
    loop {
        let answer = send(request.try_clone().unwrap()).await;
        if answer.status != StatusCode::CONFLICT {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_at_any_moment_and_retries_gets_one_video() {
    let app = Setup { tokens: [0, 8], video_seconds: 3600.0, ..Setup::default() }.start().await;
    const ROUNDS: u64 = 60;
    for round in 0..ROUNDS {
        let body = json!({ "prompt": format!("fox {round}"), "seconds": "1", "resolution": "480p" });
        let key = format!("key-{round}");
        let (first, second) = match round % 2 {
            0 => (("x-stainless-retry-count", "0"), ("x-stainless-retry-count", "1")),
            _ => (("idempotency-key", &*key), ("idempotency-key", &*key)),
        };
        let lost = begin(request(&app, OPENAI, &[first], &body));
        tokio::time::sleep(Duration::from_micros(150 * round)).await;
        lost.abort();
        let answer = until_admitted(request(&app, OPENAI, &[second], &body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for job in books::jobs(&app).await {
        *times.entry(job["prompt"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(times.len() as u64, ROUNDS);
    assert!(times.values().all(|n| *n == 1), "{times:?}");
}

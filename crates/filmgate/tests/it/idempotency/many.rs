//! Many keys, each of them in sixty-four requests at once.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::races::until_admitted;
use super::{OPENAI, Raw, assert_replayed, request, with_key};
use crate::app::{Setup, TestApp};
use crate::books;

const AT_ONCE: usize = 64;

fn wish(key: &str) -> Value {
    json!({ "prompt": format!("video of {key}"), "seconds": "4", "size": "1280x720" })
}

/// All of them ask until they have an answer; the first answer, which the others got too.
async fn race(app: &TestApp, key: &str) -> Raw {
    let mut race = JoinSet::new();
    for _ in 0..AT_ONCE {
        let request = request(app, OPENAI, &[("idempotency-key", key)], &wish(key));
        race.spawn(until_admitted(request));
    }
    let (fresh, replayed): (Vec<Raw>, Vec<Raw>) =
        race.join_all().await.into_iter().partition(|answer| answer.header("x-filmgate-replayed").is_empty());
    let [first] = <[Raw; 1]>::try_from(fresh).unwrap_or_else(|fresh| panic!("not one was first: {fresh:?}"));
    assert_eq!((first.status, replayed.len()), (StatusCode::OK, AT_ONCE - 1), "{first:?}");
    replayed.iter().for_each(|again| assert_replayed(again, &first));
    first
}

async fn is_replayed(app: &TestApp, firsts: &BTreeMap<String, Raw>) {
    for (key, first) in firsts {
        assert_replayed(&with_key(app, OPENAI, key, &wish(key)).await, first);
        let other = with_key(app, OPENAI, key, &json!({ "prompt": "other" })).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
        assert_eq!(other.code(), "idempotency_key_reused");
    }
}

async fn each_key_makes_one_video(keys: usize) {
    let mut app = Setup { tokens: [0, 16], ..Setup::default() }.start().await;
    let mut firsts = BTreeMap::new();
    for key in (0..keys).map(|n| format!("key-{n}")) {
        let first = race(&app, &key).await;
        firsts.insert(key, first);
    }
    let videos: BTreeSet<String> = firsts.values().map(Raw::video).collect();
    assert_eq!((videos.len(), books::jobs(&app).await.len()), (keys, keys));
    // A kill while one is submitted would leave it unknown, and perhaps not made.
    for video in &videos {
        app.ended(&format!("video_{video}")).await;
    }
    app.kill();
    app.launch().await;
    is_replayed(&app, &firsts).await;
    assert_eq!(books::jobs(&app).await.len(), keys);
    let made = books::generations(&app);
    let expected: BTreeMap<String, usize> = firsts.keys().map(|key| (format!("video of {key}"), 1)).collect();
    assert_eq!(made, expected);
    books::balance(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_keys_makes_one_video_and_has_one_answer() {
    each_key_makes_one_video(25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "12,800 requests"]
async fn each_of_two_hundred_keys_makes_one_video_and_has_one_answer() {
    each_key_makes_one_video(200).await;
}

//! Looking for a video whose order was not answered, in the upstream's list.

use filmgate_domain::{Certainty, Failure, Timestamp};
use filmgate_upstream::Lost;
use rstest::rstest;
use serde_json::{Value, json};

use crate::openai::openai;
use crate::server::{Server, ok};
use crate::token;

/// When the order went out, in seconds.
const SENT: i64 = 1_764_000_000;

fn video(id: &str, prompt: &str, created_at: i64) -> Value {
    json!({ "id": id, "object": "video", "prompt": prompt, "created_at": created_at, "status": "queued" })
}

fn page(videos: &[Value], has_more: bool) -> Vec<u8> {
    ok(&json!({ "object": "list", "data": videos, "has_more": has_more }).to_string())
}

async fn found(pages: Vec<Vec<u8>>) -> (Result<Vec<String>, Failure>, Vec<String>) {
    let server = Server::answering(pages).await;
    let lost = Lost { prompt: "a red fox", sent_at: Timestamp::from_millis(SENT * 1000 + 500) };
    let found = openai(&server.base()).find(&token(), &lost).await;
    (found.map(|ids| ids.iter().map(|id| id.to_string()).collect()), server.requests())
}

#[tokio::test]
async fn the_videos_of_the_same_words_since_the_order_are_found() {
    let videos = [
        video("late", "a red fox", SENT + 90),
        video("other", "a blue fox", SENT + 2),
        video("trimmed", " a red fox\n", SENT + 2),
        // The upstream's clock may be behind ours.
        video("behind", "a red fox", SENT - 50),
        video("before", "a red fox", SENT - 3600),
        video("long-ago", "a red fox", SENT - 7200),
    ];
    let (ids, requests) = found(vec![page(&videos, true)]).await;
    assert_eq!(ids.unwrap(), ["late", "trimmed", "behind"]);
    assert_eq!(requests.len(), 1, "what is older is not asked for");
    assert!(requests[0].starts_with("GET /v1/videos?limit=100&order=desc HTTP/1.1"), "{}", requests[0]);
}

#[tokio::test]
async fn all_pages_since_the_order_are_read() {
    let pages = vec![
        page(&[video("a+/=", "x", SENT + 9)], true),
        page(&[video("b", "a red fox", SENT + 8)], true),
        page(&[video("c", "a red fox", SENT + 7)], false),
    ];
    let (ids, requests) = found(pages).await;
    assert_eq!(ids.unwrap(), ["b", "c"]);
    assert!(
        requests[1].starts_with("GET /v1/videos?limit=100&order=desc&after=a%2B%2F%3D "),
        "{}",
        requests[1]
    );
}

/// From such lists nobody may conclude that the video is not there: it would be made twice.
#[rstest]
#[case::oldest_first(&[video("a", "x", SENT - 9000), video("b", "a red fox", SENT + 1)])]
#[case::no_time(&[json!({ "id": "a", "prompt": "a red fox" })])]
#[case::a_time_in_words(&[json!({ "id": "a", "prompt": "x", "created_at": "2026-11-30" })])]
#[case::no_prompt(&[json!({ "id": "a", "created_at": SENT })])]
#[case::no_id(&[json!({ "prompt": "a red fox", "created_at": SENT })])]
#[case::an_id_that_is_a_path(&[video("..", "a red fox", SENT)])]
#[case::no_objects(&[json!("a")])]
#[tokio::test]
async fn a_list_that_does_not_tell_is_no_answer(#[case] videos: &[Value]) {
    let (ids, _) = found(vec![page(videos, false)]).await;
    assert_eq!(ids.unwrap_err().certainty, Certainty::Refused);
}

#[rstest]
#[case::no_json("<p>hello</p>")]
#[case::an_object("{\"data\": {}}")]
#[case::nothing("")]
#[tokio::test]
async fn what_is_no_list_is_no_answer(#[case] body: &str) {
    let (ids, _) = found(vec![ok(body)]).await;
    assert!(ids.unwrap_err().message.contains("no list of videos"));
}

#[tokio::test]
async fn a_list_that_never_ends_is_no_answer() {
    let same = || page(&[video("a", "x", SENT + 9)], true);
    let (ids, requests) = found(vec![same(), same(), same()]).await;
    assert!(ids.unwrap_err().message.contains("the same page again"));
    assert_eq!(requests.len(), 2);

    let pages = (0..30).map(|n| page(&[video(&format!("v{n}"), "x", SENT + 9)], true)).collect();
    let (ids, requests) = found(pages).await;
    assert!(ids.unwrap_err().message.contains("does not end"));
    assert_eq!(requests.len(), 20);
}

//! Polls: every state, and what is no state.

use filmgate_domain::{Cause, Certainty, Polled};
use filmgate_upstream::connect;
use rstest::rstest;

use crate::server::{Server, Step, answer, ok};
use crate::{impatient, token, upstream};

const FILE: &str = "https://vidgen.x.ai/a.mp4?sig=1";

fn done(url: &str, cost_ticks: Option<i64>) -> Polled {
    Polled::Done { url: url.into(), cost_ticks }
}

fn moderated(reason: Option<&str>, cost_ticks: Option<i64>) -> Polled {
    Polled::Moderated { reason: reason.map(str::to_owned), cost_ticks }
}

fn failed(reason: &str) -> Polled {
    Polled::Failed { reason: reason.into() }
}

#[rstest]
#[case(answer("202 Accepted", ""), Polled::Pending { progress: None })]
#[case(answer("202 Accepted", "<html>working</html>"), Polled::Pending { progress: None })]
#[case(answer("202 Accepted", r#"{"status":"pending","progress":42}"#), Polled::Pending { progress: Some(42) })]
#[case(answer("202 Accepted", r#"{"status":"pending","progress":"42.5"}"#), Polled::Pending { progress: Some(42) })]
#[case(ok(r#"{"status":"pending"}"#), Polled::Pending { progress: None })]
#[case(ok(r#"{"status":"dreaming","progress":7.9}"#), Polled::Pending { progress: Some(7) })]
#[case(
    ok(&format!(r#"{{"status":"done","progress":100,"model":"m","video":{{"url":"{FILE}","duration":6,"respect_moderation":true}},"usage":{{"cost_in_usd_ticks":3500000000}}}}"#)),
    done(FILE, Some(3_500_000_000))
)]
#[case(ok(&format!(r#"{{"status":"done","video":{{"url":"{FILE}"}}}}"#)), done(FILE, None))]
#[case(
    ok(&format!(r#"{{"status":"done","video":{{"url":"{FILE}","respect_moderation":false}},"usage":{{"cost_in_usd_ticks":5}}}}"#)),
    moderated(None, Some(5))
)]
#[case(ok(r#"{"status":"done","video":{"url":""}}"#), moderated(None, None))]
#[case(
    ok(r#"{"status":"failed","error":{"code":"invalid_argument","message":"Blocked by moderation"}}"#),
    moderated(Some("invalid_argument: Blocked by moderation"), None)
)]
#[case(
    ok(r#"{"status":"failed","progress":0,"error":{"code":"internal_error","message":"out of GPUs"}}"#),
    failed("internal_error: out of GPUs")
)]
#[case(ok(r#"{"status":"failed","error":"out of GPUs"}"#), failed("out of GPUs"))]
#[case(ok(r#"{"status":"failed"}"#), failed("no reason given"))]
#[case(ok(r#"{"status":"expired"}"#), Polled::Expired)]
#[tokio::test]
async fn states(#[case] answer: Vec<u8>, #[case] expected: Polled) {
    let server = Server::answering([answer]).await;
    assert_eq!(upstream(&server.base()).poll(&token(), "a").await.unwrap().polled, expected);
}

#[rstest]
#[case("/files/a.mp4", "/files/a.mp4")]
#[case("files/a.mp4", "/v1/files/a.mp4")]
#[tokio::test]
async fn a_relative_address_is_one_at_the_upstream(#[case] url: &str, #[case] path: &str) {
    let body = format!(r#"{{"status":"done","video":{{"url":"{url}"}}}}"#);
    let server = Server::answering([ok(&body)]).await;
    let polled = upstream(&server.base()).poll(&token(), "a").await.unwrap().polled;
    assert_eq!(polled, done(&format!("{}{path}", server.origin()), None));
}

#[rstest]
#[case(ok(""), Cause::Garbage)]
#[case(ok("[]"), Cause::Garbage)]
#[case(ok("<html><title>Log in</title>"), Cause::Garbage)]
#[case(ok(r#"{"status":"done","video":{}}"#), Cause::Garbage)]
#[case(ok(r#"{"status":"done","video":{"url":"data:video/mp4,x"}}"#), Cause::Garbage)]
#[case(ok(r#"{"status":"done","video":{"url":"https://"}}"#), Cause::Garbage)]
#[case(answer("204 No Content", ""), Cause::Garbage)]
#[case(answer("302 Found\nLocation: /login", ""), Cause::Redirected)]
#[case(answer("401 Unauthorized", ""), Cause::Credential)]
#[case(answer("404 Not Found", r#"{"code":"not-found","error":"no such request"}"#), Cause::Rejected)]
#[case(answer("429 Too Many Requests", ""), Cause::RateLimited)]
#[case(answer("500 Internal Server Error", ""), Cause::Server)]
#[case(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(), Cause::Broken)]
#[tokio::test]
async fn what_is_no_state(#[case] answer: Vec<u8>, #[case] cause: Cause) {
    let server = Server::answering([answer]).await;
    let failure = upstream(&server.base()).poll(&token(), "a").await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (cause, Certainty::Refused), "{failure}");
}

#[tokio::test]
async fn a_pause_is_passed_on() {
    let server = Server::answering([answer("503 Service Unavailable\nRetry-After: 9", "")]).await;
    let failure = upstream(&server.base()).poll(&token(), "a").await.unwrap_err();
    assert_eq!(failure.retry_after.unwrap().as_secs(), 9);
}

/// 202 is pending whatever becomes of the body.
#[rstest]
#[case(vec![Step::Read, Step::Write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{".to_vec())])]
#[case(vec![Step::Read, Step::Write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n".to_vec()), Step::Hang])]
#[tokio::test]
async fn accepted_is_pending(#[case] script: Vec<Step>) {
    let server = Server::start([script]).await;
    let polled = connect(&impatient(&server.base())).unwrap().poll(&token(), "a").await.unwrap().polled;
    assert_eq!(polled, Polled::Pending { progress: None });
}

#[tokio::test]
async fn no_answer_in_time() {
    let server = Server::start([vec![Step::Read, Step::Hang]]).await;
    let failure = connect(&impatient(&server.base())).unwrap().poll(&token(), "a").await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (Cause::Timeout, Certainty::Refused));
}

#[rstest]
#[case("0193-ab", "/v1/videos/0193-ab")]
#[case("a/../b?c#d%20 ü", "/v1/videos/a%2F..%2Fb%3Fc%23d%2520%20%C3%BC")]
#[case("vid+AA==", "/v1/videos/vid+AA==")]
#[tokio::test]
async fn ids_are_one_path_segment(#[case] id: &str, #[case] path: &str) {
    let server = Server::answering([answer("202 Accepted", "")]).await;
    upstream(&server.base()).poll(&token(), id).await.unwrap();
    let request = server.requests().remove(0);
    assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
    assert!(request.contains("authorization: Bearer "), "{request}");
}

#[rstest]
#[case("")]
#[case("..")]
#[case("a\tb")]
#[tokio::test]
async fn ids_that_would_name_something_else_are_not_asked_for(#[case] id: &str) {
    let server = Server::start([]).await;
    let failure = upstream(&server.base()).poll(&token(), id).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Garbage);
    assert_eq!(server.connections(), 0);
}

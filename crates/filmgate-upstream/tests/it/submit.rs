//! Submissions: what goes out, and what is certain when something goes wrong.

use filmgate_domain::{Cause, Certainty, Failure, Secret};
use filmgate_upstream::{UpstreamSettings, connect};
use rstest::rstest;

use crate::server::{Server, Step, answer, ok};
use crate::{TOKEN, impatient, order, settings, token, upstream};

async fn failed(settings: &UpstreamSettings) -> Failure {
    connect(settings).unwrap().submit(&token(), &order()).await.unwrap_err()
}

fn kind(failure: &Failure) -> (Cause, Certainty) {
    (failure.cause, failure.certainty)
}

#[tokio::test]
async fn an_order_goes_out_as_the_contract_says() {
    let server = Server::answering([ok(r#"{"request_id":"0193-a"}"#)]).await;
    let receipt = upstream(&server.base()).submit(&token(), &order()).await.unwrap();
    assert_eq!(&*receipt.upstream_id, "0193-a");

    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/videos/generations HTTP/1.1\r\n"), "{head}");
    for line in [
        &format!("authorization: Bearer {TOKEN}"),
        "content-type: application/json",
        concat!("user-agent: filmgate/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|l| l == line), "{line:?} is missing in {head}");
    }
    let expected = r#"{"model":"grok-imagine-video","prompt":"a red \"fox\" 狐","duration":10,"aspect_ratio":"9:16","resolution":"720p"}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_credential_can_go_into_another_header() {
    let server = Server::answering([ok(r#"{"request_id":"a"}"#)]).await;
    let settings = UpstreamSettings {
        credential_header: "X-Key".into(),
        credential_prefix: String::new(),
        ..settings(&format!("{}/", server.base()))
    };
    connect(&settings).unwrap().submit(&token(), &order()).await.unwrap();
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /v1/videos/generations "), "{request}");
    assert!(request.contains(&format!("x-key: {TOKEN}\r\n")), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
}

#[tokio::test]
async fn one_connection_serves_many() {
    let kept = |body: &str| {
        Step::Write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let (one, two) = (kept(r#"{"request_id":"a"}"#), kept(r#"{"request_id":"b"}"#));
    let server = Server::start([vec![Step::Read, one, Step::Read, two]]).await;
    let upstream = upstream(&server.base());
    upstream.submit(&token(), &order()).await.unwrap();
    let second = upstream.submit(&token(), &order()).await.unwrap();
    assert_eq!(&*second.upstream_id, "b");
    assert_eq!(server.connections(), 1);
}

#[rstest]
#[case("http://127.0.0.1:1/v1")]
#[case("http://no-such-host.invalid/v1")]
#[tokio::test]
async fn no_connection_is_a_refusal(#[case] base: &str) {
    let failure = failed(&settings(base)).await;
    assert_eq!(kind(&failure), (Cause::Unreachable, Certainty::Refused));
    assert!(failure.message.contains("could not be reached: "), "{failure}");
}

#[tokio::test]
async fn no_tls_is_a_refusal() {
    let server =
        Server::start([vec![Step::Write(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Step::Hang]]).await;
    let failure = failed(&settings(&format!("https://localhost:{}/v1", server.port()))).await;
    assert_eq!(kind(&failure), (Cause::Unreachable, Certainty::Refused), "{failure}");
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_refusal() {
    let server = Server::start([vec![Step::Hang]]).await;
    let failure = failed(&impatient(&format!("https://localhost:{}/v1", server.port()))).await;
    assert_eq!(kind(&failure), (Cause::Unreachable, Certainty::Refused), "{failure}");
}

#[rstest]
#[case::reset_at_once(vec![Step::Reset], Cause::Broken)]
#[case::closed_at_once(vec![], Cause::Broken)]
#[case::reset(vec![Step::Read, Step::Reset], Cause::Broken)]
#[case::closed(vec![Step::Read], Cause::Broken)]
#[case::half_a_head(vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nConte".to_vec())], Cause::Broken)]
#[case::half_a_body(
    vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"request_id\":\"a\"}".to_vec())],
    Cause::Broken
)]
#[case::half_a_chunk(
    vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{".to_vec()), Step::Pause, Step::Reset],
    Cause::Broken
)]
#[case::no_http(vec![Step::Read, Step::Write(b"+OK ready\r\n\r\n".to_vec())], Cause::Garbage)]
#[case::endless_body(
    vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Step::Flood(vec![b' '; 1 << 16])],
    Cause::Garbage
)]
#[case::no_id(vec![Step::Read, Step::Write(ok("{}"))], Cause::Garbage)]
#[case::an_error_with_200(vec![Step::Read, Step::Write(ok(r#"{"error":"no"}"#))], Cause::Garbage)]
#[case::html(vec![Step::Read, Step::Write(ok("<html><title>Log in</title>"))], Cause::Garbage)]
#[case::empty(vec![Step::Read, Step::Write(answer("204 No Content", ""))], Cause::Garbage)]
#[case::server_error(vec![Step::Read, Step::Write(answer("500 Internal Server Error", ""))], Cause::Server)]
#[case::gateway_timeout(vec![Step::Read, Step::Write(answer("504 Gateway Timeout", "<html>"))], Cause::Server)]
#[case::request_timeout(vec![Step::Read, Step::Write(answer("408 Request Timeout", ""))], Cause::Server)]
#[case::conflict(vec![Step::Read, Step::Write(answer("409 Conflict", ""))], Cause::Server)]
#[tokio::test]
async fn everything_after_the_first_byte_is_unknown(#[case] script: Vec<Step>, #[case] cause: Cause) {
    let server =
        Server::start([script, vec![Step::Read, Step::Write(ok(r#"{"request_id":"again"}"#))]]).await;
    let failure = failed(&settings(&server.base())).await;
    assert_eq!(kind(&failure), (cause, Certainty::Unknown), "{failure}");
    assert_eq!(server.connections(), 1, "it is never sent again");
}

#[rstest]
#[case::no_answer(vec![Step::Read, Step::Hang])]
#[case::slow_head(vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Hang])]
#[case::slow_body(
    vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()), Step::Hang]
)]
#[tokio::test]
async fn no_answer_in_time_is_unknown(#[case] script: Vec<Step>) {
    let server = Server::start([script]).await;
    let failure = failed(&impatient(&server.base())).await;
    assert_eq!(kind(&failure), (Cause::Timeout, Certainty::Unknown), "{failure}");
    assert_eq!(server.requests().len(), 1);
}

/// Each byte is in time, the answer is not.
#[tokio::test]
async fn a_trickle_is_no_answer() {
    let drop = [Step::Write(b" ".to_vec()), Step::Pause];
    let mut script =
        vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n".to_vec())];
    script.extend(drop.into_iter().cycle().take(2_000));
    let server = Server::start([script]).await;
    let idle_timeout = settings(&server.base()).idle_timeout;
    let failure = failed(&UpstreamSettings { idle_timeout, ..impatient(&server.base()) }).await;
    assert_eq!(kind(&failure), (Cause::Timeout, Certainty::Unknown), "{failure}");
}

#[rstest]
#[case("400 Bad Request", r#"{"code":"invalid-argument","error":"duration"}"#, Cause::Rejected)]
#[case(
    "400 Bad Request",
    r#"{"code":"x","error":"Incorrect API key provided: xa***op."}"#,
    Cause::Credential
)]
#[case("401 Unauthorized", "", Cause::Credential)]
#[case("402 Payment Required", "", Cause::Credential)]
#[case("403 Forbidden", "", Cause::Credential)]
#[case("403 Forbidden", r#"{"code":"x","error":"Content violates usage guidelines."}"#, Cause::Moderated)]
#[case("404 Not Found", "404 page not found", Cause::Rejected)]
#[case("413 Payload Too Large", "", Cause::Rejected)]
#[case("422 Unprocessable Entity", r#"{"error":{"message":"no"}}"#, Cause::Rejected)]
#[case("429 Too Many Requests", "", Cause::RateLimited)]
#[tokio::test]
async fn other_4xx_are_refusals(#[case] head: &str, #[case] body: &str, #[case] cause: Cause) {
    let server = Server::answering([answer(head, body)]).await;
    let failure = failed(&settings(&server.base())).await;
    assert_eq!(kind(&failure), (cause, Certainty::Refused), "{failure}");
    assert_eq!(failure.status.unwrap().to_string(), head[..3]);
    assert!(failure.message.contains(head), "{failure}");
}

/// The status line was there: what becomes of the rest changes nothing.
#[rstest]
#[case(vec![Step::Reset])]
#[case(vec![Step::Write(b"{\"error\":".to_vec())])]
#[case(vec![Step::Flood(vec![b'x'; 1 << 16])])]
#[tokio::test]
async fn a_refusal_with_a_broken_body_is_a_refusal(#[case] rest: Vec<Step>) {
    let head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 9999999\r\n\r\n";
    let script = [vec![Step::Read, Step::Write(head.to_vec()), Step::Pause], rest].concat();
    let server = Server::start([script]).await;
    let failure = failed(&settings(&server.base())).await;
    assert_eq!(kind(&failure), (Cause::RateLimited, Certainty::Refused), "{failure}");
    assert_eq!(failure.retry_after.unwrap().as_secs(), 7);
}

#[rstest]
#[case("Retry-After: 30", 30_000)]
#[case("Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT", 60_000)]
#[case("retry-after-ms: 1500\nRetry-After: 2", 1_500)]
#[tokio::test]
async fn the_pause_that_a_429_asks_for(#[case] headers: &str, #[case] millis: u128) {
    let server = Server::answering([answer(&format!("429 Too Many Requests\n{headers}"), "slow down")]).await;
    let failure = failed(&settings(&server.base())).await;
    assert_eq!(failure.retry_after.unwrap().as_millis(), millis);
    let expected = format!("127.0.0.1:{} answered 429 Too Many Requests: \"slow down\"", server.port());
    assert_eq!(failure.to_string(), expected);
}

#[rstest]
#[case("301 Moved Permanently")]
#[case("302 Found")]
#[case("307 Temporary Redirect")]
#[case("308 Permanent Redirect")]
#[tokio::test]
async fn a_redirect_is_a_refusal_and_not_followed(#[case] status: &str) {
    let target = Server::answering([ok(r#"{"request_id":"a"}"#)]).await;
    let location = format!("{}/v1?signature=abc", target.origin());
    let server = Server::answering([answer(&format!("{status}\nLocation: {location}"), "")]).await;
    let failure = failed(&settings(&server.base())).await;
    assert_eq!(kind(&failure), (Cause::Redirected, Certainty::Refused));
    assert!(failure.message.contains(&format!("{}/v1?[redacted]", target.origin())), "{failure}");
    assert!(failure.message.contains("base_url"), "{failure}");
    assert_eq!(target.connections(), 0);
}

#[rstest]
#[case("abc\ndef")]
#[case("ключ-от-облака")]
#[case("")]
#[case(" ")]
#[tokio::test]
async fn a_token_that_cannot_be_sent_is_not_sent(#[case] text: &str) {
    let server = Server::start([]).await;
    let failure = upstream(&server.base()).submit(&Secret::new(text), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Credential, Certainty::Refused));
    assert!(failure.message.contains("the token "), "{failure}");
    assert_eq!(server.connections(), 0);
}

//! Nothing that an upstream says may carry the token into a message.

use base64::prelude::*;
use filmgate_domain::{Failure, Polled};
use rstest::rstest;

use crate::server::{Server, answer};
use crate::{TOKEN, order, token, upstream};

/// No 12 characters in a row of the token, or of how it may be encoded.
fn assert_clean(text: &str) {
    let percent = TOKEN.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let json = TOKEN.replace('/', r"\/").replace('+', r"\u002b");
    let base64 = BASE64_STANDARD.encode(TOKEN);
    for form in [TOKEN, &percent, &json, &base64] {
        for run in form.as_bytes().windows(12) {
            let run = std::str::from_utf8(run).unwrap();
            assert!(!text.contains(run), "{run:?} in {text:?}");
        }
    }
}

fn assert_silent(failure: &Failure) {
    assert_clean(&failure.to_string());
    assert_clean(&format!("{failure:?}"));
}

/// Everything that an upstream could echo.
fn echoes() -> Vec<String> {
    let percent = TOKEN.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D");
    let base64 = BASE64_STANDARD.encode(TOKEN);
    vec![
        TOKEN.to_owned(),
        format!("Bearer {TOKEN}"),
        format!(r#"{{"code":"{TOKEN}","error":"bad key {TOKEN}"}}"#),
        format!(r#"{{"code":"x","error":"bad key {}"}}"#, TOKEN.replace('/', r"\/").replace('+', r"\u002b")),
        format!(r#"{{"error":{{"message":"bad key {TOKEN}","code":"{TOKEN}"}}}}"#),
        format!(r#"{{"headers":{{"authorization":"Bearer {TOKEN}"}}}}"#),
        format!(r#"{{"raw":"{{\"authorization\":\"Bearer {}\"}}"}}"#, TOKEN.replace('+', r"\u002b")),
        format!("<html><title>no entry for {TOKEN}</title>"),
        format!("bad key {}...", &TOKEN[..30]),
        format!("bad key {}", TOKEN.to_uppercase()),
        format!("bad key {percent}"),
        format!("bad key {base64}"),
        format!("{}{TOKEN}", "x".repeat(280)),
    ]
}

#[rstest]
#[case("200 OK")]
#[case("400 Bad Request")]
#[case("401 Unauthorized")]
#[case("403 Forbidden")]
#[case("429 Too Many Requests")]
#[case("500 Internal Server Error")]
#[tokio::test]
async fn an_upstream_that_echoes_the_token(#[case] status: &str) {
    for body in echoes() {
        let server = Server::answering((0..4).map(|_| answer(status, &body))).await;
        let upstream = upstream(&server.base());
        assert_silent(&upstream.submit(&token(), &order()).await.unwrap_err());
        assert_silent(&upstream.poll(&token(), "a").await.unwrap_err());
        if let Err(failure) = upstream.check(&token()).await {
            assert_silent(&failure);
        }
        if let Err(failure) = upstream.fetch(&token(), &server.origin()).await {
            assert_silent(&failure);
        }
        assert_eq!(server.requests().len(), 4);
    }
}

#[tokio::test]
async fn a_state_that_echoes_the_token() {
    for words in [format!("bad key {TOKEN}"), format!("moderated key {TOKEN}")] {
        let body = format!(r#"{{"status":"failed","error":{{"code":"{TOKEN}","message":"{words}"}}}}"#);
        let server = Server::answering([answer("200 OK", &body)]).await;
        match upstream(&server.base()).poll(&token(), "a").await.unwrap().polled {
            Polled::Failed { reason } | Polled::Moderated { reason: Some(reason), .. } => {
                assert!(reason.contains("key [redacted]"), "{reason}");
                assert_clean(&reason);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_address_that_holds_the_token() {
    for to in
        [format!("http://10.0.0.1/{TOKEN}"), format!("http://{TOKEN}:x@x.ai/"), format!("ftp://{TOKEN}/")]
    {
        let server =
            Server::answering((0..2).map(|_| answer(&format!("302 Found\nLocation: {to}"), ""))).await;
        let upstream = upstream(&server.base());
        assert_silent(&upstream.submit(&token(), &order()).await.unwrap_err());
        assert_silent(&upstream.fetch(&token(), &server.origin()).await.unwrap_err());
        assert_silent(&upstream.fetch(&token(), &to).await.unwrap_err());
        assert_eq!(server.requests().len(), 2);
    }
}

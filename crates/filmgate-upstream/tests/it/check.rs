//! Checks of reachability and credential, and of the settings.

use filmgate_domain::{Cause, Certainty};
use filmgate_upstream::{Checked, ConnectError, UpstreamSettings, connect};
use rstest::rstest;

use crate::server::{Server, answer, ok};
use crate::{settings, token, upstream};

#[rstest]
#[case(ok(r#"{"data":[]}"#), Checked::Accepted)]
#[case(answer("404 Not Found", "404 page not found"), Checked::Reachable)]
#[case(answer("405 Method Not Allowed", ""), Checked::Reachable)]
#[tokio::test]
async fn good(#[case] answer: Vec<u8>, #[case] expected: Checked) {
    let server = Server::answering([answer]).await;
    assert_eq!(upstream(&server.base()).check(&token()).await.unwrap(), expected);
    assert!(server.requests()[0].starts_with("GET /v1/models HTTP/1.1\r\n"));
}

#[rstest]
#[case(answer("401 Unauthorized", ""), Cause::Credential)]
#[case(answer("400 Bad Request", r#"{"error":"Incorrect API key provided: xa***op."}"#), Cause::Credential)]
#[case(answer("302 Found\nLocation: /login", ""), Cause::Redirected)]
#[case(answer("502 Bad Gateway", ""), Cause::Server)]
#[case(ok("<html><title>Welcome</title>"), Cause::Garbage)]
#[tokio::test]
async fn bad(#[case] answer: Vec<u8>, #[case] cause: Cause) {
    let server = Server::answering([answer]).await;
    let failure = upstream(&server.base()).check(&token()).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (cause, Certainty::Refused), "{failure}");
}

#[rstest]
#[case("ftp://x.ai/v1")]
#[case("data:text/plain,x")]
#[case("https://user:hunter2@x.ai/v1")]
#[case("https://x.ai/v1?key=hunter2")]
#[case("https://x.ai/v1#x")]
fn base_urls_that_cannot_be_used(#[case] base_url: &str) {
    let error = connect(&settings(base_url)).err().unwrap();
    assert!(matches!(error, ConnectError::BaseUrl(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"));
}

#[rstest]
#[case("my header", "Bearer ")]
#[case("", "Bearer ")]
#[case("authorization", "Bearer\n")]
fn credential_forms_that_cannot_be_sent(#[case] header: &str, #[case] prefix: &str) {
    let base = settings("https://x.ai/v1");
    let settings =
        UpstreamSettings { credential_header: header.into(), credential_prefix: prefix.into(), ..base };
    assert!(matches!(connect(&settings).err().unwrap(), ConnectError::Credential(_)));
}

#[rstest]
#[case("proxy:3128", false)]
#[case("ftp://user:hunter2@proxy", false)]
#[case("socks5:", false)]
#[case("hunter2", false)]
#[case("http://user:hunter2@proxy:3128", true)]
#[case("https://proxy", true)]
#[case("socks5://proxy:1080", true)]
#[case("socks5h://user:hunter2@proxy:1080", true)]
fn proxies(#[case] proxy: &str, #[case] good: bool) {
    let settings = UpstreamSettings { proxy: Some(proxy.into()), ..settings("https://x.ai/v1") };
    match connect(&settings) {
        Ok(_) => assert!(good),
        Err(error) => {
            assert!(!good, "{error}");
            assert!(matches!(error, ConnectError::Proxy(_)));
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}

#[test]
fn settings_do_not_show_the_proxys_password() {
    let settings = UpstreamSettings {
        proxy: Some("http://me:hunter2@proxy:3128".into()),
        ..settings("https://x.ai/v1")
    };
    let shown = format!("{settings:?}");
    assert!(shown.contains("proxy:3128") && !shown.contains("hunter2"), "{shown}");
}

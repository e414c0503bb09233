//! The OpenAI dialect: its settings, files and checks.

use std::sync::Arc;

use bytes::Bytes;
use filmgate_domain::{Mode, Role};
use filmgate_upstream::{
    Body, Checked, Content, Kind, Order, OrderInput, Takes, Upstream, UpstreamSettings, connect,
};
use rstest::rstest;

use crate::server::{Server, answer, ok};
use crate::{TOKEN, order, settings, token};

/// As LiteLLM makes them, only shorter.
pub(crate) const ID: &str = "video_+/b=c==";
/// The same in a path.
pub(crate) const ESCAPED: &str = "video_+%2Fb=c==";

pub(crate) fn in_dialect(settings: UpstreamSettings, body: Body) -> Arc<dyn Upstream> {
    connect(&UpstreamSettings { kind: Kind::OpenAi, body, ..settings }).unwrap()
}

pub(crate) fn openai(base_url: &str) -> Arc<dyn Upstream> {
    in_dialect(settings(base_url), Body::Multipart)
}

pub(crate) fn png() -> OrderInput {
    let bytes = Bytes::from_static(b"a picture");
    OrderInput { role: Role::FirstFrame, content: Content::File { media_type: "image/png".into(), bytes } }
}

pub(crate) fn film(bytes: impl Into<Bytes>) -> OrderInput {
    let content = Content::File { media_type: "video/mp4".into(), bytes: bytes.into() };
    OrderInput { role: Role::Video, content }
}

pub(crate) fn made() -> OrderInput {
    OrderInput { role: Role::Video, content: Content::Made(ID.into()) }
}

pub(crate) fn order_from(mode: Mode, inputs: &[OrderInput]) -> Order<'_> {
    Order { mode, inputs, ..order() }
}

#[test]
fn it_takes_files_and_its_own_ids() {
    assert_eq!(openai("http://there/v1").takes(), Takes { urls: false, ids: true });
    assert_eq!(Kind::Xai.modes(), Mode::ALL);
    assert!(!Kind::OpenAi.modes().contains(&Mode::Reference));
}

#[rstest]
#[case(Kind::Xai)]
#[case(Kind::OpenAi)]
fn a_kind_is_one_word(#[case] kind: Kind) {
    assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
}

#[rstest]
#[case(ok(r#"{"object":"list","data":[]}"#), Checked::Accepted)]
#[case(answer("404 Not Found", r#"{"detail":"Not Found"}"#), Checked::Reachable)]
#[tokio::test]
async fn a_check_asks_for_models(#[case] answer: Vec<u8>, #[case] expected: Checked) {
    let server = Server::answering([answer]).await;
    assert_eq!(openai(&server.base()).check(&token()).await.unwrap(), expected);
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /v1/models HTTP/1.1\r\n") && request.contains(TOKEN), "{request}");
}

async fn read(server: &Server) -> Vec<u8> {
    let upstream = openai(&server.base());
    let polled = upstream.poll(&token(), ID).await.unwrap().polled;
    let filmgate_domain::Polled::Done { url, .. } = polled else { panic!("{polled:?}") };
    let mut file = upstream.fetch(&token(), &url).await.unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = file.chunk().await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    all
}

fn completed() -> Vec<u8> {
    ok(r#"{"id":"v","object":"video","status":"completed","progress":100,"error":null}"#)
}

#[tokio::test]
async fn a_file_comes_from_the_content_endpoint_with_the_credential() {
    let server = Server::answering([completed(), answer("200 OK\nContent-Type: video/mp4", "a film")]).await;
    assert_eq!(read(&server).await, b"a film");
    let request = server.requests().remove(1);
    assert!(request.starts_with(&format!("GET /v1/videos/{ESCAPED}/content HTTP/1.1\r\n")), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{request}");
}

#[tokio::test]
async fn a_redirect_of_the_content_within_the_origin_keeps_the_credential() {
    let to = answer("302 Found\nLocation: /files/v.mp4?sig=1", "");
    let server = Server::answering([completed(), to, answer("200 OK", "a film")]).await;
    assert_eq!(read(&server).await, b"a film");
    let request = server.requests().remove(2);
    assert!(request.starts_with("GET /files/v.mp4?sig=1 ") && request.contains(TOKEN), "{request}");
}

#[tokio::test]
async fn a_redirect_of_the_content_to_another_origin_drops_the_credential() {
    let other = Server::answering([answer("200 OK", "a film")]).await;
    let to = answer(&format!("302 Found\nLocation: {}/v.mp4", other.origin()), "");
    let server = Server::answering([completed(), to]).await;
    assert_eq!(read(&server).await, b"a film");
    assert!(server.requests()[1].contains(TOKEN));
    assert!(!other.requests()[0].contains(TOKEN));
}

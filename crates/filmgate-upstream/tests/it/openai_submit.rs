//! Submissions in the OpenAI dialect: what goes out, and what is certain when something goes wrong.

use bytes::Bytes;
use filmgate_domain::{AspectRatio, Cause, Certainty, Failure, Mode, Resolution, Role, Seconds, Shape};
use filmgate_upstream::{Body, Content, Order, OrderInput};
use rstest::rstest;
use serde_json::{Value, json};

use crate::openai::{ESCAPED, ID, film, in_dialect, made, openai, order_from, png};
use crate::server::{Server, Step, answer, ok};
use crate::{TOKEN, impatient, order, settings, token};

fn kind(failure: &Failure) -> (Cause, Certainty) {
    (failure.cause, failure.certainty)
}

/// Submits it to a server that takes it; returns what the server got, head and body.
async fn sent(order: &Order<'_>, body: Body) -> (String, String) {
    let server = Server::answering([ok(&json!({ "id": ID, "status": "queued" }).to_string())]).await;
    let receipt = in_dialect(settings(&server.base()), body).submit(&token(), order).await.unwrap();
    assert_eq!(&*receipt.upstream_id, ID);
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("authorization: Bearer {TOKEN}")), "{head}");
    (head.to_owned(), body.to_owned())
}

/// A multipart body: each part's disposition, type and text.
fn parts(head: &str, body: &str) -> Vec<(String, Option<String>, String)> {
    let boundary =
        head.lines().find_map(|line| line.strip_prefix("content-type: multipart/form-data; boundary="));
    let boundary = format!("--{}", boundary.expect("a multipart body"));
    let body = body.strip_suffix(&format!("{boundary}--\r\n")).expect("a complete body");
    let read = |part: &str| {
        let (head, text) = part.strip_prefix("\r\n")?.strip_suffix("\r\n")?.split_once("\r\n\r\n")?;
        let header = |name: &str| {
            head.lines()
                .find_map(|line| Some(line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name))?.1))
        };
        let disposition = header("content-disposition")?.strip_prefix("form-data; ")?;
        Some((disposition.to_owned(), header("content-type").map(str::to_owned), text.to_owned()))
    };
    body.split(&boundary).skip(1).map(|part| read(part).expect("a part")).collect()
}

fn text(name: &str, value: &str) -> (String, Option<String>, String) {
    (format!("name=\"{name}\""), None, value.to_owned())
}

fn file(name: &str, file: &str, media_type: &str, bytes: &str) -> (String, Option<String>, String) {
    (format!("name=\"{name}\"; filename=\"{file}\""), Some(media_type.to_owned()), bytes.to_owned())
}

#[tokio::test]
async fn an_order_is_multipart() {
    let (head, body) = sent(&order(), Body::Multipart).await;
    assert!(head.starts_with("POST /v1/videos HTTP/1.1\r\n"), "{head}");
    let expected = [
        text("model", "grok-imagine-video"),
        text("prompt", "a red \"fox\" 狐"),
        text("seconds", "10"),
        text("size", "720x1280"),
    ];
    assert_eq!(parts(&head, &body), expected);
}

#[tokio::test]
async fn an_order_can_be_json() {
    let (head, body) = sent(&order(), Body::Json).await;
    assert!(head.starts_with("POST /v1/videos HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let expected =
        r#"{"model":"grok-imagine-video","prompt":"a red \"fox\" 狐","seconds":"10","size":"720x1280"}"#;
    assert_eq!(body, expected);
}

#[rstest]
#[case(Resolution::P480, AspectRatio::R16x9, "848x480")]
#[case(Resolution::P720, AspectRatio::R16x9, "1280x720")]
#[case(Resolution::P1080, AspectRatio::R16x9, "1920x1080")]
#[case(Resolution::P1080, AspectRatio::R9x16, "1080x1920")]
#[case(Resolution::P720, AspectRatio::R1x1, "720x720")]
#[tokio::test]
async fn a_form_is_a_size(
    #[case] resolution: Resolution,
    #[case] aspect_ratio: AspectRatio,
    #[case] size: &str,
) {
    let shape = Shape { resolution, aspect_ratio, ..order().shape };
    let (_, body) = sent(&Order { shape, ..order() }, Body::Json).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["size"], size);
}

#[tokio::test]
async fn a_first_frame_is_a_file_or_a_data_uri() {
    let inputs = [png()];
    let order = order_from(Mode::Image, &inputs);
    let (head, body) = sent(&order, Body::Multipart).await;
    let parts = parts(&head, &body);
    assert_eq!(parts.len(), 5);
    assert_eq!(parts[4], file("input_reference", "image.png", "image/png", "a picture"));

    let (_, body) = sent(&order, Body::Json).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["input_reference"], json!({ "image_url": "data:image/png;base64,YSBwaWN0dXJl" }));
}

#[rstest]
#[tokio::test]
async fn an_edit_by_id_is_a_remix(#[values(Body::Multipart, Body::Json)] body: Body) {
    let inputs = [made()];
    let (head, body) = sent(&order_from(Mode::Edit, &inputs), body).await;
    assert!(head.starts_with(&format!("POST /v1/videos/{ESCAPED}/remix HTTP/1.1\r\n")), "{head}");
    assert_eq!(body, r#"{"prompt":"a red \"fox\" 狐"}"#);
}

/// JSON has no place for the file of a video.
#[rstest]
#[tokio::test]
async fn an_edit_of_a_file_is_multipart(#[values(Body::Multipart, Body::Json)] body: Body) {
    let inputs = [film("a film")];
    let (head, body) = sent(&order_from(Mode::Edit, &inputs), body).await;
    assert!(head.starts_with("POST /v1/videos/edits HTTP/1.1\r\n"), "{head}");
    let expected = [
        text("model", "grok-imagine-video"),
        text("prompt", "a red \"fox\" 狐"),
        file("video", "video.mp4", "video/mp4", "a film"),
    ];
    assert_eq!(parts(&head, &body), expected);
}

#[tokio::test]
async fn an_extension_says_what_is_added() {
    let added = Some(Seconds::new(4).unwrap());
    let inputs = [made()];
    let by_id = Order { added, ..order_from(Mode::Extend, &inputs) };
    let (head, body) = sent(&by_id, Body::Multipart).await;
    assert!(head.starts_with("POST /v1/videos/extensions HTTP/1.1\r\n"), "{head}");
    let prompt = text("prompt", "a red \"fox\" 狐");
    assert_eq!(parts(&head, &body), [prompt.clone(), text("seconds", "4"), text("video[id]", ID)]);
    let (_, body) = sent(&by_id, Body::Json).await;
    let expected = json!({ "prompt": order().prompt, "seconds": "4", "video": { "id": ID } });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);

    let inputs = [film("a film")];
    let (head, body) = sent(&Order { added, ..order_from(Mode::Extend, &inputs) }, Body::Multipart).await;
    let model = text("model", "grok-imagine-video");
    let video = file("video", "video.mp4", "video/mp4", "a film");
    assert_eq!(parts(&head, &body), [model, prompt, text("seconds", "4"), video]);
}

fn with(role: Role, content: Content) -> Vec<OrderInput> {
    vec![OrderInput { role, content }]
}

#[rstest]
#[case::reference(Mode::Reference, with(Role::Reference, png().content))]
#[case::address(Mode::Image, with(Role::FirstFrame, Content::Url("https://there/a.png".into())))]
#[case::a_video_as_first_frame(Mode::Image, with(Role::FirstFrame, Content::Made("a".into())))]
#[case::no_first_frame(Mode::Image, vec![])]
#[case::no_source(Mode::Edit, vec![])]
#[case::an_id_that_leads_elsewhere(Mode::Edit, with(Role::Video, Content::Made("..".into())))]
#[case::nothing_added(Mode::Extend, vec![made()])]
#[case::no_media_type(
    Mode::Image,
    with(Role::FirstFrame, Content::File { media_type: "a\nb".into(), bytes: Bytes::new() })
)]
#[tokio::test]
async fn what_the_dialect_cannot_say_is_not_sent(#[case] mode: Mode, #[case] inputs: Vec<OrderInput>) {
    let server = Server::start([]).await;
    let failure = openai(&server.base()).submit(&token(), &order_from(mode, &inputs)).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Rejected, Certainty::Refused), "{failure}");
    assert_eq!(server.connections(), 0);
}

#[rstest]
#[case::reset_at_once(vec![Step::Reset], Cause::Broken)]
#[case::closed(vec![Step::Read], Cause::Broken)]
#[case::half_a_body(
    vec![Step::Read, Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":\"a\"}".to_vec())],
    Cause::Broken
)]
#[case::no_http(vec![Step::Read, Step::Write(b"+OK ready\r\n\r\n".to_vec())], Cause::Garbage)]
#[case::no_id(vec![Step::Read, Step::Write(ok("{}"))], Cause::Garbage)]
#[case::a_number(vec![Step::Read, Step::Write(ok(r#"{"id":7}"#))], Cause::Garbage)]
#[case::an_id_that_leads_elsewhere(vec![Step::Read, Step::Write(ok(r#"{"id":".."}"#))], Cause::Garbage)]
#[case::an_error_with_200(vec![Step::Read, Step::Write(ok(r#"{"error":{"message":"no"}}"#))], Cause::Garbage)]
#[case::html(vec![Step::Read, Step::Write(ok("<html><title>Log in</title>"))], Cause::Garbage)]
#[case::server_error(vec![Step::Read, Step::Write(answer("500 Internal Server Error", ""))], Cause::Server)]
#[case::conflict(vec![Step::Read, Step::Write(answer("409 Conflict", ""))], Cause::Server)]
#[tokio::test]
async fn everything_after_the_first_byte_is_unknown(#[case] script: Vec<Step>, #[case] cause: Cause) {
    let server = Server::start([script, vec![Step::Read, Step::Write(ok(r#"{"id":"again"}"#))]]).await;
    let failure = openai(&server.base()).submit(&token(), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (cause, Certainty::Unknown), "{failure}");
    assert_eq!(server.connections(), 1, "it is never sent again");
}

/// More than the buffers of both sides hold.
#[tokio::test]
async fn a_connection_that_breaks_amid_a_large_file_is_unknown() {
    let server = Server::start([vec![Step::Pause, Step::Reset]]).await;
    let inputs = [film(vec![b'x'; 32 << 20])];
    let failure =
        openai(&server.base()).submit(&token(), &order_from(Mode::Edit, &inputs)).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Broken, Certainty::Unknown), "{failure}");
    assert_eq!(server.connections(), 1, "it is never sent again");
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = Server::start([vec![Step::Read, Step::Hang]]).await;
    let upstream = in_dialect(impatient(&server.base()), Body::Multipart);
    let failure = upstream.submit(&token(), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Timeout, Certainty::Unknown), "{failure}");
}

#[rstest]
#[case("400 Bad Request", "invalid_request_error", Cause::Rejected)]
#[case("400 Bad Request", "moderation_blocked", Cause::Moderated)]
#[case("400 Bad Request", "content_policy_violation", Cause::Moderated)]
#[case("400 Bad Request", "invalid_api_key", Cause::Credential)]
#[case("401 Unauthorized", "invalid_api_key", Cause::Credential)]
#[case("402 Payment Required", "billing", Cause::Credential)]
#[case("403 Forbidden", "unsupported_country", Cause::Credential)]
#[case("404 Not Found", "model_not_found", Cause::Rejected)]
#[case("415 Unsupported Media Type", "invalid_request_error", Cause::Rejected)]
#[case("422 Unprocessable Entity", "missing", Cause::Rejected)]
#[case("429 Too Many Requests", "rate_limit_exceeded", Cause::RateLimited)]
#[case("429 Too Many Requests", "insufficient_quota", Cause::RateLimited)]
#[tokio::test]
async fn other_4xx_are_refusals(#[case] head: &str, #[case] code: &str, #[case] cause: Cause) {
    let error = json!({ "message": "no", "type": "some_error", "param": null, "code": code });
    let server = Server::answering([answer(head, &json!({ "error": error }).to_string())]).await;
    let failure = openai(&server.base()).submit(&token(), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (cause, Certainty::Refused), "{failure}");
    assert_eq!(failure.status.unwrap().to_string(), head[..3]);
    assert!(failure.message.contains(&format!("\"{code}: ")), "{failure}");
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_not_followed() {
    let target = Server::answering([ok(r#"{"id":"a"}"#)]).await;
    let to = format!("307 Temporary Redirect\nLocation: {}/v1/videos", target.origin());
    let server = Server::answering([answer(&to, "")]).await;
    let failure = openai(&server.base()).submit(&token(), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Redirected, Certainty::Refused));
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn no_connection_is_a_refusal() {
    let failure = openai("http://127.0.0.1:1/v1").submit(&token(), &order()).await.unwrap_err();
    assert_eq!(kind(&failure), (Cause::Unreachable, Certainty::Refused));
}

//! The files of finished videos: with a key, and by signed link.

mod ranges;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_openai_error};

fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

/// A finished video's content: the path, and the whole file.
async fn finished(app: &TestApp) -> (String, Vec<u8>) {
    let video = app.make("a red fox", "480p", 4).await;
    let path = format!("/v1/videos/{}/content", video["id"].as_str().unwrap());
    let file = app.request(Method::GET, &path, None).await.bytes().await.unwrap().to_vec();
    assert_eq!(file.len(), video["filmgate"]["delivered"]["bytes"]);
    assert_eq!(&file[4..8], b"ftyp", "an MP4");
    (path, file)
}

/// A signed link to a finished video, as the status of xAI's dialect tells it.
async fn link_of(app: &TestApp, content: &str) -> String {
    let hex = content.split('/').nth(3).unwrap().strip_prefix("video_").unwrap();
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    app.get(&format!("/v1/videos/{uuid}")).await["video"]["url"].as_str().unwrap().to_owned()
}

async fn get_with(app: &TestApp, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    let request = app.http.request(method, format!("{}{path}", app.url)).bearer_auth(&app.client_key);
    request.headers(headers).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_whole_file() {
    let app = at_once().start().await;
    let (path, file) = finished(&app).await;
    let whole = get_with(&app, Method::GET, &path, &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header(&whole, "content-type"), "video/mp4");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert_eq!(header(&whole, "content-length"), file.len().to_string());
    assert!(header(&whole, "etag").starts_with('"') && !header(&whole, "last-modified").is_empty());

    let head = get_with(&app, Method::HEAD, &path, &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
    for name in
        ["content-type", "content-length", "etag", "last-modified", "accept-ranges", "x-content-type-options"]
    {
        assert_eq!(header(&head, name), header(&whole, name), "{name}");
    }
    assert!(head.bytes().await.unwrap().is_empty());
    assert_eq!(whole.bytes().await.unwrap(), file);
}

#[tokio::test]
async fn parts_of_the_file() {
    let app = at_once().start().await;
    let (path, file) = finished(&app).await;
    let size = file.len();
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=10-19".to_owned(), 10, 20),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=0-".to_owned(), 0, size),
        ("bytes=-7".to_owned(), size - 7, size),
        (format!("bytes=5-{}", size + 1000), 5, size),
    ] {
        let part = get_with(&app, Method::GET, &path, &[("range", &range)]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(header(&part, "content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(header(&part, "content-length"), (to - from).to_string());
        assert_eq!(part.bytes().await.unwrap(), file[from..to], "{range}");
    }
    for range in [format!("bytes={size}-"), format!("bytes={}-{}", size + 1, size + 2), "bytes=-0".to_owned()]
    {
        let beyond = get_with(&app, Method::GET, &path, &[("range", &range)]).await;
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(header(&beyond, "content-range"), format!("bytes */{size}"));
    }
}

#[tokio::test]
async fn conditions() {
    let app = at_once().start().await;
    let (path, file) = finished(&app).await;
    let whole = get_with(&app, Method::HEAD, &path, &[]).await;
    let (tag, modified) = (header(&whole, "etag").to_owned(), header(&whole, "last-modified").to_owned());
    let weak = format!("\"other\", W/{tag}");
    let long_ago = "Mon, 01 Jan 2024 00:00:00 GMT";
    let far_off = "Fri, 01 Jan 2100 00:00:00 GMT";

    for unchanged in [
        vec![("if-none-match", tag.as_str())],
        vec![("if-none-match", &weak)],
        vec![("if-none-match", "*")],
        vec![("if-modified-since", &modified)],
        vec![("if-modified-since", far_off)],
        // Tags count more than times.
        vec![("if-none-match", &tag), ("if-modified-since", long_ago)],
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = get_with(&app, method, &path, &unchanged).await;
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{unchanged:?}");
            assert_eq!(header(&answer, "etag"), tag);
            assert!(answer.bytes().await.unwrap().is_empty());
        }
    }
    for changed in [
        vec![("if-none-match", "\"other\"")],
        vec![("if-modified-since", long_ago)],
        vec![("if-none-match", "\"other\""), ("if-modified-since", far_off)],
    ] {
        let answer = get_with(&app, Method::GET, &path, &changed).await;
        assert_eq!(answer.status(), StatusCode::OK, "{changed:?}");
        assert_eq!(answer.bytes().await.unwrap(), file);
    }
    // A download goes on only in the same file.
    let rest = [("range", "bytes=10-"), ("if-range", tag.as_str())];
    let rest = get_with(&app, Method::GET, &path, &rest).await;
    assert_eq!(
        (rest.status(), rest.bytes().await.unwrap()),
        (StatusCode::PARTIAL_CONTENT, file[10..].to_vec().into())
    );
    for other in ["\"other\"", &format!("W/{tag}"), long_ago] {
        let whole = get_with(&app, Method::GET, &path, &[("range", "bytes=10-"), ("if-range", other)]).await;
        assert_eq!(
            (whole.status(), whole.bytes().await.unwrap()),
            (StatusCode::OK, file.clone().into()),
            "{other}"
        );
    }
}

#[tokio::test]
async fn no_file_yet_and_no_file_ever() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    for (prompt, code) in [("a red fox", "video_not_ready"), ("[error]", "video_failed")] {
        let video = app.create(prompt, "480p", 4).await;
        let path = format!("/v1/videos/{}", video["id"].as_str().unwrap());
        let status = if code == "video_failed" { "failed" } else { "in_progress" };
        app.until(&path, |video| video["status"] == status).await;
        let missing = app.ask(Method::GET, &format!("{path}/content"), None).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert_openai_error(&missing.body);
        assert_eq!(missing.body["error"]["code"], code);
        let head = app.request(Method::HEAD, &format!("{path}/content"), None).await;
        assert_eq!(head.status(), StatusCode::NOT_FOUND);
    }
    let video = app.create("a red fox", "480p", 4).await;
    let path = format!("/v1/videos/{}/content?variant=", video["id"].as_str().unwrap());
    for (variant, code) in [("spritesheet", "unsupported_operation"), ("poster", "invalid_value")] {
        let refused = app.ask(Method::GET, &format!("{path}{variant}"), None).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.body["error"]["param"], "variant");
        assert_eq!(refused.body["error"]["code"], code);
    }
    let thumbnail = app.ask(Method::GET, &format!("{path}thumbnail"), None).await;
    assert_eq!(thumbnail.status, StatusCode::NOT_FOUND, "it is not there yet either");
}

#[tokio::test]
async fn a_signed_link_needs_no_key() {
    let app = at_once().start().await;
    let (path, file) = finished(&app).await;
    let link = link_of(&app, &path).await;
    assert!(link.starts_with(&format!("{}/media/", app.url)), "{link}");
    let by_link = app.http.get(&link).send().await.unwrap();
    assert_eq!(by_link.status(), StatusCode::OK);
    assert_eq!(header(&by_link, "content-type"), "video/mp4");
    assert_eq!(header(&by_link, "x-content-type-options"), "nosniff");
    assert_eq!(by_link.bytes().await.unwrap(), file);
    let part = app.http.get(&link).header("range", "bytes=-7").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(app.http.head(&link).send().await.unwrap().status(), StatusCode::OK);
    // A key that is no good does not make a good link bad.
    assert_eq!(app.http.get(&link).bearer_auth("fg-nobody").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_altered_link_does_not_work() {
    let app = at_once().start().await;
    let (path, _) = finished(&app).await;
    let (other, _) = finished(&app).await;
    let (link, other) = (link_of(&app, &path).await, link_of(&app, &other).await);
    let url = reqwest::Url::parse(&link).unwrap();
    let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let (expires, signature) = (query("expires"), query("signature"));
    let flipped = format!("{}{}", if signature.starts_with('0') { '1' } else { '0' }, &signature[1..]);
    let bare = link.split('?').next().unwrap();
    let others_bare = other.split('?').next().unwrap();
    for altered in [
        bare.to_owned(),
        format!("{bare}?expires={expires}"),
        format!("{bare}?signature={signature}"),
        format!("{bare}?expires={}&signature={signature}", expires.parse::<i64>().unwrap() + 1),
        format!("{bare}?expires=-1&signature={signature}"),
        format!("{bare}?expires={expires}&signature={flipped}"),
        format!("{bare}?expires={expires}&signature={}", &signature[..62]),
        format!("{bare}?expires={expires}&signature=%00"),
        format!("{others_bare}?expires={expires}&signature={signature}"),
    ] {
        let answer = Answer::of(app.http.get(&altered).send().await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{altered}");
        assert_openai_error(&answer.body);
    }
    for (nonsense, status) in [
        (link.replace(".mp4", ""), 404),
        (link.replace(".mp4", ".mov"), 404),
        (link.replace("/media/", "/media/..%2F"), 404),
        (link.replace("/media/", "/media/%FF"), 404),
        (format!("{bare}?expires=soon&signature={signature}"), 400),
        (format!("{bare}?expires=99999999999999999999&signature={signature}"), 400),
        (format!("{bare}?expires={expires}&expires={expires}&signature={signature}"), 400),
    ] {
        let answer = Answer::of(app.http.get(&nonsense).send().await.unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{nonsense}");
        assert_openai_error(&answer.body);
    }
    // The signing key is kept: links survive a restart. (Only the port of this test's gateway changes.)
    let mut app = app;
    let before = app.url.clone();
    assert!(app.stop());
    app.launch().await;
    let again = app.http.get(link.replace(&before, &app.url)).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_link_ends_when_its_time_is_up() {
    let app = at_once().set("media.link_ttl=\"1s\"").start().await;
    let (path, _) = finished(&app).await;
    let link = link_of(&app, &path).await;
    let refused = async {
        loop {
            let answer = app.http.get(&link).send().await.unwrap();
            if answer.status() != StatusCode::OK {
                return Answer::of(answer).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let refused = refused.await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (StatusCode::FORBIDDEN, &json!("invalid_link"))
    );
}

#[tokio::test]
async fn links_are_under_the_public_url() {
    let app = at_once().set("server.public_url=\"https://videos.example/gate/\"").start().await;
    let (path, file) = finished(&app).await;
    let link = link_of(&app, &path).await;
    let rest = link.strip_prefix("https://videos.example/gate/media/").unwrap_or_else(|| panic!("{link}"));
    // What a reverse proxy would make of it.
    let answer = app.http.get(format!("{}/media/{rest}", app.url)).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), file);
    let body = json!({ "messages": [{ "role": "user", "content": "a fox" }] });
    let chat: Value =
        app.request(Method::POST, "/v1/chat/completions", Some(body)).await.json().await.unwrap();
    let content = chat["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(content.contains("\"https://videos.example/gate/media/"), "{content}");
}

#[tokio::test]
async fn a_file_that_is_gone_is_told() {
    let app = at_once().start().await;
    let (path, _) = finished(&app).await;
    let link = link_of(&app, &path).await;
    let media = app.data_dir().join("media");
    for entry in std::fs::read_dir(media).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        std::fs::remove_file(entry.path()).unwrap();
    }
    let by_key = app.ask(Method::GET, &path, None).await;
    let by_link = Answer::of(app.http.get(link).send().await.unwrap()).await;
    for missing in [by_key, by_link] {
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert_eq!(missing.body["error"]["code"], "video_missing");
    }
}

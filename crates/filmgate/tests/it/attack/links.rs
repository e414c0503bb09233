//! Links to files, and paths that lead out of where files are.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{Setup, TestApp};
use crate::wire::{Answer, read_to_end};

/// A finished video's link: what stands before the question mark, and its parameters.
async fn link(app: &TestApp) -> (String, String, String) {
    let video = app.make("a fox", "480p", 6).await;
    let id = video["id"].as_str().unwrap().strip_prefix("video_").unwrap();
    let job: filmgate_domain::JobId = id.parse().unwrap();
    let xai = app.ask(Method::GET, &format!("/xai/v1/videos/{job}"), None).await;
    let url = xai.body["video"]["url"].as_str().unwrap();
    let (file, query) = url.split_once('?').unwrap();
    let parameters: Vec<&str> = query.split(['=', '&']).collect();
    let [_, expires, _, signature] = parameters[..] else { panic!("{url}") };
    let path = file.strip_prefix(&app.url).unwrap();
    (path.to_owned(), expires.to_owned(), signature.to_owned())
}

#[tokio::test]
async fn a_link_opens_its_own_video_as_it_stands_and_nothing_else() {
    let app = Setup::default().start().await;
    let (path, expires, signature) = link(&app).await;
    let (other, ..) = link(&app).await;
    let status = async |path: &str, query: &str| {
        app.http.get(format!("{}{path}?{query}", app.url)).send().await.unwrap().status()
    };
    let query = format!("expires={expires}&signature={signature}");
    assert_eq!(status(&path, &query).await, StatusCode::OK);
    assert_eq!(status(&other, &query).await, StatusCode::FORBIDDEN, "another video");
    let later = expires.parse::<i64>().unwrap() + 1;
    for forged in [
        String::new(),
        format!("expires={expires}"),
        format!("signature={signature}"),
        format!("expires={later}&signature={signature}"),
        format!("expires={}&signature={signature}", i64::MAX),
        format!("expires=-1&signature={signature}"),
        format!("expires={expires}&signature="),
        format!("expires={expires}&signature={}", "0".repeat(64)),
        format!("expires={expires}&signature={}", &signature[..62]),
        format!("expires={expires}&signature={signature}00"),
    ] {
        assert_eq!(status(&path, &forged).await, StatusCode::FORBIDDEN, "{forged}");
    }
    for odd in [format!("{query}&expires={later}"), format!("expires=soon&signature={signature}")] {
        assert_eq!(status(&path, &odd).await, StatusCode::BAD_REQUEST, "{odd}");
    }
    // Each digit of the signature counts.
    for at in 0..signature.len() {
        let digit = if &signature[at..=at] == "0" { "1" } else { "0" };
        let altered = format!("{}{digit}{}", &signature[..at], &signature[at + 1..]);
        let forged = format!("expires={expires}&signature={altered}");
        assert_eq!(status(&path, &forged).await, StatusCode::FORBIDDEN, "{at}");
    }
}

#[tokio::test]
async fn a_link_works_until_it_says_and_not_once_its_video_is_deleted() {
    let app = Setup::default().set("media.link_ttl=\"1s\"").start().await;
    let (path, expires, signature) = link(&app).await;
    let url = format!("{}{path}?expires={expires}&signature={signature}", app.url);
    let get = async || app.http.get(&url).send().await.unwrap();
    while get().await.status() == StatusCode::OK {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = Answer::of(get().await).await;
    assert_eq!(
        (answer.status, &answer.body["error"]["code"]),
        (StatusCode::FORBIDDEN, &"invalid_link".into())
    );

    let app = Setup::default().start().await;
    let (path, expires, signature) = link(&app).await;
    let list = app.get("/v1/videos").await;
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.request(Method::DELETE, &format!("/v1/videos/{id}"), None).await.status(), StatusCode::OK);
    let url = format!("{}{path}?expires={expires}&signature={signature}", app.url);
    assert_eq!(app.http.get(&url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_where_files_are() {
    let app = Setup::default().start().await;
    let video = app.make("a fox", "480p", 6).await;
    let id = video["id"].as_str().unwrap();
    let (_, expires, signature) = link(&app).await;
    let admin_key = std::fs::read_to_string(app.data_dir().join("admin.key")).unwrap();
    let master_key = std::fs::read_to_string(app.data_dir().join("master.key")).unwrap();
    let ways = [
        "../admin.key",
        "..%2fadmin.key",
        "%2e%2e/admin.key",
        "%2e%2e%2fmaster.key",
        "..%252fadmin.key",
        "..%5cadmin.key",
        "....//admin.key",
        "..;/admin.key",
        "%c0%ae%c0%ae/admin.key",
        "%00/../admin.key",
        "..%2fadmin.key%00.mp4",
        "..%2fadmin.key.mp4",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "file:%2f%2f%2fetc%2fpasswd",
        "inputs",
        ".",
        "",
    ];
    let absolute = app.data_dir().join("admin.key").display().to_string();
    let absolute = absolute.replace('/', "%2f");
    for way in ways.into_iter().chain([&*absolute]) {
        for path in [
            format!("/media/{way}?expires={expires}&signature={signature}"),
            format!("/v1/videos/{way}/content"),
            format!("/v1/videos/{id}/content/{way}"),
            format!("/v1/videos/{id}/content?variant={way}"),
            format!("/v1/videos/{id}/{way}"),
            format!("/admin/videos/{way}/file"),
            format!("/admin/{way}"),
            format!("/docs/{way}"),
            format!("/{way}"),
        ] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
                app.client_key
            );
            let text = read_to_end(app.connect_and_send(head.as_bytes()));
            let what = format!("{path}: {}", text.chars().take(300).collect::<String>());
            for secret in [admin_key.trim(), master_key.trim(), "root:"] {
                assert!(!text.contains(secret), "{what}");
            }
            let status: u16 =
                text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
            let is_itself = ["", "."].contains(&way) && path.starts_with(&format!("/v1/videos/{id}"));
            let to_sign_in = path.starts_with("/admin") && (300..400).contains(&status);
            let is_docs = path == "/docs/";
            assert!((400..500).contains(&status) || is_itself || to_sign_in || is_docs, "{what}");
        }
    }
    let _: Value = app.get("/v1/models").await;
}

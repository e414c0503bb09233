//! The list of videos and the page of one: what they show, and what can be done there.

use filmgate_domain::JobId;
use reqwest::header::{CACHE_CONTROL, CONTENT_RANGE, ETAG, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Browser;
use crate::app::{ADMIN_KEY, Setup, TestApp};

/// How many videos the list shows.
fn rows(page: &str) -> usize {
    page.matches("<td><a href=\"/admin/videos/video_").count()
}

fn id_of(video: &Value) -> &str {
    video["id"].as_str().unwrap()
}

/// What operators did, as the log tells it.
fn deeds(app: &TestApp) -> Vec<String> {
    let lines = app.logs();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let deeds = lines.filter(|line| line["message"] == "an operator acted");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    deeds.map(|line| format!("{} {}", text(&line["action"]), text(&line["subject"]))).collect()
}

/// Waits until the log tells of this deed: lines arrive a moment after the answer that they belong to.
pub(super) async fn has_done(app: &TestApp, deed: &str) {
    for _ in 0..200 {
        if deeds(app).iter().any(|done| done == deed) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("nobody did {deed:?}: {:?}", deeds(app));
}

#[tokio::test]
async fn the_list_is_narrowed_by_all_that_it_shows() {
    let app = Setup::default().start().await;
    let as_asked = app.make("a fox", "480p", 6).await;
    let blocked = app.make("[moderate] a fox", "720p", 6).await;
    app.make("[lie] a fox", "720p", 6).await;
    app.each_token("ssoSuper", "disable").await;
    let fallen_back = app.make("a fox", "720p", 6).await;
    assert_eq!(fallen_back["filmgate"]["route"], "fallback");
    let other = app.new_key("others").await;
    let mine = json!({ "prompt": "a hare", "size": "848x480", "seconds": "4" });
    app.request_as(&other, Method::POST, "/v1/videos", Some(mine)).await;

    let browser = Browser::signed_in(&app).await;
    let all = browser.page("/admin/videos").await;
    assert_eq!(rows(&all), 5, "{all}");
    let newest = all.find(">others<").unwrap();
    let oldest = all.find(id_of(&as_asked)).unwrap();
    assert!(newest < oldest, "newest first");
    assert!(all.contains("720p 6s 16:9 → 752x416 6.0s"), "{all}");
    assert!(!all.contains("rel=\"next\"") && !all.contains("rel=\"prev\""), "one page is all");
    for (query, found) in [
        ("state=failed", 1),
        ("state=failed&pool=ssoSuper", 1),
        ("state=failed&pool=ssoBasic", 0),
        ("verdict=downgraded", 2),
        ("verdict=downgraded&route=fallback", 1),
        ("verdict=downgraded&route=primary&pool=ssoSuper", 1),
        ("route=fallback&pool=ssoBasic&state=completed", 1),
        ("caller=others", 1),
        ("caller=tests&route=upgrade", 0),
        ("since=1h", 5),
        ("to=2020-01-01T00:00", 0),
        ("from=2020-01-01T00:00&verdict=as_asked&caller=tests", 1),
        ("state=&pool=&since=", 5),
    ] {
        let page = browser.page(&format!("/admin/videos?{query}")).await;
        assert_eq!(rows(&page), found, "{query}");
        let answer = app.admin(Method::GET, &format!("/jobs?{query}"), None).await;
        assert_eq!(answer["jobs"].as_array().unwrap().len(), found, "the API: {query}");
        assert_eq!((&answer["has_more"], &answer["next"]), (&json!(false), &Value::Null), "{query}");
    }
    let failed = browser.page("/admin/videos?state=failed").await;
    assert!(failed.contains(id_of(&blocked)));
    assert!(
        failed.contains("<option value=\"failed\" selected>"),
        "the form keeps what it was told: {failed}"
    );

    for wrong in ["state=odd", "since=soon", "from=yesterday", "route=scenic", "id=video_x", "after=7"] {
        let answer = browser.get(&format!("/admin/videos?{wrong}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.text().await.unwrap().contains("role=\"alert\""), "{wrong}");
    }
    assert_eq!(browser.get("/admin/videos?caller=nobody").await.status(), StatusCode::NOT_FOUND);
    let chinese = browser.request(Method::GET, "/admin/videos").header("accept-language", "zh");
    let chinese = chinese.send().await.unwrap().text().await.unwrap();
    assert!(chinese.contains("<h1>视频</h1>") && chinese.contains(">已降级<"), "{chinese}");
}

#[tokio::test]
async fn pages_lead_to_older_videos_and_back() {
    let app = Setup { tokens: [40, 0], ..Setup::default() }.start().await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(id_of(&app.create("a fox", "480p", 1).await).to_owned());
    }
    for id in &ids {
        app.finished(id).await;
    }
    let browser = Browser::signed_in(&app).await;
    let link = |page: &str, rel: &str| {
        let end = page.find(&format!("rel=\"{rel}\""))?;
        let start = page[..end].rfind("href=\"")? + 6;
        Some(page[start..].split('"').next().unwrap().replace("&amp;", "&"))
    };
    let first = browser.page("/admin/videos?pool=ssoBasic").await;
    assert_eq!((rows(&first), link(&first, "prev")), (50, None));
    let second = browser.page(&link(&first, "next").unwrap()).await;
    assert_eq!((rows(&second), link(&second, "next")), (10, None));
    assert!(second.contains(&ids[0]) && !second.contains(&ids[10]));
    let back = browser.page(&link(&second, "prev").unwrap()).await;
    assert_eq!((rows(&back), link(&back, "prev")), (50, None));
    assert!(back.contains(&ids[59]) && back.contains(&ids[10]));
}

#[tokio::test]
async fn the_line_above_the_list_tells_what_is_new() {
    let app = Setup { video_seconds: 60.0, ..Setup::default() }.start().await;
    app.create("a fox", "480p", 6).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin/videos").await;
    let live = page.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(live.starts_with("/admin/videos/live?loaded="), "{live}");
    assert!(page.contains("1 in the making, 0 waiting."), "{page}");
    app.create("a hare", "480p", 6).await;
    let mut stream = browser.get(&live).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream.chunk().await.unwrap().unwrap();
    let first = String::from_utf8_lossy(&first);
    assert!(first.contains("2 in the making, 0 waiting."), "{first}");
    assert!(
        first.contains("<a href=\"/admin/videos\">1 new since this page was loaded: show them</a>"),
        "{first}"
    );
}

#[tokio::test]
async fn the_page_of_a_video_tells_its_whole_life() {
    let app = Setup::default().start().await;
    app.each_token("ssoSuper", "disable").await;
    let video = app.make("a <red> fox & \"friends\"", "720p", 10).await;
    let id = id_of(&video);
    let job = app.job(id).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page(&format!("/admin/videos/{id}")).await;
    let attempt = &job["attempts"][0];
    for part in [
        "a &lt;red&gt; fox &amp; &quot;friends&quot;",
        // Asked, sent, delivered; the verdict, and why.
        "720p became 752x416",
        "10 s became 6.0 s",
        "The pool that made it was asked for that: it delivers no more.",
        "<td>720p</td><td class=\"differs\">480p <span class=\"badge warn\">not as asked</span></td>",
        "This is a fallback",
        "<li>ssoSuper: 2 tokens disabled</li>",
        // Its life.
        "Asked for and accepted.",
        "of ssoBasic reserved.",
        "The upstream took it.",
        "Fetched, measured and delivered: 752x416, 6.0 s",
        // Its attempt.
        &format!("<a href=\"/admin/tokens/{0}\">{0}</a>", attempt["token"].as_str().unwrap()),
        &format!("<code>{}</code>", attempt["upstream_id"].as_str().unwrap()),
        "4 spent",
        // Its file.
        &format!("src=\"/admin/videos/{id}/file\""),
        &format!("download=\"{id}.mp4\""),
    ] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    assert!(!page.contains("data-live"), "nothing about it changes any more");
    assert!(!page.contains(&format!("action=\"/admin/videos/{id}/cancel\"")));

    let uuid: JobId = id.strip_prefix("video_").unwrap().parse().unwrap();
    assert!(browser.page(&format!("/admin/videos/{uuid}")).await.contains("720p became 752x416"));
    let chinese =
        browser.request(Method::GET, &format!("/admin/videos/{id}")).header("accept-language", "zh");
    assert!(
        chinese.send().await.unwrap().text().await.unwrap().contains("文件低于请求：720p 变成了 752x416、")
    );
    for nothing in ["video_0197f3c0111170008000000000000000", "7", "live"] {
        let found = browser.get(&format!("/admin/videos/{nothing}")).await;
        assert_ne!(found.status(), StatusCode::OK, "{nothing}");
    }
    let found = browser.get(&format!("/admin/videos?id={id}")).await;
    assert_eq!(found.headers()[LOCATION], format!("/admin/videos/{id}"));
}

#[tokio::test]
async fn the_file_is_played_by_ranges_and_only_by_who_is_signed_in() {
    let app = Setup::default().start().await;
    let video = app.make("a fox", "480p", 6).await;
    let file = format!("/admin/videos/{}/file", id_of(&video));
    let browser = Browser::signed_in(&app).await;
    let whole = browser.get(&file).await;
    assert_eq!(
        (whole.status(), &whole.headers()["content-type"]),
        (StatusCode::OK, &"video/mp4".parse().unwrap())
    );
    assert_eq!(whole.headers()[CACHE_CONTROL], "private, no-cache");
    let tag = whole.headers()[ETAG].clone();
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole, app.content(id_of(&video)).await.bytes().await.unwrap());
    let part = browser.request(Method::GET, &file).header("range", "bytes=4-7").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[CONTENT_RANGE], format!("bytes 4-7/{}", whole.len()));
    assert_eq!(&part.bytes().await.unwrap()[..], b"ftyp");
    let again = browser.request(Method::GET, &file).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let poster = browser.get(&file.replace("/file", "/poster")).await;
    assert_eq!(poster.headers()["content-type"], "image/webp");

    let stranger = Browser::new(&app);
    assert_eq!(stranger.get(&file).await.status(), StatusCode::SEE_OTHER);
    let failed = app.make("[moderate]", "480p", 6).await;
    let none = browser.get(&format!("/admin/videos/{}/file", id_of(&failed))).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unfinished_video_is_followed_and_cancelled() {
    let app = Setup { video_seconds: 60.0, ..Setup::default() }.start().await;
    let video = app.create("a fox", "480p", 6).await;
    let id = id_of(&video);
    app.reaches(id, "running").await;
    let browser = Browser::signed_in(&app).await;
    let here = format!("/admin/videos/{id}");
    let page = browser.page(&here).await;
    assert!(page.contains(&format!("data-live=\"{here}/live\"")) && !page.contains("<video"), "{page}");
    let mut stream = browser.get(&format!("{here}/live")).await;
    let first = String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()).into_owned();
    assert!(first.starts_with("event: html") && first.contains("In the making:"), "{first}");
    assert!(!first.contains("<form"), "nobody may be using what is replaced: {first}");

    let page = browser.act(&format!("{here}/cancel"), &[]).await;
    assert!(page.contains("The video is cancelled.") && page.contains("cancelled"), "{page}");
    assert_eq!(app.job(id).await["state"], "failed");
    let mut rest = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest += &String::from_utf8_lossy(&chunk);
    }
    assert!(rest.ends_with("event: reload\ndata: now\n\n"), "{rest}");
    has_done(&app, &format!("job.cancel {id}")).await;

    let late = browser.post(&format!("{here}/cancel"), &[]).await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
    assert!(late.text().await.unwrap().contains("role=\"alert\""));
}

#[tokio::test]
async fn a_video_is_made_again_for_its_caller() {
    let app = Setup::default().start().await;
    let body = json!({ "prompt": "a fox", "size": "1280x720", "seconds": "10", "on_shortage": "fail" });
    let made = app.request(Method::POST, "/v1/videos", Some(body)).await.json::<Value>().await.unwrap();
    let first = app.finished(id_of(&made)).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.act(&format!("/admin/videos/{}/again", id_of(&first)), &[]).await;
    assert!(page.contains("The same request was made once more."), "{page}");
    let listed = app.get("/v1/videos").await;
    let listed = listed["data"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "its caller has both");
    let second = app.finished(id_of(&listed[0])).await;
    assert_ne!(second["id"], first["id"]);
    for field in ["model", "prompt", "size", "seconds"] {
        assert_eq!(second[field], first[field], "{field}");
    }
    assert_eq!(second["filmgate"]["asked"], first["filmgate"]["asked"]);
    has_done(&app, &format!("job.again {}", id_of(&first))).await;

    // The choice is the client's, still: no token, no video.
    app.each_token("ssoSuper", "disable").await;
    let refused = browser.post(&format!("/admin/videos/{}/again", id_of(&first)), &[]).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.text().await.unwrap().contains("no token is available for 720p 10s"));
    app.each_token("ssoSuper", "enable").await;
    let third = app.admin(Method::POST, &format!("/jobs/{}/again", id_of(&first)), None).await;
    assert_eq!(
        (&third["prompt"], &third["caller"]),
        (&json!("a fox"), &app.job(id_of(&first)).await["caller"])
    );

    app.request(Method::DELETE, &format!("/v1/videos/{}", id_of(&first)), None).await;
    let path = format!("/admin/v1/jobs/{}/again", id_of(&first));
    let deleted = app.request_as(ADMIN_KEY, Method::POST, &path, None).await;
    assert_eq!(deleted.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_video_from_a_file_is_made_again_while_the_file_is_kept() {
    let app = Setup { video_seconds: 2.0, ..Setup::default() }.start().await;
    let picture = include_bytes!("../../../../../clients/picture.png");
    let part = reqwest::multipart::Part::bytes(&picture[..]).file_name("fox.png");
    let form = reqwest::multipart::Form::new().text("prompt", "it runs").part("input_reference", part);
    let request =
        app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key).multipart(form);
    let first: Value = request.send().await.unwrap().json().await.unwrap();
    let browser = Browser::signed_in(&app).await;
    let page = browser.act(&format!("/admin/videos/{}/again", id_of(&first)), &[]).await;
    assert!(page.contains("first frame") && page.contains("image/png"), "{page}");
    let listed = app.get("/v1/videos").await;
    let second = id_of(&listed["data"][0]).to_owned();
    assert_eq!(app.finished(&second).await["status"], "completed");
    app.finished(id_of(&first)).await;
    let orders = app.simulator.generations();
    assert_eq!(orders.len(), 2);

    let gone = browser.post(&format!("/admin/videos/{second}/again"), &[]).await;
    assert_eq!(gone.status(), StatusCode::CONFLICT);
    let said = gone.text().await.unwrap();
    assert!(said.contains("files are kept until their video is done"), "{said}");
}

#[tokio::test]
async fn who_was_told_the_end_stands_on_the_page() {
    let app = Setup::default().set("outside.allow_private=true").start().await;
    // Nobody listens there.
    let webhook = json!({ "url": "http://127.0.0.1:9/told" });
    app.admin(Method::PUT, "/webhooks/tests", Some(webhook)).await;
    let video = app.make("a fox", "480p", 6).await;
    let browser = Browser::signed_in(&app).await;
    let mut page = String::new();
    for _ in 0..200 {
        page = browser.page(&format!("/admin/videos/{}", id_of(&video))).await;
        if page.contains("tries so far: 1.") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert!(page.contains("127.0.0.1:9 is to be told by webhook; tries so far: 1."), "{page}");
    assert!(
        page.contains("<td><code>http://127.0.0.1:9/told</code></td>") && page.contains(">being sent<"),
        "{page}"
    );
}

//! The studio: a form makes a video as a client's request does, and shows that request as code.

use std::process::{Command, Stdio};

use reqwest::header::LOCATION;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Browser;
use super::videos::has_done;
use crate::app::{Setup, TestApp};
use crate::needs;

pub(crate) const PICTURE: &[u8] = include_bytes!("../../../../../clients/picture.png");

/// What a browser sends when nothing but the prompt was filled in.
pub(crate) fn filled(prompt: &str) -> Vec<(&'static str, String)> {
    let rest = [
        ("model", "grok-imagine-video"),
        ("resolution", "480p"),
        ("seconds", "6"),
        ("aspect_ratio", "16:9"),
        ("on_shortage", "fallback"),
        ("max_wait", ""),
        ("image_url", ""),
        ("caller", "studio"),
        ("request", ""),
    ];
    let rest = rest.into_iter().map(|(name, value)| (name, value.to_owned()));
    rest.chain([("prompt", prompt.to_owned())]).collect()
}

/// The same with other values for some fields.
pub(crate) fn with(
    mut fields: Vec<(&'static str, String)>,
    changes: &[(&str, &str)],
) -> Vec<(&'static str, String)> {
    for (name, value) in &mut fields {
        if let Some((_, other)) = changes.iter().find(|(changed, _)| changed == name) {
            *value = (*other).to_owned();
        }
    }
    fields
}

/// Sends the form, with a picture or, as browsers do, with no file.
async fn send(browser: &Browser, fields: Vec<(&'static str, String)>, picture: &'static [u8]) -> Response {
    let file = Part::bytes(picture).file_name(if picture.is_empty() { "" } else { "fox.png" });
    let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
    let request = browser.request(Method::POST, "/admin/studio").multipart(form.part("image", file));
    request.send().await.unwrap()
}

/// The video that a form has led to.
fn made(answer: &Response) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()[LOCATION].to_str().unwrap();
    let id = location.strip_prefix("/admin/videos/").unwrap();
    id.strip_suffix("?done=made").unwrap().to_owned()
}

/// The lines of code that a page shows in a language, as they are copied.
pub(crate) fn code(page: &str, language: &str) -> String {
    let after = page.split(&format!("<code id=\"code-{language}\">")).nth(1).expect("there is such code");
    let text = after.split("</code>").next().unwrap();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What the form asks for, in the address of the page.
pub(crate) fn checked(fields: Vec<(&'static str, String)>) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("/admin/studio?check=1&{query}")
}

#[tokio::test]
async fn a_form_makes_a_video_that_can_be_watched() {
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin/studio").await;
    assert!(page.contains("<option value=\"grok-imagine-video\" selected>"), "{page}");
    assert!(page.contains("enctype=\"multipart/form-data\"") && !page.contains("The studio's last videos"));

    let id = made(&send(&browser, filled("a fox\r\nin the snow"), b"").await);
    has_done(&app, &format!("job.make {id}")).await;
    let job = app.ended(&id).await;
    assert_eq!((&job["prompt"], &job["state"]), (&json!("a fox\nin the snow"), &json!("completed")));
    assert_eq!(
        job["filmgate"]["asked"],
        json!({ "resolution": "480p", "seconds": 6, "aspect_ratio": "16:9" })
    );
    let shown = browser.page(&format!("/admin/videos/{id}")).await;
    assert!(shown.contains("<video") && shown.contains(" · studio · "), "{shown}");
    assert!(browser.page("/admin/studio").await.contains(&format!("href=\"/admin/videos/{id}\"")));

    let mine = app.new_key("mine").await;
    let id = made(
        &send(&browser, with(filled("a hare"), &[("caller", "mine"), ("on_shortage", "fail")]), b"").await,
    );
    let listed: Value = app.request_as(&mine, Method::GET, "/v1/videos", None).await.json().await.unwrap();
    assert_eq!(listed["data"][0]["id"], id.as_str(), "it is that caller's");
}

#[tokio::test]
async fn an_image_is_the_first_frame_and_a_second_click_makes_no_second_video() {
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin/studio").await;
    let request =
        page.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(request.len() > 20, "{request}");
    let fields = || with(filled("it runs"), &[("request", &request)]);
    let (first, second) = tokio::join!(send(&browser, fields(), PICTURE), send(&browser, fields(), PICTURE));
    let id = made(&first);
    assert_eq!(id, made(&second));
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(app.simulator.generations().len(), 1);
    let shown = browser.page(&format!("/admin/videos/{id}")).await;
    assert!(
        shown.contains("image/png") && code(&shown, "curl").contains("-F 'input_reference=@\"image.png\"'")
    );
}

#[tokio::test]
async fn what_is_refused_is_told_beside_its_field() {
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let both = [("image_url", "https://images.example/fox.png")];
    for (field, fields, picture, status) in [
        ("prompt", filled(" "), &b""[..], 400),
        ("seconds", with(filled("a fox"), &[("seconds", "0")]), b"", 400),
        ("resolution", with(filled("a fox"), &[("resolution", "1080p")]), b"", 400),
        ("model", with(filled("a fox"), &[("model", "none")]), b"", 404),
        ("max_wait", with(filled("a fox"), &[("on_shortage", "wait"), ("max_wait", "0")]), b"", 400),
        ("caller", with(filled("a fox"), &[("caller", "nobody")]), b"", 400),
        ("input_reference", filled("a fox"), b"GIF89a", 400),
        ("input_reference", with(filled("a fox"), &both), PICTURE, 400),
    ] {
        let answer = send(&browser, fields, picture).await;
        assert_eq!(answer.status().as_u16(), status, "{field}");
        let page = answer.text().await.unwrap();
        assert!(
            page.contains(&format!("<span class=\"wrong\" id=\"wrong-{field}\" role=\"alert\"")),
            "{field}: {page}"
        );
        assert!(page.contains(&format!("aria-describedby=\"wrong-{field}\"")), "{field}: {page}");
    }
    let kept =
        send(&browser, with(filled("a <fox>"), &[("seconds", "0"), ("aspect_ratio", "9:16")]), b"").await;
    let kept = kept.text().await.unwrap();
    assert!(
        kept.contains("a &lt;fox&gt;</textarea>") && kept.contains("<option value=\"9:16\" selected>"),
        "{kept}"
    );
    app.each_token("ssoBasic", "disable").await;
    app.each_token("ssoSuper", "disable").await;
    let nothing_left = send(&browser, filled("a fox"), b"").await;
    assert_eq!(nothing_left.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(
        nothing_left
            .text()
            .await
            .unwrap()
            .contains("<p class=\"note bad\" role=\"alert\">no token is available")
    );
    assert!(app.simulator.generations().is_empty());
}

#[tokio::test]
async fn checking_says_where_it_would_go_and_makes_nothing() {
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let wish = with(filled("a fox"), &[("resolution", "720p"), ("seconds", "10")]);
    let page = browser.page(&checked(wish.clone())).await;
    assert!(page.contains("ssoSuper would be asked for 720p 10s 16:9."), "{page}");
    assert!(page.contains("<li>ssoBasic: cannot deliver 720p 10s</li>"), "{page}");
    let routing = "/admin/routing?model=grok-imagine-video&amp;resolution=720p&amp;seconds=10";
    assert!(page.contains(&format!("href=\"{routing}\"")), "{page}");
    app.each_token("ssoSuper", "disable").await;
    let page = browser.page(&checked(wish.clone())).await;
    assert!(
        page.contains("ssoBasic would be asked for 480p 6s 16:9.") && page.contains(">fallback<"),
        "{page}"
    );
    let page = browser.page(&checked(with(wish, &[("on_shortage", "fail")]))).await;
    assert!(page.contains("No token could make it now."), "{page}");
    let wrong = browser.get(&checked(with(filled(""), &[]))).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert!(wrong.text().await.unwrap().contains("id=\"wrong-prompt\""));
    let chinese = browser.request(Method::GET, &checked(filled("狐"))).header("accept-language", "zh");
    assert!(
        chinese.send().await.unwrap().text().await.unwrap().contains("会向 ssoBasic 请求 480p 6s 16:9。")
    );
    assert!(app.simulator.generations().is_empty());
}

/// What a client says when it runs lines in a folder with a picture, and the key in its environment.
fn in_shell(app: &TestApp, lines: &str) -> (std::path::PathBuf, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fox.png"), PICTURE).unwrap();
    let mut command = Command::new("sh");
    command.arg("-ec").arg(lines).current_dir(folder.path()).stdin(Stdio::null());
    command.env("FILMGATE_API_KEY", &app.client_key);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    (folder.path().join("video.mp4"), folder, said)
}

#[tokio::test]
async fn the_lines_for_curl_make_the_video_of_the_form() {
    if !needs::met("page::studio: curl", needs::program("curl", "--version")) {
        return;
    }
    let app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let prompt = "it's a \"red\" fox; $HOME `id` \\ 100%\r\n狐 =@<x> & more";
    let wishes = [
        filled(prompt),
        with(filled(prompt), &[("resolution", "720p"), ("seconds", "10"), ("aspect_ratio", "2:3")]),
        with(
            filled(prompt),
            &[("on_shortage", "wait"), ("max_wait", "30"), ("image_url", "https://images.example/a,b;c.png")],
        ),
        filled(prompt),
    ];
    let pictures: [&'static [u8]; 4] = [b"", b"", b"", PICTURE];
    for (wish, picture) in wishes.into_iter().zip(pictures) {
        let id = made(&send(&browser, wish.clone(), picture).await);
        let named = if picture.is_empty() { "" } else { "fox.png" };
        let asked: Vec<_> = wish.into_iter().chain([("image", named.to_owned())]).collect();
        let lines = code(&browser.page(&checked(asked)).await, "curl");
        let (file, _folder, said) = in_shell(&app, &lines);
        assert_eq!(&std::fs::read(file).unwrap()[4..8], b"ftyp", "{said}");
        let newest = app.get("/v1/videos").await["data"][0]["id"].as_str().unwrap().to_owned();
        let (by_form, by_code) = (app.ended(&id).await, app.ended(&newest).await);
        assert_ne!(id, newest);
        for field in ["model", "prompt", "state"] {
            assert_eq!(by_code[field], by_form[field], "{field}");
        }
        assert_eq!(by_code["filmgate"]["asked"], by_form["filmgate"]["asked"], "{lines}");
        let orders = app.simulator.generations();
        let [.., first, second] = &orders[..] else { panic!("{said}") };
        assert_eq!((&first.prompt, &first.asked), (&second.prompt, &second.asked), "{lines}");
        assert_eq!(first.inputs, second.inputs, "{lines}");
    }
    // The page of a video has the same lines.
    let newest = app.get("/v1/videos").await["data"][0]["id"].as_str().unwrap().to_owned();
    let lines = code(&browser.page(&format!("/admin/videos/{newest}")).await, "curl");
    assert!(lines.contains("@\"image.png\"") && lines.contains("it'\\''s a"), "{lines}");
}

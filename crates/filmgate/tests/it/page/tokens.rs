//! The tokens of the page: the list, what is done to many, those that come in and go out, one of them.

use reqwest::header::{CONTENT_DISPOSITION, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Browser;
use crate::app::{Setup, TestApp};

async fn app(tokens: [usize; 2]) -> TestApp {
    Setup { tokens, ..Setup::default() }.start().await
}

/// The ids in the rows of a list, in their order.
fn rows(page: &str) -> Vec<String> {
    let ids = page.split("name=\"id\" value=\"").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Where the answer to a form leads.
async fn leads_to(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = browser.post(path, fields).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
    answer.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// The entries of the audit by action and subject, latest first.
async fn audit(app: &TestApp) -> Vec<(String, String)> {
    let answer = app.admin(Method::GET, "/audit?action=token.", None).await;
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = answer["entries"].as_array().unwrap_or_else(|| panic!("{answer}"));
    entries.iter().map(|entry| (word(entry, "action"), word(entry, "subject"))).collect()
}

// ---- the list ----

#[tokio::test]
async fn the_list_is_filtered_searched_and_sorted() {
    let app = app([3, 2]).await;
    app.with_token("basic-2", "disable").await;
    app.make("one", "720p", 6).await;
    let browser = Browser::signed_in(&app).await;
    let all = browser.page("/admin/tokens").await;
    assert_eq!(rows(&all).len(), 5);
    assert!(all.contains("5 tokens") && all.contains("data-live=\"/admin/tokens/live\""), "{all}");
    for token in app.sim_tokens.iter().flatten() {
        assert!(!all.contains(&token.secret[..30]), "a secret is on the page");
    }
    let list = async |query: &str| rows(&browser.page(&format!("/admin/tokens?{query}")).await);
    let disabled = &*app.token_ids["basic-2"];
    assert_eq!(list("pool=ssoSuper").await.len(), 2);
    assert_eq!(list("status=disabled").await, [disabled]);
    assert_eq!(list("pool=ssoBasic&status=active").await.len(), 2);
    assert_eq!(list(&format!("q={disabled}")).await, [disabled]);
    assert_eq!(list("q=nobody").await, [""; 0]);
    let mut backwards = rows(&all);
    backwards.reverse();
    assert_eq!(list("sort=id&dir=desc").await, backwards);
    let used = list("sort=uses&dir=desc&pool=ssoSuper").await;
    let uses =
        async |id: &str| app.admin(Method::GET, &format!("/tokens/{id}"), None).await["use_count"].clone();
    assert_eq!([uses(&used[0]).await, uses(&used[1]).await], [json!(1), json!(0)]);
    assert!(all.contains("aria-sort=\"ascending\""), "the list says how it is sorted");
    let chinese = browser.request(Method::GET, "/admin/tokens").header("accept-language", "zh-CN");
    let chinese = chinese.send().await.unwrap().text().await.unwrap();
    assert!(chinese.contains("共 5 个 Token") && chinese.contains("已停用"), "{chinese}");
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let app = app([0, 0]).await;
    let many: Vec<String> = (0..120).map(|n| format!("token-number-{n:04}-of-many")).collect();
    app.admin(Method::POST, "/tokens/import", Some(json!({ "ssoBasic": many }))).await;
    let browser = Browser::signed_in(&app).await;
    let mut seen = Vec::new();
    for (page, expected) in [(1, 50), (2, 50), (3, 20), (4, 0)] {
        let found = rows(&browser.page(&format!("/admin/tokens?page={page}")).await);
        assert_eq!(found.len(), expected, "page {page}");
        seen.extend(found);
    }
    let whole = rows(&browser.page("/admin/tokens?per=200").await);
    assert_eq!((whole.len(), whole), (120, seen));
    let second = browser.page("/admin/tokens?page=2&pool=ssoBasic").await;
    assert!(second.contains("Page 2 of 3"), "{second}");
    assert!(second.contains("href=\"/admin/tokens?pool=ssoBasic&amp;page=3\""), "{second}");
}

// ---- many at once ----

#[tokio::test]
async fn ticked_rows_are_switched_at_once_and_the_list_says_so() {
    let app = app([3, 0]).await;
    let browser = Browser::signed_in(&app).await;
    let ids = rows(&browser.page("/admin/tokens").await);
    let ticked = [("list", "pool=ssoBasic"), ("scope", "ticked"), ("id", &*ids[0]), ("id", &*ids[1])];
    let disable = [&[("action", "disable")][..], &ticked].concat();
    let page = browser.act("/admin/tokens/bulk", &disable).await;
    assert!(page.contains("Disabled: 2."), "{page}");
    let states = async || {
        let tokens = app.tokens("ssoBasic").await;
        tokens.iter().map(|token| token["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["disabled", "disabled", "active"]);
    let noted = audit(&app).await;
    assert_eq!(noted.iter().filter(|(action, _)| action == "token.disable").count(), 2, "{noted:?}");
    assert!(noted.contains(&("token.disable".to_owned(), ids[1].clone())));
    browser.act("/admin/tokens/bulk", &[&[("action", "enable")][..], &ticked].concat()).await;
    assert_eq!(states().await, ["active"; 3]);
    let nothing = browser.post("/admin/tokens/bulk", &[("action", "disable"), ("scope", "ticked")]).await;
    assert_eq!(nothing.status(), StatusCode::BAD_REQUEST);
    assert!(nothing.text().await.unwrap().contains("No token was chosen."));
}

#[tokio::test]
async fn all_that_match_are_changed_after_a_look_at_their_number() {
    let app = app([3, 2]).await;
    let browser = Browser::signed_in(&app).await;
    let all = [("action", "disable"), ("scope", "all"), ("list", "pool=ssoBasic")];
    let confirm = leads_to(&browser, "/admin/tokens/bulk", &all).await;
    let page = browser.page(&confirm).await;
    assert!(page.contains("3 tokens") && page.contains("Disable (3)"), "{page}");
    assert_eq!(rows(&browser.page("/admin/tokens?status=disabled").await).len(), 0, "nothing is done yet");
    let other = Browser::signed_in(&app).await;
    assert_eq!(other.get(&confirm).await.status(), StatusCode::GONE, "it is another session's");
    assert!(browser.act(&confirm, &[]).await.contains("Disabled: 3."));
    assert_eq!(rows(&browser.page("/admin/tokens?status=disabled").await).len(), 3);
    assert_eq!(browser.post(&confirm, &[]).await.status(), StatusCode::GONE, "it is done once");

    let gone = rows(&browser.page("/admin/tokens?pool=ssoSuper").await);
    let remove = [("action", "remove"), ("scope", "ticked"), ("list", ""), ("id", &*gone[0])];
    let confirm = leads_to(&browser, "/admin/tokens/bulk", &remove).await;
    assert!(browser.page(&confirm).await.contains("secrets are wiped for good"));
    assert_eq!(app.tokens("ssoSuper").await.len(), 2, "removing is always looked at first");
    assert!(browser.act(&confirm, &[]).await.contains("Removed: 1."));
    assert_eq!(app.tokens("ssoSuper").await.len(), 1);
    assert_eq!(browser.get(&format!("/admin/tokens/{}", gone[0])).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_changes_many_by_their_ids_or_by_a_filter() {
    let app = app([3, 2]).await;
    let bulk = async |body: Value| app.admin(Method::POST, "/tokens/bulk", Some(body)).await;
    let filter = json!({ "action": "disable", "filter": { "pool": "ssoBasic" } });
    assert_eq!(bulk(filter).await, json!({ "action": "disable", "done": 3, "unknown": [] }));
    let ids = json!({ "action": "enable", "ids": [app.token_ids["basic-1"], "tok_999"] });
    assert_eq!(bulk(ids).await, json!({ "action": "enable", "done": 1, "unknown": ["tok_999"] }));
    let active = json!({ "action": "remove", "filter": { "status": "active", "pool": "ssoBasic" } });
    assert_eq!(bulk(active).await["done"], 1);
    assert_eq!(app.tokens("ssoBasic").await.len(), 2);
    for (body, param) in [
        (json!({ "action": "explode", "ids": [] }), "action"),
        (json!({ "action": "enable" }), "ids"),
        (json!({ "action": "enable", "filter": { "status": "odd" } }), "filter.status"),
    ] {
        let answer =
            app.request_as(crate::app::ADMIN_KEY, Method::POST, "/admin/v1/tokens/bulk", Some(body)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["param"], param);
    }
}

// ---- in and out ----

#[tokio::test]
async fn one_token_is_added_and_never_shown() {
    let app = app([0, 0]).await;
    let browser = Browser::signed_in(&app).await;
    let form = browser.page("/admin/tokens/add").await;
    assert!(form.contains("type=\"password\" name=\"token\"") && form.contains("ssoSuper"), "{form}");
    let secret = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.of-mine";
    let fields = [("pool", "ssoSuper"), ("token", secret), ("tags", "eu, spare"), ("note", "from <May>")];
    let page = browser.act("/admin/tokens/add", &fields).await;
    assert!(page.contains("The token was added.") && page.contains("eyJ0eXAiOi..."), "{page}");
    assert!(page.contains("from &lt;May&gt;") && !page.contains(&secret[..20]), "{page}");
    let token = &app.tokens("ssoSuper").await[0];
    assert_eq!((&token["tags"], &token["note"]), (&json!(["eu", "spare"]), &json!("from <May>")));
    assert_eq!(rows(&browser.page("/admin/tokens?tag=spare").await).len(), 1);
    let id = token["id"].as_str().unwrap();
    assert_eq!(audit(&app).await[0], ("token.add".to_owned(), id.to_owned()));

    let again = browser.post("/admin/tokens/add", &fields).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let text = again.text().await.unwrap();
    assert!(text.contains(&format!("there already: {id}")) && !text.contains(&secret[..20]), "{text}");
    let bad = browser.post("/admin/tokens/add", &[("pool", "ssoSuper"), ("token", "has spaces in it")]).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    assert!(bad.text().await.unwrap().contains("no credential has"));
}

#[tokio::test]
async fn an_import_is_looked_at_before_it_is_done() {
    let app = app([1, 0]).await;
    let browser = Browser::signed_in(&app).await;
    let known = &app.sim_tokens[0][0].secret;
    let text =
        format!("first-token-0123456789\n{known}\nhas space\nfirst-token-0123456789\nthe-third-token-0123\n");
    let preview = leads_to(&browser, "/admin/tokens/import", &[("pool", "ssoBasic"), ("text", &text)]).await;
    let page = browser.page(&preview).await;
    assert!(page.contains("Add 2") && page.contains("Twice in the text"), "{page}");
    assert!(page.contains("line 3") && page.contains("no credential has"), "{page}");
    assert!(page.contains("There already") && page.contains(&app.token_ids["basic-1"]), "{page}");
    for secret in ["first-token-0123456789", &known[..30], "the-third-token-0123"] {
        assert!(!page.contains(secret), "the secrets stay with filmgate");
    }
    let chinese =
        browser.request(Method::GET, &preview).header("accept-language", "zh").send().await.unwrap();
    let chinese = chinese.text().await.unwrap();
    assert!(chinese.contains("第 3 行") && chinese.contains("空格或非 ASCII"), "{chinese}");
    assert_eq!(app.tokens("ssoBasic").await.len(), 1, "nothing is added yet");
    assert_eq!(Browser::signed_in(&app).await.get(&preview).await.status(), StatusCode::GONE);
    let done = browser.act(&preview, &[]).await;
    assert!(done.contains("Added: 2. There already: 2. Refused: 1."), "{done}");
    assert_eq!(app.tokens("ssoBasic").await.len(), 3);
    assert_eq!(audit(&app).await[0], ("token.import".to_owned(), "tokens".to_owned()));
    assert_eq!(browser.get(&preview).await.status(), StatusCode::GONE, "it is done");
}

#[tokio::test]
async fn a_file_is_imported_too() {
    let app = app([0, 0]).await;
    let browser = Browser::signed_in(&app).await;
    let file = "{\"ssoSuper\":[\"token-of-a-file-0123\",{\"token\":\"another-of-a-file\",\"note\":\"mine\"}],\"x\":[\"y\"]}";
    let part = |name: &str, rest: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{content}\r\n")
    };
    let body = part("pool", "", "ssoBasic")
        + &part("text", "", "")
        + &part("file", "; filename=\"token.json\"\r\nContent-Type: application/json", file)
        + "--b--\r\n";
    let request = browser.request(Method::POST, "/admin/tokens/import");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let preview = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    let page = browser.page(&preview).await;
    assert!(page.contains("Add 2") && page.contains("There is no pool"), "{page}");
    browser.act(&preview, &[]).await;
    let tokens = app.tokens("ssoSuper").await;
    assert_eq!((tokens.len(), &tokens[1]["note"]), (2, &json!("mine")));
    let empty = browser.post("/admin/tokens/import", &[("pool", "ssoBasic"), ("text", " \n")]).await;
    assert_eq!(empty.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn secrets_are_exported_only_to_those_who_are_sure() {
    let app = app([1, 1]).await;
    let browser = Browser::signed_in(&app).await;
    let secret = &app.sim_tokens[0][0].secret;
    assert!(!browser.page("/admin/tokens/export").await.contains(&secret[..30]));
    let short = browser.get("/admin/tokens/export.json").await;
    assert!(short.headers()[CONTENT_DISPOSITION].to_str().unwrap().contains("filmgate-tokens.json"));
    let short: Value = short.json().await.unwrap();
    assert_eq!(short["ssoSuper"].as_array().unwrap().len(), 1);
    assert!(!short.to_string().contains(&secret[..30]));
    assert_eq!(browser.get("/admin/tokens/export.json?sure=yes").await.json::<Value>().await.unwrap(), short);
    let unsure = browser.post("/admin/tokens/export", &[]).await;
    assert_eq!(unsure.status(), StatusCode::BAD_REQUEST);
    assert!(!unsure.text().await.unwrap().contains(&secret[..30]));
    let whole = browser.post("/admin/tokens/export", &[("sure", "yes")]).await;
    assert_eq!(whole.headers()["cache-control"], "no-store");
    let whole: Value = whole.json().await.unwrap();
    assert_eq!(whole["ssoBasic"][0]["token"], secret.as_str());
    let entries = app.admin(Method::GET, "/audit?action=token.export", None).await;
    assert!(entries["entries"][0]["detail"].as_str().unwrap().contains("with their secrets"), "{entries}");
}

// ---- one token ----

#[tokio::test]
async fn one_token_tells_its_books_its_history_and_who_did_what() {
    let app = app([0, 1]).await;
    let browser = Browser::signed_in(&app).await;
    let id = &app.token_ids["super-1"];
    let video = app.make("one", "720p", 6).await;
    app.with_token("super-1", "disable").await;
    let page = browser.page(&format!("/admin/tokens/{id}")).await;
    for part in
        ["136", "Reserved", "Granted", "140", "What comes back when", "+4", "charged", "Made", "Disabled"]
    {
        assert!(page.contains(part), "{part:?} is missing in {page}");
    }
    assert!(page.contains(&format!("href=\"/admin/videos/{}\"", video["id"].as_str().unwrap())), "{page}");
    assert!(page.contains(&format!("data-live=\"/admin/tokens/{id}/live\"")), "{page}");
    assert!(page.contains("token.disable"), "{page}");
    assert!(!page.contains(&app.sim_tokens[1][0].secret[..30]));
    let path = format!("/admin/tokens/{id}");
    let saved = browser.act(&path, &[("action", "edit"), ("tags", "eu,nsfw"), ("note", "spare")]).await;
    assert!(saved.contains("Tags and note are saved.") && saved.contains("token.edit"), "{saved}");
    let trail = app.admin(Method::GET, "/audit?action=token.edit", None).await.to_string();
    assert!(
        trail.contains("tags: eu, nsfw; note: there is one"),
        "people write passwords into notes: {trail}"
    );
    assert_eq!(app.token("super-1").await["tags"], json!(["eu", "nsfw"]));
    assert!(browser.act(&path, &[("action", "enable")]).await.contains("The token is enabled."));
    assert_eq!(app.token("super-1").await["status"], "active");
    let confirm = leads_to(&browser, &path, &[("action", "remove")]).await;
    assert!(browser.act(&confirm, &[]).await.contains("Removed: 1."));
    for nobody in [&*path, "/admin/tokens/tok_999", "/admin/tokens/odd"] {
        assert_eq!(browser.get(nobody).await.status(), StatusCode::NOT_FOUND, "{nobody}");
    }
}

#[tokio::test]
async fn the_figures_are_live_and_a_removed_token_says_so() {
    let app = app([1, 1]).await;
    let browser = Browser::signed_in(&app).await;
    let one = format!("/admin/tokens/{}/live", app.token_ids["super-1"]);
    let mut streams = Vec::new();
    for path in ["/admin/tokens/live", &one] {
        let stream = browser.get(path).await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream", "{path}");
        streams.push((stream, String::new()));
    }
    let until = async |(stream, seen): &mut (reqwest::Response, String), wanted: &str| {
        while !seen.contains(wanted) {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        assert!(!seen.contains("<form") && !seen.contains("<input"), "somebody may be typing: {seen}");
    };
    until(&mut streams[0], "2 tokens").await;
    until(&mut streams[1], "Ready").await;
    app.with_token("super-1", "disable").await;
    until(&mut streams[0], "Disabled").await;
    until(&mut streams[1], "Disabled").await;
    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["super-1"]), None).await;
    until(&mut streams[0], "1 token<").await;
    until(&mut streams[1], "event: reload").await;
}

#[tokio::test]
async fn a_blame_is_taken_back_once() {
    let app = app([0, 1]).await;
    let browser = Browser::signed_in(&app).await;
    let path = format!("/admin/tokens/{}", app.token_ids["super-1"]);
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    app.make("one", "720p", 6).await;
    assert_eq!(app.token("super-1").await["status"], "cooling");
    let page = browser.page(&path).await;
    assert!(page.contains("Last errors") && page.contains("quota"), "the upstream's own words: {page}");
    let undo = [("action", "forgive"), ("seen", "1")];
    assert!(browser.act(&path, &undo).await.contains("The last blame was taken back."));
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("active"), &json!(0)));
    assert!(token["last_fail_reason"].is_null(), "{token}");
    let again = browser.post(&path, &undo).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(audit(&app).await[0].0, "token.forgive");
}

#[tokio::test]
async fn the_api_takes_a_blame_back_and_the_operators_switch_stays() {
    let mut app = app([0, 1]).await;
    let path = format!("/tokens/{}/forgive", app.token_ids["super-1"]);
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    app.make("one", "720p", 6).await;
    app.with_token("super-1", "disable").await;
    let token = app.admin(Method::POST, &path, None).await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("disabled"), &json!(0)));
    let refused = crate::operator::refused(&app, Method::POST, &path, None).await;
    assert_eq!((refused.0, &*refused.1), (409, "nothing_to_forgive"));
    // It is on disk.
    app.kill();
    app.launch().await;
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("disabled"), &json!(0)));
}

// ---- the ledger ----

#[tokio::test]
async fn the_ledger_of_a_day_is_shown_by_pool_and_token() {
    let app = app([1, 1]).await;
    app.make("one", "720p", 6).await;
    let browser = Browser::signed_in(&app).await;
    let today = browser.page("/admin/tokens/ledger").await;
    let id = &app.token_ids["super-1"];
    for part in [&format!("href=\"/admin/tokens/{id}\""), "ssoBasic", " USD", "136"] {
        assert!(today.contains(part), "{part} is not in {today}");
    }
    let long_ago = browser.page("/admin/tokens/ledger?day=2020-02-29").await;
    assert!(long_ago.contains("No token was used on this day."), "{long_ago}");
    assert!(long_ago.contains("value=\"2020-02-29\""), "{long_ago}");
    let odd = browser.request(Method::GET, "/admin/tokens/ledger?day=2020-02-30").send().await.unwrap();
    assert_eq!(odd.status(), StatusCode::BAD_REQUEST);
}

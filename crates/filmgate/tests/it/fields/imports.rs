//! Token imports that are no good: each line is told with its number, and no token is repeated whole.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::shell::Shell;
use crate::wire::assert_refused;

/// Lines, and whether each is a token.
const LINES: [(&str, bool); 10] = [
    ("", true),
    ("a-good-token-0123456789-0123456789", true),
    ("xai-a-secret-with a-space-0123456789-0123456789", false),
    ("sso=", false),
    ("# a remark", true),
    ("xai-a-secret-\u{202e}turned-round-0123456789-0123456789", false),
    ("xai-a-secret,of-a-table,0123456789", true),
    ("xai-a-secret-\u{1b}[31m-in-red-0123456789-0123456789", false),
    ("雪の中の赤い狐-xai-a-secret-0123456789", false),
    ("\"xai-a-secret-in quotes-0123456789-0123456789\"", false),
];

fn text() -> String {
    LINES.map(|(line, _)| line).join("\n")
}

fn wrong_lines() -> Vec<String> {
    let numbered = LINES.iter().zip(1..).filter(|((_, right), _)| !right);
    numbered.map(|(_, number)| format!("line {number}")).collect()
}

/// A POST of an import.
async fn import(app: &TestApp, query: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let url = format!("{}/admin/v1/tokens/import{query}", app.url);
    app.http.post(url).bearer_auth(ADMIN_KEY).body(body).send().await.unwrap()
}

#[tokio::test]
async fn every_bad_line_of_an_import_is_told_by_its_number() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for query in ["?pool=ssoBasic&dry_run=true", "?pool=ssoBasic"] {
        let answer: Value = import(&app, query, text()).await.json().await.unwrap();
        let refused = answer["refused"].as_array().unwrap();
        let places: Vec<&str> = refused.iter().map(|one| one["place"].as_str().unwrap()).collect();
        assert_eq!(places, wrong_lines(), "{answer}");
        assert!(!answer["refused"].to_string().contains("a-secret"), "{answer}");
        assert!(!answer.to_string().contains("0123456789"), "{answer}");
    }
    let broken = [b"a-token-of-before\n\n".as_slice(), b"\xff\xfe\n"].concat();
    let response = import(&app, "?pool=ssoBasic", broken).await;
    let refused = assert_refused("/admin/v1/tokens/import", response, Some("body"), "no UTF-8").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body["error"]["message"].as_str().unwrap().starts_with("line 3"), "{}", refused.body);
    assert_eq!(app.tokens("ssoBasic").await.len(), 2, "nothing of a text that is no text");
}

#[tokio::test]
async fn the_command_line_tells_the_same_lines() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let shell = Shell::of(&app);
    let ran = shell.run_with(&["token", "import", "-", "--pool", "ssoBasic"], &text()).with_code(1);
    for line in wrong_lines() {
        assert!(ran.out.contains(&format!("{line} ")), "{line}: {}", ran.out);
    }
    let told = format!("{}{}", ran.out, ran.err);
    assert!(!told.contains("xai-a-secret") && !told.contains("0123456789"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told:?}");
    let garbage = [
        "{",
        "{\"ssoBasic\":",
        "[[[[",
        "{\"xai-a-secret-0123456789-0123456789-0123456789-0123456789\":[7]}",
        "[]",
    ];
    for garbage in garbage {
        let ran = shell.run_with(&["token", "import", "-"], garbage).with_code(1);
        assert!(!ran.out.contains("-0123456789-") && !ran.err.contains("panicked"), "{}{}", ran.out, ran.err);
    }
}

#[tokio::test]
async fn figures_that_no_book_holds_do_no_harm() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let numbers = json!([1e308, -1e308, u64::MAX, i64::MIN, "many", null, [], {}]);
    for (nth, number) in numbers.as_array().unwrap().iter().enumerate() {
        let mut token = json!({ "token": format!("a-token-of-extremes-{nth}"), "status": "cooling" });
        for field in
            ["quota", "created_at", "last_used_at", "use_count", "fail_count", "last_fail_at", "last_sync_at"]
        {
            token[field] = number.clone();
        }
        for field in ["note", "tags", "last_fail_reason"] {
            token[field] = json!("\u{0}\u{202e}\u{1b}[31m</script>狐");
        }
        let tokens = json!({ "ssoBasic": [token] }).to_string();
        let answer = import(&app, "", tokens).await;
        assert_eq!(answer.status(), StatusCode::OK, "{number}");
        let added: Value = answer.json().await.unwrap();
        assert_eq!(added["added"].as_array().map(Vec::len), Some(1), "{number}: {added}");
    }
    for path in ["/tokens", "/tokens/export?secrets=true", "/pools", "/route"] {
        app.admin(Method::GET, path, None).await;
    }
    let exported = app.admin(Method::GET, "/tokens/export?secrets=true", None).await;
    let again: Value = import(&app, "", exported.to_string()).await.json().await.unwrap();
    assert_eq!(again["duplicates"].as_array().map(Vec::len), numbers.as_array().map(Vec::len), "{again}");
}

#[tokio::test]
async fn a_long_name_of_a_pool_is_not_repeated_for_each_token() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let name = "x".repeat(1 << 20);
    let tokens = json!({ name: vec!["a-token"; 1_000], "y": vec![7; 1_000] }).to_string();
    let answer = import(&app, "", tokens).await.bytes().await.unwrap();
    assert!(answer.len() < 1_000_000, "{} bytes", answer.len());
}

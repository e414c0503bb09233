//! Settings as the old gateways write them.

use rstest::rstest;

use super::*;

/// Version 2, which writes every setting into the file.
const VERSION_2: &str = r#"
[app]
app_url = "https://video.example.com/"
app_key = "correct horse battery staple"
api_key = "sk-studio-7d1f0c2e9ab4, sk-bot-55aa33cc77ee"
image_format = "url"
video_format = "url"

[network]
timeout = 120
base_proxy_url = "socks5://me:hunter2@10.0.0.7:1080"
asset_proxy_url = ""

[security]
cf_clearance = "abc.def"
browser = "chrome136"
user_agent = "Mozilla/5.0 (X11)"

[chat]
stream = true
dynamic_statsig = true
filter_tags = ["xaiartifact"]

[retry]
max_retry = 3
retry_status_codes = [401, 429, 403]

[timeout]
video_idle_timeout = 90.0

[token]
auto_refresh = true
fail_threshold = 3

[cache]
enable_auto_clean = true
limit_mb = 1024

[performance]
media_max_concurrent = 50
nsfw_batch_size = 50

[video]
smart_token_routing = true
allow_fallback_to_basic = false
log_fallback_warning = true
"#;

fn reading(text: &str) -> (Wanted, Report) {
    let mut report = Report::default();
    let wanted = read(&text.parse().unwrap(), &mut report);
    (wanted, report)
}

/// `from -> to = value`
fn settings(wanted: &Wanted) -> Vec<String> {
    let one = |Setting { from, to, value }: &Setting| format!("{from} -> {to:?} = {value}");
    wanted.settings.iter().chain(&wanted.proxy).map(one).collect()
}

fn keys(wanted: &Wanted) -> Vec<(&str, &str)> {
    wanted.keys.iter().map(|key| (&*key.name, key.key.expose())).collect()
}

#[test]
fn version_2_is_read() {
    let (wanted, report) = reading(VERSION_2);
    insta::assert_debug_snapshot!(settings(&wanted), @r#"
    [
        "app.app_url -> Key(\"server.public_url\") = \"https://video.example.com/\"",
        "app.video_format -> Key(\"chat.content\") = \"url\"",
        "video.smart_token_routing -> Key(\"video.smart_token_routing\") = true",
        "video.allow_fallback_to_basic -> Key(\"video.allow_fallback_to_basic\") = false",
        "video.log_fallback_warning -> Key(\"video.log_fallback_warning\") = true",
        "token.fail_threshold -> Key(\"tokens.fail_threshold\") = 3",
        "cache.limit_mb -> Key(\"media.max_bytes\") = \"1GiB\"",
        "network.timeout -> Upstream(\"header_timeout\") = \"120s\"",
        "network.base_proxy_url -> Upstream(\"proxy\") = \"socks5://me:hunter2@10.0.0.7:1080\"",
    ]
    "#);
    assert_eq!(
        keys(&wanted),
        [("grok2api-1", "sk-studio-7d1f0c2e9ab4"), ("grok2api-2", "sk-bot-55aa33cc77ee")]
    );
    assert_eq!(wanted.admin_key.unwrap().1.expose(), "correct horse battery staple");
    insta::assert_snapshot!(report.render(), @r#"
    Taken over
      nothing

    Left out, and why
      Filmgate makes videos; chat, pictures and speech stay where they are:
          app.image_format, chat.filter_tags, chat.stream
      Videos are tidied up by media.keep and media.max_bytes; nothing else is stored:
          cache.enable_auto_clean
      Filmgate imitates no browser and circumvents no provider's protection:
          chat.dynamic_statsig, security.browser, security.cf_clearance, security.user_agent
      An upstream here has one proxy, for orders and files alike, and there is no changing of addresses:
          network.asset_proxy_url
      There is no limit on everything together here: each token has its own (pools.NAME.max_in_flight),
      and who finds none free waits:
          performance.media_max_concurrent
      Filmgate orders videos from an API; it does not look after accounts on a web site:
          performance.nsfw_batch_size
      Filmgate repeats only what was certainly refused (jobs.max_attempts); this is not a matter of
      codes:
          retry.max_retry, retry.retry_status_codes
      A video is made in the background and asked for until jobs.deadline; streams stay open by
      chat.ping_every:
          timeout.video_idle_timeout
      Filmgate keeps its own books of quota (pools.NAME.quota_units and quota_window) and asks nobody
      for it:
          token.auto_refresh

    Needs you
      nothing
    "#);
}

#[test]
fn version_1_is_read() {
    let (wanted, report) = reading(
        r#"
        [global]
        base_url = "http://localhost:8000"
        admin_username = "admin"
        admin_password = "admin"
        image_cache_max_size_mb = 512
        video_cache_max_size_mb = 1500
        log_level = "INFO"
        [grok]
        api_key = "sk-of-the-first-version"
        proxy_url = "http://10.0.0.7:3128"
        cache_proxy_url = ""
        cf_clearance = ""
        x_statsig_id = "abc"
        stream_total_timeout = 600
        temporary = true
        "#,
    );
    insta::assert_debug_snapshot!(settings(&wanted), @r#"
    [
        "global.base_url -> Key(\"server.public_url\") = \"http://localhost:8000\"",
        "global.video_cache_max_size_mb -> Key(\"media.max_bytes\") = \"1500MiB\"",
        "grok.proxy_url -> Upstream(\"proxy\") = \"http://10.0.0.7:3128\"",
    ]
    "#);
    assert_eq!(keys(&wanted), [("grok2api", "sk-of-the-first-version")]);
    assert!(wanted.admin_key.is_none(), "everybody knows it");
    assert!(report.needs_you.is_empty());
}

#[test]
fn version_3_is_read() {
    let (wanted, _) = reading(
        r#"
        [app]
        app_key = "grok2api"
        api_key = ["sk-one-key-of-theirs", "sk-another-of-theirs", "sk-one-key-of-theirs"]
        [features]
        video_format = "grok_html"
        [cache.local]
        video_max_mb = 0
        [proxy.egress]
        mode = "single_proxy"
        proxy_url = "http://10.0.0.7:3128"
        [account.selection]
        max_inflight = 4
        [video]
        timeout = 60
        "#,
    );
    insta::assert_debug_snapshot!(settings(&wanted), @r#"
    [
        "features.video_format -> Key(\"chat.content\") = \"html\"",
        "video.timeout -> Upstream(\"header_timeout\") = \"60s\"",
        "account.selection.max_inflight -> Pool(\"max_in_flight\") = 4",
        "proxy.egress.proxy_url -> Upstream(\"proxy\") = \"http://10.0.0.7:3128\"",
    ]
    "#);
    assert_eq!(
        keys(&wanted),
        [("grok2api-1", "sk-one-key-of-theirs"), ("grok2api-2", "sk-another-of-theirs")]
    );
}

#[rstest]
#[case("[app]\napi_key = \"\"")]
#[case("[app]\napi_key = []")]
#[case("[app]\napi_key = [\" \", \"\"]")]
#[case("")]
fn without_a_key_the_operator_has_to_make_one(#[case] text: &str) {
    let (wanted, report) = reading(text);
    assert!(wanted.keys.is_empty());
    let needs: Vec<_> = report.needs_you.iter().map(|need| (&*need.what, &*need.todo)).collect();
    assert_eq!(needs.len(), 1);
    assert!(needs[0].0.contains("app.api_key") && needs[0].1 == ["filmgate key create NAME"]);
}

/// Values of a wrong type or range are told by their key and not by their text, and nothing else suffers.
#[rstest]
#[case(
    "[token]\nfail_threshold = \"many-secrets\"",
    "token.fail_threshold should be a number and is another text"
)]
#[case("[token]\nfail_threshold = -1", "token.fail_threshold should be a number above zero")]
#[case("[token]\nfail_threshold = [5]", "token.fail_threshold should be a number and is a list")]
#[case("[network]\ntimeout = true", "network.timeout should be a number and is true or false")]
#[case("[network]\nbase_proxy_url = 8080", "network.base_proxy_url should be a text")]
#[case("[network]\nbase_proxy_url = \"http://a, http://b\"", "network.base_proxy_url is a list of proxies")]
#[case("[app]\napp_key = 12345", "app.app_key should be a text")]
#[case("[app]\napi_key = [7]", "app.api_key should be a text, or a list of texts")]
#[case("[app]\nvideo_format = \"markdown\"", "app.video_format should be \"html\" or \"url\"")]
#[case("[video]\nsmart_token_routing = \"perhaps\"", "video.smart_token_routing should be true or false")]
#[case("[cache]\nlimit_mb = 1979-05-27", "cache.limit_mb should be a number and is a time")]
fn what_is_not_understood_is_told(#[case] text: &str, #[case] words: &str) {
    let (wanted, report) = reading(text);
    assert!(wanted.settings.is_empty() && wanted.proxy.is_none() && wanted.admin_key.is_none());
    let rendered = report.needs_you.iter().map(|need| &*need.what).collect::<Vec<_>>().join("\n");
    assert!(rendered.contains(words), "{rendered}");
    assert!(!rendered.contains("many-secrets"));
}

#[rstest]
#[case("[token]\nfail_threshold = \"5\"", "token.fail_threshold -> Key(\"tokens.fail_threshold\") = 5")]
#[case("[network]\ntimeout = 90.5", "network.timeout -> Upstream(\"header_timeout\") = \"91s\"")]
#[case(
    "[video]\nlog_fallback_warning = \"False\"",
    "video.log_fallback_warning -> Key(\"video.log_fallback_warning\") = false"
)]
#[case("[cache]\nlimit_mb = 1500", "cache.limit_mb -> Key(\"media.max_bytes\") = \"1500MiB\"")]
#[case("[app]\nvideo_format = \"HTML\"", "app.video_format -> Key(\"chat.content\") = \"html\"")]
fn what_was_meant_is_understood(#[case] text: &str, #[case] line: &str) {
    assert_eq!(settings(&reading(text).0), [line]);
}

#[rstest]
#[case("[cache]\nlimit_mb = 0")]
#[case("[cache]\nenable_auto_clean = false\nlimit_mb = 1024")]
fn a_limit_that_was_none_is_left_out(#[case] text: &str) {
    let (wanted, report) = reading(text);
    assert!(wanted.settings.is_empty());
    assert!(report.left_out.iter().any(|left| left.what == ["cache.limit_mb"]));
}

#[test]
fn of_two_names_the_newer_counts() {
    let (wanted, report) = reading(
        "[network]\nbase_proxy_url = \"http://a:1\"\n[proxy]\nbase_proxy_url = \"http://b:1\"\n[app]\napp_url = \"\"\n",
    );
    assert_eq!(settings(&wanted), ["network.base_proxy_url -> Upstream(\"proxy\") = \"http://a:1\""]);
    let left = |why: &str| report.left_out.iter().find(|left| left.why == why).map(|left| left.what.clone());
    assert_eq!(left(leftover::TWICE), Some(vec!["proxy.base_proxy_url".to_owned()]));
    assert_eq!(left(leftover::EMPTY), Some(vec!["app.app_url".to_owned()]));
}

#[rstest]
#[case("grok2api")]
#[case("CHANGE_ME_NOW")]
#[case(" admin ")]
fn a_password_that_everybody_knows_is_left_out(#[case] password: &str) {
    let (wanted, report) = reading(&format!("[app]\napp_key = \"{password}\"\napi_key = \"sk-abcdef\""));
    assert!(wanted.admin_key.is_none());
    assert!(report.left_out.iter().any(|left| left.what == ["app.app_key"]));
}

#[test]
fn keys_of_forks_are_read() {
    let (mut wanted, mut report) = reading("[app]\napi_key = \"sk-in-both-files\"");
    let keys_json = serde_json::json!([
        { "key": "sk-plain-text-key", "name": "bot", "enabled": true },
        { "key": "sk-in-both-files", "name": "again" },
        { "key": "sk-switched-off-key", "name": "old", "is_active": false },
        { "key_hash": "0123", "key_prefix": "sk-", "name": "my app" },
        7,
    ]);
    more_keys(&keys_json, &mut wanted, &mut report);
    assert_eq!(keys(&wanted), [("grok2api", "sk-in-both-files"), ("bot", "sk-plain-text-key")]);
    let todo: Vec<_> = report.needs_you.iter().flat_map(|need| &need.todo).collect();
    assert_eq!(todo, ["filmgate key create 'my app'", "filmgate key create 'api_keys.json[4]'"]);
    assert_eq!(report.left_out.last().unwrap().what, ["api_keys.json[2] (old)"]);
    more_keys(&serde_json::json!({}), &mut wanted, &mut report);
    assert!(report.needs_you.last().unwrap().what.contains("no list"));
}

//! A gateway that looks as if it had been at work for a day: tokens in every state, callers, videos of every fate.

use std::time::{Duration, SystemTime};

use filmgate_domain::Latency;
use filmgate_simulator::{Render, Tier, demo_tokens};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

/// Tokens of ssoBasic, ssoSuper and official.
const TOKENS: [usize; 3] = [60, 30, 3];

/// A gateway, and some videos of it by their ids.
pub(super) struct Believable {
    pub(super) app: TestApp,
    /// Made as asked, at 720p.
    pub(super) as_asked: String,
}

/// The third pool is a paid API without a quota.
const SETTINGS: [&str; 6] = [
    r#"server.public_url="http://video.example:8000""#,
    r#"video.pools=["ssoBasic", "ssoSuper", "official"]"#,
    r#"pools.official.upstream="xai""#,
    concat!(
        "pools.official.delivers=[{ resolution = '480p', max_seconds = 15 }, ",
        "{ resolution = '720p', max_seconds = 15 }, { resolution = '1080p', max_seconds = 15 }]"
    ),
    "pools.official.max_in_flight=4",
    r#"models.grok-imagine-video.upstream_names={ official = "grok-imagine-video-1.5" }"#,
];

/// Fills a gateway. Its last videos are still in the making for half a minute.
pub(super) async fn gateway() -> Believable {
    let mut setup = Setup { tokens: [0, 0], video_seconds: 2.5, ..Setup::default() };
    setup.simulator = |config| {
        config.render = Render::Small;
        config.tiers.push(Tier::official());
        let [basic, superior, official] = TOKENS;
        config.tokens = demo_tokens("basic", basic);
        config.tokens.extend(demo_tokens("super", superior));
        config.tokens.extend(demo_tokens("official", official));
    };
    let app = SETTINGS.into_iter().fold(setup, Setup::set).start().await;
    history(&app);
    tokens_in_use(&app).await;
    let keys = [app.new_key("newsroom").await, app.new_key("film-school").await, app.new_key("shop").await];
    let as_asked = videos(&app, &keys).await;
    tokens_out_of_use(&app).await;
    let making = [
        ("a lighthouse in a storm [slow]", "720p", 6),
        ("bees in a meadow [slow]", "480p", 6),
        ("a tram at dusk [slow]", "480p", 10),
        ("rain on a window [slow]", "480p", 6),
    ];
    begin(&app, &keys, &making).await;
    Believable { app, as_asked }
}

async fn import(app: &TestApp, pool: &str, tokens: Vec<Value>) {
    let wanted = tokens.len();
    let answer = app.admin(Method::POST, "/tokens/import", Some(json!({ pool: tokens }))).await;
    assert_eq!(answer["added"].as_array().unwrap().len(), wanted, "{answer}");
}

/// Tokens that have been used before: so many of their units are left.
async fn tokens_in_use(app: &TestApp) {
    let [basic, superior, official] = TOKENS;
    for (pool, tier, count, least, spread) in [
        ("ssoBasic", "basic", basic, 40, 40),
        ("ssoSuper", "super", superior, 0, 64),
        ("official", "official", official, 0, 0),
    ] {
        let tokens = demo_tokens(tier, count).into_iter().enumerate().map(|(nth, token)| {
            let left = least + (nth * 28 % (spread + 1)) / 4 * 4;
            if spread == 0 { json!(token.secret) } else { json!({ "token": token.secret, "quota": left }) }
        });
        import(app, pool, tokens.collect()).await;
    }
}

/// Tokens that do nothing at present.
async fn tokens_out_of_use(app: &TestApp) {
    let token = |nth: usize, status: &str, reason: &str| {
        json!({ "token": format!("retired-demo-token-{nth:04}"), "status": status, "quota": 40,
            "fail_count": if reason.is_empty() { 0 } else { 5 }, "last_fail_reason": reason })
    };
    let expired =
        (0..2).map(|nth| token(nth, "expired", "401 unauthenticated: the credentials are not valid"));
    let disabled = (2..5).map(|nth| token(nth, "disabled", ""));
    import(app, "ssoBasic", expired.chain(disabled).collect()).await;
    import(app, "ssoSuper", vec![token(5, "disabled", "")]).await;
}

/// What was counted in the last day, minute by minute: too long to wait for.
#[expect(clippy::disallowed_methods, reason = "the gateway under test is a process with the real time")]
fn history(app: &TestApp) {
    let mut db = rusqlite::Connection::open(app.data_dir().join("filmgate.db")).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    let db = db.transaction().unwrap();
    let insert = "INSERT INTO minutes (at, pool, as_asked, upgraded, fallen_back, downgraded, failed, unknown, \
                  below_sent, units, latency) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?6, ?8, ?9)";
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60;
    for ago in 1..=24 * 60 {
        for (pool, [as_asked, upgraded, fallen_back, downgraded, failed]) in counted(ago) {
            let files = as_asked + upgraded + fallen_back + downgraded;
            let mut latency = Latency::default();
            for nth in 0..files {
                let base = if pool == "ssoBasic" { 16 } else { 34 };
                latency.count(Duration::from_secs(base + (ago * 7 + nth * 5) % 23));
            }
            let units = if pool == "official" { files } else { files * 4 };
            let courses = [as_asked, upgraded, fallen_back, downgraded, failed].map(|count| count as i64);
            let [as_asked, upgraded, fallen_back, downgraded, failed] = courses;
            let at = ((now - ago) * 60_000) as i64;
            let latency = serde_json::to_string(latency.counts()).unwrap();
            let row = rusqlite::params![
                at,
                pool,
                as_asked,
                upgraded,
                fallen_back,
                downgraded,
                failed,
                units as i64,
                latency
            ];
            db.execute(insert, row).unwrap();
        }
    }
    db.commit().unwrap();
}

/// The videos that ended so many minutes ago: by pool, how many went which way.
fn counted(ago: u64) -> [(&'static str, [u64; 5]); 3] {
    // More by day than by night, and never the same twice.
    let hours = ago as f64 / 60.0;
    let day = 0.65 + 0.35 * (hours / 24.0 * std::f64::consts::TAU).cos();
    let noise = |salt: u64| (ago * 7919 + salt * 104_729) % 101;
    let some = |most: f64, salt: u64| (most * day * (0.55 + noise(salt) as f64 / 220.0)).round() as u64;
    let rare = |every: u64, salt: u64| u64::from(noise(salt) % every == 0);
    // Half an hour ago ssoSuper had no tokens for a while, and some hours ago ssoBasic had none.
    let (short, shorter) = ((24..32).contains(&ago), (250..290).contains(&ago));
    let fallen_back = if short { some(8.0, 1) } else { 0 };
    let upgraded = if shorter { some(9.0, 2) } else { rare(9, 3) };
    let basic = [if shorter { 0 } else { some(13.0, 4) }, 0, fallen_back, 0, rare(17, 5)];
    let superior = [if short { 0 } else { some(9.0, 6) }, upgraded, 0, rare(50, 7), rare(29, 8)];
    [("ssoBasic", basic), ("ssoSuper", superior), ("official", [rare(3, 9), 0, 0, 0, 0])]
}

async fn create(app: &TestApp, key: &str, prompt: &str, resolution: &str, seconds: u32) -> String {
    let body = json!({
        "prompt": prompt, "resolution": resolution, "seconds": seconds.to_string(), "aspect_ratio": "16:9",
    });
    let response = app.request_as(key, Method::POST, "/v1/videos", Some(body)).await;
    let video: Value = response.json().await.unwrap();
    video["id"].as_str().unwrap_or_else(|| panic!("{video}")).to_owned()
}

/// A few a second, each for the next caller.
async fn begin(app: &TestApp, keys: &[String], wishes: &[(&str, &str, u32)]) -> Vec<String> {
    let mut ids = Vec::new();
    for ((prompt, resolution, seconds), key) in wishes.iter().zip(keys.iter().cycle()) {
        ids.push(create(app, key, prompt, resolution, *seconds).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    ids
}

/// Waits until they have ended, too; returns the first.
async fn make(app: &TestApp, keys: &[String], wishes: &[(&str, &str, u32)]) -> String {
    let mut ids = begin(app, keys, wishes).await;
    for id in &ids {
        app.ended(id).await;
    }
    ids.swap_remove(0)
}

/// Videos of every fate. Returns one that was made as asked.
async fn videos(app: &TestApp, keys: &[String; 3]) -> String {
    app.each_token("ssoBasic", "disable").await;
    let upgraded = [("a paper boat on a pond", "480p", 6), ("a kite", "480p", 4), ("an owl", "480p", 5)];
    let upgraded = make(app, keys, &upgraded).await;
    app.each_token("ssoBasic", "enable").await;
    for pool in ["ssoSuper", "official"] {
        app.each_token(pool, "disable").await;
    }
    let lesser = [("a glacier from above", "720p", 10), ("a street market", "720p", 6)];
    let fallen_back = make(app, keys, &lesser).await;
    for pool in ["ssoSuper", "official"] {
        app.each_token(pool, "enable").await;
    }
    let many = [
        ("a red fox in the snow, early morning light", "720p", 10),
        ("clouds over a city", "480p", 10),
        ("a potter at work", "480p", 6),
        ("a harbour at night", "720p", 6),
        ("tea being poured", "480p", 5),
        ("a protest [moderate]", "480p", 6),
        ("a horse on a beach", "720p", 8),
        ("a train in the mountains [lie]", "720p", 6),
        ("snow falling on pines", "480p", 6),
        ("a chess game", "480p", 4),
        ("a dancer on a roof", "720p", 6),
        ("the product, turning", "1080p", 6),
        ("a vineyard in autumn", "480p", 6),
        ("a robot waters plants", "480p", 12),
        ("an old map [fail]", "480p", 6),
        ("ducklings", "480p", 6),
        ("a volcano from afar", "720p", 15),
        ("a library", "480p", 3),
    ];
    let as_asked = make(app, keys, &many).await;
    for (id, route) in [(&upgraded, "upgrade"), (&fallen_back, "fallback"), (&as_asked, "primary")] {
        let job = app.job(id).await;
        assert_eq!(job["attempts"][0]["route"], route, "{job}");
    }
    as_asked
}

//! How the configuration changes while the gateway runs.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::Setup;
use crate::books;
use crate::operator::{ask, refused};

#[tokio::test]
async fn a_reload_by_signal_takes_a_changed_switch_into_use() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    assert_eq!(ask(&app, "one", "720p").await.status(), StatusCode::OK);
    let file = app.data_dir().join("filmgate.toml");
    std::fs::write(&file, "[video]\nallow_fallback_to_basic = false\n").unwrap();
    app.signal("HUP");
    app.says("INFO", "configuration taken into use").await;
    assert_eq!(ask(&app, "two", "720p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    std::fs::write(&file, "").unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    assert_eq!(ask(&app, "three", "720p").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let before = app.admin(Method::GET, "/config", None).await["config"].clone();
    let file = app.data_dir().join("filmgate.toml");
    let text = "[video]\nallow_fallback_to_basik = false\nupgrade_reserve = 2\n";
    std::fs::write(&file, text).unwrap();
    let (status, code, message) = refused(&app, Method::POST, "/config/reload", None).await;
    assert_eq!((status, &*code), (400, "invalid_config"));
    for part in ["filmgate.toml:2", "allow_fallback_to_basik", "allow_fallback_to_basic", "upgrade_reserve"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    app.says("ERROR", "the new configuration is not used").await;
    let told = app.messages("ERROR").len();
    app.signal("HUP");
    while app.messages("ERROR").len() < told * 2 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(app.admin(Method::GET, "/config", None).await["config"], before);
    assert_eq!(ask(&app, "one", "720p").await.status(), StatusCode::OK);
    // The file is as its author left it.
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_change_takes_effect_stays_in_the_file_and_survives_a_restart() {
    let mut app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let file = app.data_dir().join("filmgate.toml");
    std::fs::write(&file, "# Mine.\n[video]\nlog_fallback_warning = true # loud\n").unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    let change = json!({ "set": { "video.allow_fallback_to_basic": false, "media.keep": "3d" } });
    assert_eq!(app.admin(Method::PATCH, "/config", Some(change)).await["changed"], 2);
    assert_eq!(ask(&app, "one", "720p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# Mine.\n[video]\nlog_fallback_warning = true # loud\n"), "{text}");

    for bad in [
        json!({ "set": { "video.allow_fallback_to_basic": "perhaps" } }),
        json!({ "set": { "video.no_such_switch": true } }),
        json!({ "set": { "video.allow_fallback_to_basic": true, "video.upgrade_reserve": 7 } }),
        json!({ "set": 7 }),
    ] {
        let (status, _, message) = refused(&app, Method::PATCH, "/config", Some(bad)).await;
        assert_eq!(status, 400, "{message}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    app.kill();
    app.launch().await;
    assert_eq!(ask(&app, "two", "720p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    let config = app.admin(Method::GET, "/config", None).await;
    assert!(config["file"].as_str().unwrap().ends_with("filmgate.toml"), "{config}");
    assert!(config["config"].as_str().unwrap().contains("keep = \"3d\""), "{config}");
}

#[tokio::test]
async fn a_reload_leaves_jobs_in_progress_alone() {
    let app = Setup { tokens: [0, 1], video_seconds: 0.1, ..Setup::default() }.start().await;
    let video = app.create("[slow] one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    // Neither its pool nor its model are there any more.
    let file = app.data_dir().join("filmgate.toml");
    let other = "[video]\npools = [\"other\"]\nmodels = [\"other-video\"]\n[models.other-video]\n\
                 [pools.other]\nupstream = \"xai\"\ndelivers = [{ resolution = \"480p\", max_seconds = 6 }]\n";
    std::fs::write(&file, other).unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    assert_eq!(app.ended(id).await["state"], "completed");
    assert_eq!(app.admin(Method::GET, "/pools", None).await["pools"].as_array().unwrap().len(), 1);
    // Back again, with everything that was spent.
    std::fs::write(&file, "").unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    books::balance(&app).await;
    assert_eq!(app.token("super-1").await["quota"], 140 - 4);
}

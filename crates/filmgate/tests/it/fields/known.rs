//! What the gateway under test has, so that requests can be right where they are not meant to be wrong.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

/// What there is in the gateway under test.
pub(super) struct Known {
    /// Something that fits a schema, by its name.
    pub(super) samples: HashMap<&'static str, Value>,
    /// What the variable parts of a path may be, by the beginning of the path.
    names: Vec<(&'static str, String)>,
}

impl Known {
    /// A gateway with a video, a key and a caller that nobody else uses.
    pub(super) async fn start() -> (TestApp, Known) {
        let roomy = Setup::default()
            .set("pools.ssoBasic.quota_units=0")
            .set("pools.ssoBasic.max_in_flight=0")
            .set("pools.ssoSuper.quota_units=0")
            .set("pools.ssoSuper.max_in_flight=0");
        let app = roomy.start().await;
        let video = app.make("a red fox", "480p", 6).await["id"].as_str().unwrap().to_owned();
        let picture = include_bytes!("../../../../../clients/picture.png");
        let picture = format!("data:image/png;base64,{}", STANDARD.encode(picture));
        let made = app.admin(reqwest::Method::POST, "/keys", Some(json!({ "name": "nobody" }))).await;
        let samples = HashMap::from([
            ("Image", json!({ "url": picture })),
            ("EarlierVideo", json!({ "id": video })),
            ("TokenImport", json!({ "ssoBasic": ["one-more-token"] })),
            ("TokenBulk", json!({ "action": "enable", "ids": [app.token_ids["basic-1"]] })),
            ("ConfigChange", json!({ "set": { "video.upgrade_reserve": 0.25 } })),
        ]);
        let names = vec![
            ("/media/", format!("{}.mp4", video.trim_start_matches("video_"))),
            ("/v1/videos/", video.clone()),
            ("/v1/models/", "grok-video".to_owned()),
            ("/admin/v1/tokens/", app.token_ids["basic-1"].clone()),
            ("/admin/v1/jobs/", video),
            ("/admin/v1/keys/", made["id"].as_str().unwrap().to_owned()),
            ("/admin/v1/callers/", "nobody".to_owned()),
            ("/admin/v1/webhooks/", "nobody".to_owned()),
        ];
        (app, Known { samples, names })
    }

    /// The id of a video.
    pub(super) fn video(&self) -> String {
        self.samples["EarlierVideo"]["id"].as_str().unwrap().to_owned()
    }

    /// The path with a name that exists, where one is known.
    pub(super) fn path(&self, path: &str) -> String {
        let name = self.names.iter().find(|(begin, _)| path.starts_with(begin)).map_or("x", |(_, name)| name);
        let parts = path.split('/').map(|part| if part.starts_with('{') { name } else { part });
        parts.collect::<Vec<_>>().join("/")
    }
}

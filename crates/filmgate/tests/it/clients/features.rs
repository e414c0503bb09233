//! What each client is to show, and what the provider must have seen of it.

use std::collections::HashSet;

use filmgate_simulator::{Generation, Resolution};

use super::client::Client;
use super::lossy::losing_the_first_answer;
use crate::app::{Setup, TestApp};

/// `clients/picture.png`
const PICTURE_BYTES: usize = include_bytes!("../../../../../clients/picture.png").len();
/// What the scripts call an image elsewhere.
const PICTURE_URL: &str = "https://pictures.example/fox.png";

/// A gateway whose videos can be seen in the making. Those with `[slow]` are not done before a script has ended
/// that does not wait for them.
async fn gateway() -> TestApp {
    Setup { video_seconds: 0.3, ..Setup::default() }.start().await
}

/// The videos that the provider made of prompts that begin so.
fn made(app: &TestApp, prompt: &str) -> Vec<Generation> {
    app.simulator.generations().into_iter().filter(|made| made.prompt.starts_with(prompt)).collect()
}

/// Created, waited for, listed, downloaded, deleted.
pub(crate) async fn life(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
    let made = made(&app, "a red fox");
    assert!(made.iter().any(|made| made.asked.resolution == Resolution::P720 && made.asked.seconds == 4));
}

/// Files, data URIs and addresses arrive at the provider.
pub(crate) async fn images(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
    let made = app.simulator.generations();
    let inputs: Vec<_> = made.iter().flat_map(|made| &made.inputs).collect();
    assert!(made.iter().all(|made| !made.inputs.is_empty()), "{made:?}");
    for kind in ["data", "url"] {
        assert!(inputs.iter().any(|input| input.kind == kind), "{inputs:?}");
    }
    for input in inputs {
        match input.kind {
            "data" => {
                assert_eq!((input.bytes, input.pixels), (Some(PICTURE_BYTES), Some((64, 36))), "{input:?}");
                assert_eq!(input.media_type.as_deref(), Some("image/png"));
            }
            _ => assert_eq!(input.reference.as_deref(), Some(PICTURE_URL)),
        }
    }
}

/// Videos made from videos.
pub(crate) async fn derivations(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
    let derived: Vec<Generation> =
        ["remix: ", "edit: ", "extend: "].into_iter().flat_map(|prompt| made(&app, prompt)).collect();
    assert!(derived.len() >= 2, "{derived:?}");
    for made in derived {
        assert_eq!(made.inputs.iter().map(|input| &*input.role).collect::<Vec<_>>(), ["video"], "{made:?}");
    }
}

/// Refusals and failures arrive as what the package has for them.
pub(crate) async fn errors(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
}

/// The answer to a create is lost on the way: asked again, by the package or its user, one video is made.
pub(crate) async fn retries(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &losing_the_first_answer(&app.url), checks);
    assert_eq!(made(&app, "once").len(), 1, "{:?}", app.simulator.generations());
}

/// Ten videos at once.
pub(crate) async fn parallel(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
    let prompts: HashSet<String> = made(&app, "number ").into_iter().map(|made| made.prompt).collect();
    assert_eq!(prompts.len(), 10, "{prompts:?}");
    assert_eq!(app.simulator.generations().len(), 10);
}

/// Weak tokens make what strong ones were wanted for, and the client is told.
pub(crate) async fn fallback(client: &Client, checks: &str) {
    let app = Setup { tokens: [2, 0], video_seconds: 0.3, ..Setup::default() }.start().await;
    client.run(&app, &app.url, checks);
    for made in made(&app, "a red fox") {
        assert_eq!((made.asked.resolution, made.asked.seconds), (Resolution::P480, 6), "{made:?}");
    }
}

/// Chat completions, whole and as a stream.
pub(crate) async fn chat(client: &Client, checks: &str) {
    let app = gateway().await;
    client.run(&app, &app.url, checks);
    assert!(!made(&app, "a red fox").is_empty());
}

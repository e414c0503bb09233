//! Too much of everything: more requests than the machine carries, clients that are slow or mean no good, thousands
//! that wait. What is refused is refused cheaply; what was accepted is made; memory stays within bounds.

mod bodies;
mod bounds;
mod frames;
mod http2;
mod overload;
mod slow;
mod streams;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::wire::{Answer, assert_openai_error, assert_xai_error};

const MIB: u64 = 1 << 20;

/// What every way to make a video is asked with.
fn ways() -> [(&'static str, Value); 4] {
    let messages = json!([{ "role": "user", "content": "a fox" }]);
    [
        ("/v1/videos", json!({ "prompt": "a fox" })),
        ("/v1/videos/generations", json!({ "prompt": "a fox" })),
        ("/v1/chat/completions", json!({ "messages": messages })),
        ("/v1/chat/completions", json!({ "messages": messages, "stream": true })),
    ]
}

/// A refusal because there is too much to do: in the shape of its dialect, with the time to come back, and the
/// setting to change.
fn assert_shed(path: &str, refused: &Answer, setting: &str) {
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}: {}", refused.body);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{path}: {seconds}");
    if path.contains("generations") {
        assert_xai_error(&refused.body);
    } else {
        assert_openai_error(&refused.body);
        assert_eq!(refused.body["error"]["code"], "overloaded", "{path}");
    }
    assert!(refused.body.to_string().contains(setting), "{path}: {}", refused.body);
}

/// That every way to make a video is shed for this reason.
async fn all_ways_are_shed(app: &TestApp, setting: &str) {
    for (path, body) in ways() {
        assert_shed(path, &app.ask(Method::POST, path, Some(body)).await, setting);
    }
}

/// Lets this process open so many files, and the gateway that it starts, too.
fn raise_open_files(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    assert!(maximum.is_none_or(|most| most >= wanted), "ulimit -Hn is {maximum:?}, and {wanted} are needed");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

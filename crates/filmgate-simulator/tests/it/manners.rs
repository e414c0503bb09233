//! OpenAI's dialect as servers other than OpenAI's speak it.

use std::time::Duration;

use filmgate_simulator::{ManualClock, OpenAiManners, SimulatorConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::sim::{Sim, measured, openai_refusal, quick, video_path};

const FOX: &[(&str, &str)] = &[("prompt", "a fox"), ("seconds", "8")];

async fn sim(openai: OpenAiManners) -> Sim {
    Sim::with(SimulatorConfig { openai, ..quick() }).await
}

#[tokio::test]
async fn some_take_only_multipart() {
    let sim = sim(OpenAiManners { multipart_only: true, ..OpenAiManners::default() }).await;
    let json = json!({"prompt": "a fox"});
    for path in ["/videos", "/videos/edits", "/videos/extensions"] {
        let error = openai_refusal(sim.openai(Method::POST, path).json(&json), 415).await;
        assert_eq!(error["code"], "unsupported_media_type");
    }
    let video = sim.ended(sim.openai_form("/videos", FOX)).await;
    let remix = format!("{}/remix", video_path(&video));
    sim.video(sim.openai(Method::POST, &remix).json(&json)).await;
}

#[tokio::test]
async fn some_have_other_words_for_the_statuses() {
    let time = ManualClock::at(0);
    let openai = OpenAiManners { odd_statuses: true, ..OpenAiManners::default() };
    let config = SimulatorConfig { clock: time.clock(), video_seconds: 10.0, openai, ..quick() };
    let sim = Sim::with(config).await;
    let good = sim.video(sim.openai_form("/videos", FOX)).await;
    let bad = sim.video(sim.openai_form("/videos", &[("prompt", "[fail]")])).await;
    let poll = async |video: &Value| sim.video(sim.openai(Method::GET, &video_path(video))).await;
    assert_eq!(poll(&good).await["status"], "queued");
    time.advance(Duration::from_secs(5));
    assert_eq!(poll(&good).await["status"], "processing");
    time.advance(Duration::from_secs(5));
    let mut video = poll(&good).await;
    while video["status"] == "processing" {
        video = poll(&good).await;
    }
    assert_eq!((&video["status"], &video["progress"]), (&json!("succeeded"), &json!(100)));
    let bad = poll(&bad).await;
    assert_eq!((&bad["status"], &bad["error"]["code"]), (&json!("cancelled"), &json!("internal_error")));
}

#[tokio::test]
async fn some_count_seconds_as_numbers() {
    let sim = sim(OpenAiManners { numeric_seconds: true, ..OpenAiManners::default() }).await;
    let taken = sim.video(sim.openai_form("/videos", FOX)).await;
    assert_eq!(taken["seconds"], json!(8));
    assert_eq!(sim.video(sim.openai(Method::GET, &video_path(&taken))).await["seconds"], json!(8));
}

#[tokio::test]
async fn some_redirect_to_signed_links() {
    let sim = sim(OpenAiManners { content_redirects: true, ..OpenAiManners::default() }).await;
    let video = sim.ended(sim.openai_form("/videos", FOX)).await;
    let redirect = sim.content(&video).send().await.expect("answered");
    assert_eq!(redirect.status(), StatusCode::FOUND);
    let link = redirect.headers()["location"].to_str().expect("text").to_owned();
    let bare = async |link: &str| sim.client.get(link).send().await.expect("answered");
    let part = sim.client.get(&link).header("range", "bytes=4-7").send().await.expect("answered");
    assert_eq!(
        (part.status(), part.text().await.expect("text")),
        (StatusCode::PARTIAL_CONTENT, "ftyp".to_owned())
    );
    assert_eq!(measured(&bare(&link).await.bytes().await.expect("bytes")), (720, 1280, 8.0));
    assert_eq!(sim.last().fetches, 2, "the redirect itself is none");

    let unsigned = link.split_once('?').expect("a signature").0;
    for link in [unsigned.to_owned(), format!("{unsigned}?signature=0"), link.replace("signature", "s")] {
        assert_eq!(bare(&link).await.status(), StatusCode::FORBIDDEN);
    }
    let path = format!("{}/content", video_path(&video));
    openai_refusal(sim.client.get(format!("{}{path}", sim.sim.openai_url())), 401).await;
    // Such a link is a source for xAI's dialect as well.
    let body = json!({"model": "grok-imagine-video", "prompt": "at night", "video": {"url": link}});
    sim.taken(sim.post("super", "edits", &body)).await;
    assert_eq!(sim.last().source.map(|source| source.seconds), Some(8));

    sim.openai(Method::DELETE, &video_path(&video)).send().await.expect("answered");
    assert_eq!(bare(&link).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn some_complete_what_moderation_withholds() {
    let manners = OpenAiManners { moderation_as_completed_with_error: true, ..OpenAiManners::default() };
    let moderated = sim(manners).await;
    let video = moderated.ended(moderated.openai_form("/videos", &[("prompt", "[moderate]")])).await;
    assert_eq!(
        (&video["status"], &video["error"]["code"]),
        (&json!("completed"), &json!("moderation_blocked"))
    );
    openai_refusal(moderated.content(&video), 404).await;
    let failed = moderated.ended(moderated.openai_form("/videos", &[("prompt", "[fail]")])).await;
    assert_eq!(failed["status"], "failed");

    let both = sim(OpenAiManners { odd_statuses: true, ..manners }).await;
    let video = both.ended(both.openai_form("/videos", &[("prompt", "[moderate]")])).await;
    assert_eq!((&video["status"], video["error"].is_object()), (&json!("succeeded"), true));
}

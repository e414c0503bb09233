//! Chat completions for video models: the prompt is the conversation, the answer is a link.
//!
//! Two eras of `video_config` are understood: A (`video_length`, `resolution_name`, `aspect_ratio`, `preset`)
//! and C (`seconds`, `size`, `resolution_name`, `preset`). Era A joins all messages into the prompt, era C
//! takes the last.

mod messages;

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{AspectRatio, Job, JobFailure, JobId, JobState, Mode, Resolution, Seconds};
use filmgate_store::Answer;
use futures_util::Stream;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::dialect::{Draft, Names, WEBHOOK, choice, openai, report};
use crate::fields::Fields;
use crate::follow::{changed, changes_of, wait};
use crate::idempotency::{self, Memo};
use crate::load::Taken;
use crate::refusal::{Refusal, bad_spec};
use crate::serve::Closing;
use crate::{App, ChatContent};

/// What things are called in this dialect.
pub(crate) const NAMES: Names = Names {
    prompt: "messages",
    resolution: "video_config.resolution_name",
    seconds: "video_config.video_length",
};

/// The styles that the original knew. The official API has none, so they change nothing.
pub(crate) const PRESETS: [&str; 4] = ["fun", "normal", "spicy", "custom"];

/// A parsed request.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    pub(crate) draft: Draft,
    pub(crate) stream: bool,
}

/// Reads a request. Fields of `video_config` are checked; others that chat clients send (temperature and
/// the like) cannot change a video and are ignored.
pub(crate) fn parse(mut fields: Fields, headers: &HeaderMap) -> Result<ChatRequest, Refusal> {
    let model = fields.text("model")?;
    let stream = fields.flag("stream")?.unwrap_or(false);
    let messages = fields.take("messages");
    let mut config = match fields.object("video_config")? {
        Some(config) => config,
        None => Fields::nested(Map::new(), "video_config.".to_owned()),
    };
    let webhook_field = if config.has(WEBHOOK) { "video_config.webhook_url" } else { WEBHOOK };
    let is_era_c = config.has("seconds") || config.has("size");
    // Chat clients can add fields at the top more easily than inside.
    let choice = choice::read(&mut [&mut config, &mut fields], headers)?;
    let form = parse_config(config)?;
    let messages = messages::read(messages, is_era_c)?;
    let mode = if messages.image.is_some() { Mode::Image } else { Mode::Text };
    let draft = Draft {
        model,
        prompt: messages.prompt,
        resolution: form.resolution.unwrap_or(Resolution::P480),
        seconds: form.seconds.unwrap_or_default(),
        aspect_ratio: form.ratio,
        usual_ratio: if is_era_c { AspectRatio::R9x16 } else { AspectRatio::R3x2 },
        mode,
        inputs: messages.image.into_iter().collect(),
        choice,
        webhook_field,
    };
    Ok(ChatRequest { draft, stream })
}

/// What a `video_config` says.
struct Form {
    resolution: Option<Resolution>,
    seconds: Option<Seconds>,
    ratio: Option<AspectRatio>,
}

fn parse_config(mut config: Fields) -> Result<Form, Refusal> {
    let coded = |code: &'static str| {
        move |mut refusal: Refusal| {
            refusal.code = code.to_owned();
            refusal
        }
    };
    let invalid_length = coded("invalid_video_length");
    if config.has("video_length") && config.has("seconds") {
        let refusal = Refusal::invalid("video_config.seconds", "send `video_length` or `seconds`, not both");
        return Err(invalid_length(refusal));
    }
    let length = config.seconds("video_length").map_err(invalid_length)?;
    let seconds = config.seconds("seconds").map_err(coded("invalid_video_length"))?;
    let resolution = config.parsed("resolution_name").map_err(coded("invalid_resolution"))?;
    let ratio = config.text("aspect_ratio").map_err(coded("invalid_aspect_ratio"))?;
    let ratio = ratio.map(|text| ratio_or_size(&text, "aspect_ratio")).transpose()?;
    let size = config.text("size").map_err(coded("invalid_size"))?;
    let of_size = size.map(|text| ratio_or_size(&text, "size")).transpose().map_err(coded("invalid_size"))?;
    if let Some(preset) = config.text("preset").map_err(coded("invalid_preset"))?
        && !PRESETS.contains(&&*preset)
    {
        let message = format!("`video_config.preset` must be one of {}", PRESETS.join(", "));
        return Err(coded("invalid_preset")(Refusal::invalid("video_config.preset", message)));
    }
    config.finish(&[])?;
    Ok(Form { resolution, seconds: length.or(seconds), ratio: ratio.or(of_size) })
}

/// Eras B and C write ratios as sizes; the resolution is a field of its own there.
fn ratio_or_size(text: &str, field: &str) -> Result<AspectRatio, Refusal> {
    let of_size = || openai::of_size(text).map(|(ratio, _)| ratio);
    text.parse().or_else(|error| of_size().ok_or(error)).map_err(|error: filmgate_domain::SpecError| {
        let name = format!("video_config.{field}");
        let mut refusal = bad_spec(&name)(error);
        refusal.code = "invalid_aspect_ratio".to_owned();
        refusal
    })
}

/// The answer to a request that does not stream: it comes when the video has.
pub(crate) async fn respond(app: &App, job: Arc<Job>, memo: &Memo, closing: &Closing) -> Response {
    // When the books cannot be read now, it is too late to say so: the job was accepted.
    let job = wait(app, Arc::clone(&job), &closing.due, None).await.unwrap_or(job);
    let answer = if job.state.is_final() {
        memo.settle(app, &job, || completion(app, &job)).await
    } else {
        completion(app, &job)
    };
    let mut headers = report::headers(&job);
    memo.mark(&mut headers);
    idempotency::respond(answer, headers)
}

fn completion(app: &App, job: &Job) -> Answer {
    if let Some(refusal) = refusal_of(job) {
        let body = refusal.openai_body().to_string().into_bytes();
        return Answer { status: refusal.status.as_u16(), body };
    }
    let body = json!({
        "id": completion_id(job.id),
        "object": "chat.completion",
        "created": job.created_at.as_seconds(),
        "model": job.spec.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content(app, job), "refusal": null },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
        "filmgate": report::report(job),
    });
    Answer { status: 200, body: body.to_string().into_bytes() }
}

fn refusal_of(job: &Job) -> Option<Refusal> {
    if let Some(failure) = &job.failure {
        return Some(Refusal::job_failed(job.id, failure));
    }
    if !job.state.is_final() {
        let message = "filmgate is being stopped, or cannot read its storage; \
                       the video goes on when it is back, and can be fetched by its id";
        let failure = JobFailure::new("interrupted", filmgate_domain::Fault::Gateway, message);
        return Some(Refusal::job_failed(job.id, &failure));
    }
    None
}

fn content(app: &App, job: &Job) -> String {
    let link = app.engine.link(job.id);
    match app.settings.load().chat_content {
        ChatContent::Url => link,
        ChatContent::Html => {
            let link = link.replace('&', "&amp;");
            format!("<video controls><source src=\"{link}\" type=\"video/mp4\"></video>")
        }
    }
}

fn completion_id(job: JobId) -> String {
    format!("chatcmpl-{}", job.simple())
}

/// The answer to a request that streams: progress as reasoning, then the link.
///
/// A repeat follows the same job. What it is told of the progress is how things stand then; the rest is what
/// the first was told, byte for byte.
pub(crate) fn stream(app: &App, job: Arc<Job>, memo: Memo, closing: Closing, place: Taken) -> Response {
    let mut headers = report::headers(&job);
    memo.mark(&mut headers);
    let ping = KeepAlive::new().interval(app.settings.load().chat_ping).text("ping");
    (
        headers,
        Sse::new(events(Following { app: app.clone(), memo, closing, _place: place }, job)).keep_alive(ping),
    )
        .into_response()
}

/// What a stream needs all the time.
struct Following {
    app: App,
    memo: Memo,
    closing: Closing,
    _place: Taken,
}

/// Where a stream stands.
enum Stage {
    Opening,
    Following { changes: Option<watch::Receiver<Arc<Job>>>, told: Option<u8> },
    Ending(std::vec::IntoIter<Event>),
}

fn events(following: Following, job: Arc<Job>) -> impl Stream<Item = Result<Event, Infallible>> {
    let start = (following, job, Stage::Opening);
    futures_util::stream::unfold(start, |(following, mut job, mut stage)| async move {
        let Following { app, memo, closing, .. } = &following;
        loop {
            match stage {
                Stage::Opening => {
                    let changes = changes_of(app, &job).await;
                    let body = chunk(&job, &json!({ "role": "assistant", "content": "" }), None);
                    let event = Event::default().data(body.to_string());
                    let stage = Stage::Following { changes, told: None };
                    return Some((Ok(event), (following, job, stage)));
                }
                Stage::Following { mut changes, told } => {
                    if let Some(changes) = &mut changes {
                        job = Arc::clone(&changes.borrow_and_update());
                    }
                    if job.state.is_final() || changes.is_none() {
                        job = wait(app, Arc::clone(&job), &closing.due, None).await.unwrap_or(job);
                        stage = Stage::Ending(ending(app, &job, memo).await.into_iter());
                        continue;
                    }
                    if told != Some(job.progress) {
                        let told = Some(job.progress);
                        let text = format!("{} {}%\n", word(job.state), job.progress);
                        let body = chunk(&job, &json!({ "reasoning_content": text }), None);
                        let event = Event::default().data(body.to_string());
                        return Some((Ok(event), (following, job, Stage::Following { changes, told })));
                    }
                    if let Some(receiver) = &mut changes
                        && !changed(receiver, &closing.due).await
                    {
                        changes = None;
                    }
                    stage = Stage::Following { changes, told };
                }
                Stage::Ending(mut events) => {
                    let event = events.next()?;
                    return Some((Ok(event), (following, job, Stage::Ending(events))));
                }
            }
        }
    })
}

fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued | JobState::Reserved | JobState::Submitting => "waiting for the upstream",
        JobState::Running => "making the video",
        _ => "fetching the video",
    }
}

async fn ending(app: &App, job: &Job, memo: &Memo) -> Vec<Event> {
    let mut said = last_words(app, job);
    if job.state.is_final() {
        let render = || Answer { status: 200, body: json!(said).to_string().into_bytes() };
        let answer = memo.settle(app, job, render).await;
        said = serde_json::from_slice(&answer.body).unwrap_or(said);
    }
    let event = |(name, data): (String, String)| match &*name {
        "" => Event::default().data(data),
        _ => Event::default().event(name).data(data),
    };
    said.into_iter().map(event).collect()
}

/// The last events: the name of each (empty for the usual one) and its data.
fn last_words(app: &App, job: &Job) -> Vec<(String, String)> {
    let unnamed = |data: String| (String::new(), data);
    let done = unnamed("[DONE]".to_owned());
    if let Some(refusal) = refusal_of(job) {
        return vec![("error".to_owned(), refusal.openai_body().to_string()), done];
    }
    let link = chunk(job, &json!({ "content": content(app, job) }), None);
    let stop = chunk(job, &json!({}), Some("stop"));
    vec![unnamed(link.to_string()), unnamed(stop.to_string()), done]
}

fn chunk(job: &Job, delta: &Value, finish_reason: Option<&str>) -> Value {
    let mut body = json!({
        "id": completion_id(job.id),
        "object": "chat.completion.chunk",
        "created": job.created_at.as_seconds(),
        "model": job.spec.model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    });
    if finish_reason.is_some() {
        body["filmgate"] = json!(report::report(job));
    }
    body
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use rstest::rstest;

    use super::*;

    fn parse_json(json: &str) -> Result<ChatRequest, Refusal> {
        parse(Fields::from_json(json.as_bytes()).unwrap(), &HeaderMap::new())
    }

    const FOX: &str = r#""messages":[{"role":"user","content":"fox"}]"#;

    #[rstest]
    #[case(r#""video_config":{"resolution_name":"720p","video_length":6}"#, "720p 6s 3:2")]
    #[case(r#""video_config":{"resolution_name":"480p","video_length":6}"#, "480p 6s 3:2")]
    #[case(r#""video_config":{"video_length":null}"#, "480p 6s 3:2")]
    #[case(r#""video_config":null"#, "480p 6s 3:2")]
    #[case(r#""video_config":{"aspect_ratio":"9:16","video_length":"10","preset":"fun"}"#, "480p 10s 9:16")]
    #[case(r#""video_config":{"seconds":10,"size":"1792x1024","resolution_name":"720p"}"#, "720p 10s 16:9")]
    #[case(r#""video_config":{"seconds":6}"#, "480p 6s 9:16")]
    #[case(r#""temperature":0.7,"top_p":1"#, "480p 6s 3:2")]
    fn f6_bodies_of_both_eras(#[case] rest: &str, #[case] shape: &str) {
        let request = parse_json(&format!("{{\"model\":\"grok-video\",{FOX},{rest}}}")).unwrap();
        let Draft { resolution, seconds, aspect_ratio, usual_ratio, .. } = request.draft;
        let ratio = aspect_ratio.unwrap_or(usual_ratio);
        assert_eq!(format!("{resolution} {seconds}s {ratio}"), shape);
        assert!(!request.stream);
    }

    #[rstest]
    #[case(
        r#""video_config":{"resolution_name":"4k"}"#,
        "video_config.resolution_name",
        "invalid_resolution"
    )]
    #[case(r#""video_config":{"video_length":0}"#, "video_config.video_length", "invalid_video_length")]
    #[case(r#""video_config":{"video_length":[]}"#, "video_config.video_length", "invalid_video_length")]
    #[case(r#""video_config":{"aspect_ratio":"5:4"}"#, "video_config.aspect_ratio", "invalid_aspect_ratio")]
    #[case(r#""video_config":{"preset":"odd"}"#, "video_config.preset", "invalid_preset")]
    #[case(r#""video_config":{"fps":24}"#, "video_config.fps", "unknown_parameter")]
    #[case(r#""video_config":[]"#, "video_config", "invalid_type")]
    #[case(r#""stream":"perhaps""#, "stream", "invalid_type")]
    fn wrong_fields_are_named(#[case] rest: &str, #[case] param: &str, #[case] code: &str) {
        let refusal = parse_json(&format!("{{{FOX},{rest}}}")).unwrap_err();
        assert_eq!((refusal.param.as_deref(), &*refusal.code), (Some(param), code));
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    }
}

//! Chat completions for video models: the prompt is the conversation, the answer is a link.
//!
//! Two eras of `video_config` are understood: A (`video_length`, `resolution_name`, `aspect_ratio`, `preset`)
//! and C (`seconds`, `size`, `resolution_name`, `preset`). Era A joins all messages into the prompt, era C
//! takes the last.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{AspectRatio, Job, JobFailure, JobId, JobState, Resolution, Seconds, Shape, VideoSpec};
use futures_util::Stream;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::dialect::{openai, report};
use crate::fields::{Fields, kind};
use crate::refusal::{Refusal, bad_spec};
use crate::serve::Closing;
use crate::{App, ChatContent};

/// The names of resolution and length in this dialect.
pub(crate) const PARAMS: (&str, &str) = ("video_config.resolution_name", "video_config.video_length");

/// The styles that the original knew. The official API has none, so they change nothing.
const PRESETS: [&str; 4] = ["fun", "normal", "spicy", "custom"];

/// A parsed request.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    pub(crate) spec: VideoSpec,
    pub(crate) stream: bool,
}

/// Reads a request. Fields of `video_config` are checked; others that chat clients send (temperature and
/// the like) cannot change a video and are ignored.
pub(crate) fn parse(mut fields: Fields, default_model: &str) -> Result<ChatRequest, Refusal> {
    let model = fields.text("model")?.unwrap_or_else(|| default_model.to_owned());
    let stream = fields.flag("stream")?.unwrap_or(false);
    let messages = fields.take("messages");
    let config = fields.object("video_config")?;
    let is_era_c = config.as_ref().is_some_and(|c| c.has("seconds") || c.has("size"));
    let shape = config.map_or_else(|| Ok(shape_a(None, None, None)), parse_config)?;
    let prompt = prompt(messages, is_era_c)?;
    let spec = VideoSpec::new(model, &prompt, shape).map_err(bad_spec("messages"))?;
    Ok(ChatRequest { spec, stream })
}

fn shape_a(ratio: Option<AspectRatio>, seconds: Option<Seconds>, resolution: Option<Resolution>) -> Shape {
    Shape {
        resolution: resolution.unwrap_or(Resolution::P480),
        seconds: seconds.unwrap_or_default(),
        aspect_ratio: ratio.unwrap_or(AspectRatio::R3x2),
    }
}

fn parse_config(mut config: Fields) -> Result<Shape, Refusal> {
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
    let is_era_c = config.has("seconds") || config.has("size");
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
    let ratio = ratio.or(of_size).or(is_era_c.then_some(AspectRatio::R9x16));
    Ok(shape_a(ratio, length.or(seconds), resolution))
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

/// The conversation as a prompt.
fn prompt(messages: Option<Value>, last_only: bool) -> Result<String, Refusal> {
    let messages = match messages {
        None => return Err(Refusal::invalid("messages", "`messages` is missing; put the prompt there")),
        Some(Value::Array(messages)) => messages,
        Some(other) => {
            let message = format!("`messages` must be an array, not {}", kind(&other));
            return Err(Refusal::invalid("messages", message));
        }
    };
    let mut texts = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let name = format!("messages[{nth}]");
        let Value::Object(message) = message else {
            return Err(Refusal::invalid(
                &name,
                format!("`{name}` must be an object, not {}", kind(message)),
            ));
        };
        let role = message.get("role").and_then(Value::as_str).unwrap_or("user");
        let text = text_of(message.get("content"), &format!("{name}.content"))?;
        if !text.trim().is_empty() {
            texts.push((role, text));
        }
    }
    if last_only || texts.len() == 1 {
        return Ok(texts.pop().map(|(_, text)| text).unwrap_or_default());
    }
    let lines = texts.iter().map(|(role, text)| match *role {
        "user" => text.clone(),
        role => format!("{role}: {text}"),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// A message's content: a string, or parts of which the texts count.
fn text_of(content: Option<&Value>, name: &str) -> Result<String, Refusal> {
    let parts = match content {
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Array(parts)) => parts,
        Some(other) => {
            let message = format!("`{name}` must be a string or an array of parts, not {}", kind(other));
            return Err(Refusal::invalid(name, message));
        }
    };
    let mut text = String::new();
    for (nth, part) in parts.iter().enumerate() {
        let name = format!("{name}[{nth}]");
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(part)) => text.push_str(part),
            (Some("text") | None, _) => {
                return Err(Refusal::invalid(
                    &name,
                    format!("`{name}` must be {{\"type\":\"text\",\"text\":…}}"),
                ));
            }
            (Some(other), _) => {
                let other: String = other.chars().take(40).collect();
                let message =
                    format!("`{name}`: parts of type {other:?} are not supported here; nothing was made");
                return Err(Refusal::invalid(&name, message));
            }
        }
    }
    Ok(text)
}

/// Waits until the job ends, or filmgate does. The job goes on, whoever waits.
async fn wait(app: &App, mut job: Arc<Job>, closing: &Closing) -> Result<Arc<Job>, Refusal> {
    if let Some(mut changes) = app.engine.follow(job.id) {
        while !job.state.is_final() {
            job = Arc::clone(&changes.borrow_and_update());
            if !job.state.is_final() && !changed(&mut changes, closing).await {
                break;
            }
        }
    }
    if job.state.is_final() {
        return Ok(job);
    }
    // It ended before it could be followed.
    let stored = app.engine.job(job.id).await?;
    Ok(stored.unwrap_or(job))
}

/// False when there will be no more changes while this process lives.
async fn changed(changes: &mut watch::Receiver<Arc<Job>>, closing: &Closing) -> bool {
    tokio::select! {
        changed = changes.changed() => changed.is_ok(),
        () = closing.0.cancelled() => false,
    }
}

/// The answer to a request that does not stream: it comes when the video has.
pub(crate) async fn respond(app: &App, job: Arc<Job>, closing: &Closing) -> Response {
    let job = match wait(app, job, closing).await {
        Ok(job) => job,
        Err(refusal) => return refusal.into_response(crate::dialect::Dialect::OpenAi),
    };
    if let Some(refusal) = refusal_of(&job) {
        let mut response = refusal.into_response(crate::dialect::Dialect::OpenAi);
        response.headers_mut().extend(report::headers(&job));
        return response;
    }
    let body = json!({
        "id": completion_id(job.id),
        "object": "chat.completion",
        "created": job.created_at.as_seconds(),
        "model": job.spec.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content(app, &job), "refusal": null },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
        "filmgate": report::report(&job),
    });
    (StatusCode::OK, report::headers(&job), Json(body)).into_response()
}

fn refusal_of(job: &Job) -> Option<Refusal> {
    if let Some(failure) = &job.failure {
        return Some(Refusal::job_failed(job.id, failure));
    }
    if !job.state.is_final() {
        let message =
            "filmgate is being stopped; the video goes on when it is back, and can be fetched by its id";
        let failure = JobFailure::new("interrupted", filmgate_domain::Fault::Gateway, message);
        return Some(Refusal::job_failed(job.id, &failure));
    }
    None
}

fn content(app: &App, job: &Job) -> String {
    let link = app.link(job.id);
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
pub(crate) fn stream(app: &App, job: Arc<Job>, closing: Closing) -> Response {
    let headers = report::headers(&job);
    let ping = KeepAlive::new().interval(app.settings.load().chat_ping).text("ping");
    (headers, Sse::new(events(app.clone(), job, closing)).keep_alive(ping)).into_response()
}

/// Where a stream stands.
enum Stage {
    Opening,
    Following { changes: Option<watch::Receiver<Arc<Job>>>, told: Option<u8> },
    Ending(std::vec::IntoIter<Event>),
}

fn events(app: App, job: Arc<Job>, closing: Closing) -> impl Stream<Item = Result<Event, Infallible>> {
    let start = (app, closing, job, Stage::Opening);
    futures_util::stream::unfold(start, |(app, closing, mut job, mut stage)| async move {
        loop {
            match stage {
                Stage::Opening => {
                    let changes = app.engine.follow(job.id);
                    let event = chunk(&job, &json!({ "role": "assistant", "content": "" }), None);
                    let stage = Stage::Following { changes, told: None };
                    return Some((Ok(event), (app, closing, job, stage)));
                }
                Stage::Following { mut changes, told } => {
                    if let Some(changes) = &mut changes {
                        job = Arc::clone(&changes.borrow_and_update());
                    }
                    if job.state.is_final() || changes.is_none() {
                        job = wait(&app, Arc::clone(&job), &closing).await.unwrap_or(job);
                        stage = Stage::Ending(ending(&app, &job).into_iter());
                        continue;
                    }
                    if told != Some(job.progress) {
                        let told = Some(job.progress);
                        let text = format!("{} {}%\n", word(job.state), job.progress);
                        let event = chunk(&job, &json!({ "reasoning_content": text }), None);
                        return Some((Ok(event), (app, closing, job, Stage::Following { changes, told })));
                    }
                    if let Some(following) = &mut changes
                        && !changed(following, &closing).await
                    {
                        changes = None;
                    }
                    stage = Stage::Following { changes, told };
                }
                Stage::Ending(mut events) => {
                    let event = events.next()?;
                    return Some((Ok(event), (app, closing, job, Stage::Ending(events))));
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

fn ending(app: &App, job: &Job) -> Vec<Event> {
    let done = Event::default().data("[DONE]");
    if let Some(refusal) = refusal_of(job) {
        let error = Event::default().event("error").data(refusal.openai_body().to_string());
        return vec![error, done];
    }
    vec![
        chunk(job, &json!({ "content": content(app, job) }), None),
        chunk(job, &json!({}), Some("stop")),
        done,
    ]
}

fn chunk(job: &Job, delta: &Value, finish_reason: Option<&str>) -> Event {
    let mut body = json!({
        "id": completion_id(job.id),
        "object": "chat.completion.chunk",
        "created": job.created_at.as_seconds(),
        "model": job.spec.model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    });
    if finish_reason.is_some() {
        body["filmgate"] = report::report(job);
    }
    Event::default().data(body.to_string())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse_json(json: &str) -> Result<ChatRequest, Refusal> {
        parse(Fields::from_json(json.as_bytes()).unwrap(), "default-model")
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
        assert_eq!(request.spec.shape.to_string(), shape);
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

    #[rstest]
    #[case(r#"[]"#, "messages")]
    #[case(r#"["fox"]"#, "messages[0]")]
    #[case(r#"[{"role":"user","content":7}]"#, "messages[0].content")]
    #[case(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]"#,
        "messages[0].content[0]"
    )]
    #[case(r#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages[0].content[0]")]
    #[case(r#""fox""#, "messages")]
    fn wrong_messages_are_named(#[case] messages: &str, #[case] param: &str) {
        let refusal = parse_json(&format!("{{\"messages\":{messages}}}")).unwrap_err();
        assert_eq!(refusal.param.as_deref(), Some(param));
    }

    #[rstest]
    #[case("{}", "be calm\nfox")]
    #[case(r#"{"seconds":6}"#, "fox")]
    fn prompts_of_both_eras(#[case] config: &str, #[case] expected: &str) {
        let messages = r#"[{"role":"user","content":"be calm"},{"role":"user","content":[{"type":"text","text":"fox"}]}]"#;
        let request = parse_json(&format!("{{\"messages\":{messages},\"video_config\":{config}}}")).unwrap();
        assert_eq!(&*request.spec.prompt, expected);
    }

    #[test]
    fn other_roles_are_told_apart() {
        let messages = r#"[{"role":"system","content":"be calm"},{"role":"user","content":"fox"}]"#;
        let request = parse_json(&format!("{{\"messages\":{messages},\"stream\":\"yes\"}}")).unwrap();
        assert_eq!((&*request.spec.prompt, request.stream), ("system: be calm\nfox", true));
    }
}

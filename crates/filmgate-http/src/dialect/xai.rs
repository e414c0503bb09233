//! xAI video: generations and their status.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{
    AspectRatio, Fault, Job, JobFailure, JobState, Mode, Resolution, Role, Seconds, Shape,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::App;
use crate::dialect::{Draft, Names, WEBHOOK, choice, report};
use crate::fields::Fields;
use crate::inputs::Given;
use crate::refusal::{Refusal, bad_spec};

/// Fields of the dialect that would change the video or where it goes, and that filmgate does not pass on.
const NOT_ON_OFFER: [&str; 6] =
    ["reference_audios", "last_frame", "keyframes", "generate_audio", "storage_options", "output"];
/// Fields that change nothing about the video.
const HARMLESS: [&str; 1] = ["user"];

/// What things are called in this dialect.
pub(crate) const NAMES: Names = Names { prompt: "prompt", resolution: "resolution", seconds: "duration" };

/// The names of the first frame.
const IMAGE: [&str; 3] = ["image", "input_reference", "image_url"];

/// The most reference images that any model takes.
pub(crate) const MOST_REFERENCES: usize = 14;

/// Reads a generation request.
pub(crate) fn parse(mut fields: Fields, headers: &HeaderMap) -> Result<Draft, Refusal> {
    fields.refuse(&NOT_ON_OFFER)?;
    let choice = choice::read(&mut [&mut fields], headers)?;
    let model = fields.text("model")?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let seconds = seconds(&mut fields, 8)?;
    let resolution = fields.parsed("resolution")?.unwrap_or(Resolution::P480);
    let aspect_ratio = fields.parsed("aspect_ratio")?;
    let mut inputs = Vec::new();
    for name in IMAGE {
        if let Some(image) = Given::take(&mut fields, name, Role::FirstFrame)? {
            if !inputs.is_empty() {
                let message = format!("duplicate field: `{name}` is an alias of `image`");
                return Err(Refusal::invalid(name, message));
            }
            inputs.push(image);
        }
    }
    let references = Given::take_list(&mut fields, "reference_images", Role::Reference)?;
    if references.len() > MOST_REFERENCES {
        let message = format!("`reference_images` may hold {MOST_REFERENCES} images at most");
        return Err(Refusal::invalid("reference_images", message));
    }
    fields.finish(&HARMLESS)?;
    let mode = match (references.is_empty(), inputs.is_empty()) {
        (false, _) => Mode::Reference,
        (true, false) => Mode::Image,
        (true, true) => Mode::Text,
    };
    inputs.extend(references);
    let usual_ratio = AspectRatio::R16x9;
    let webhook_field = WEBHOOK;
    Ok(Draft {
        model,
        prompt,
        resolution,
        seconds,
        aspect_ratio,
        usual_ratio,
        mode,
        inputs,
        choice,
        webhook_field,
    })
}

/// Reads a request for an edit or an extension of a video.
pub(crate) fn parse_derived(mut fields: Fields, headers: &HeaderMap, mode: Mode) -> Result<Draft, Refusal> {
    fields.refuse(&NOT_ON_OFFER)?;
    let choice = choice::read(&mut [&mut fields], headers)?;
    let model = fields.text("model")?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let seconds = if mode == Mode::Extend { seconds(&mut fields, 6)? } else { Seconds::DEFAULT };
    let video = Given::take(&mut fields, "video", Role::Video)?
        .ok_or_else(|| Refusal::invalid("video", "`video` is missing: send {\"url\": …} of a video"))?;
    fields.finish(&HARMLESS)?;
    let (resolution, aspect_ratio) = (Resolution::P480, AspectRatio::R16x9);
    let draft = Draft::new(model, prompt, Shape { resolution, seconds, aspect_ratio });
    Ok(Draft { choice, ..draft.with(mode, vec![video]) })
}

fn seconds(fields: &mut Fields, usual: u32) -> Result<Seconds, Refusal> {
    if fields.has("duration") && fields.has("seconds") {
        return Err(Refusal::invalid("seconds", "duplicate field: `seconds` is an alias of `duration`"));
    }
    match fields.seconds("duration")? {
        Some(seconds) => Ok(seconds),
        None => Ok(fields.seconds("seconds")?.unwrap_or(Seconds::new(usual).map_err(bad_spec("duration"))?)),
    }
}

/// The answer to a generation request.
pub(crate) fn created(job: &Job) -> Value {
    json!({ "request_id": job.id, "filmgate": report::report(job) })
}

/// 202 while pending, 200 once it has ended, whatever the end.
pub(crate) fn respond(app: &App, job: &Arc<Job>) -> Response {
    let status = if job.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, report::headers(job), Json(render(app, job))).into_response()
}

/// Clients of this dialect are strict about types: progress a number, `video.url` a string.
pub(crate) fn render(app: &App, job: &Job) -> Value {
    let mut body = match (&job.failure, &job.delivered) {
        (None, Some(file)) if job.has_file() => json!({
            "status": "done", "progress": 100, "model": job.spec.model,
            "video": {
                "url": app.engine.link(job.id), "duration": (file.duration_ms + 500) / 1000,
                "respect_moderation": true,
            },
        }),
        (None, _) if job.state == JobState::Completed => json!({ "status": "expired" }),
        (None, _) => json!({
            "status": "pending", "progress": job.progress.min(99), "model": job.spec.model,
        }),
        (Some(failure), _) if failure.code == "moderation_blocked" => json!({
            "status": "done", "progress": 100, "model": job.spec.model,
            "video": { "url": "", "duration": 0, "respect_moderation": false },
        }),
        (Some(failure), _) if failure.code == "expired" => json!({ "status": "expired" }),
        (Some(failure), _) => json!({
            "status": "failed", "progress": 0, "model": job.spec.model, "error": error(failure),
        }),
    };
    if let Some(ticks) = job.attempt().and_then(|a| a.cost_ticks).filter(|_| job.state.is_final()) {
        body["usage"] = json!({ "cost_in_usd_ticks": ticks });
    }
    body["filmgate"] = json!(report::report(job));
    body
}

/// The dialect knows four codes; filmgate's own stands in the message.
fn error(failure: &JobFailure) -> Value {
    let code = match failure.fault {
        Fault::Caller => "invalid_argument",
        Fault::Token => "permission_denied",
        Fault::Gateway => "failed_precondition",
        Fault::Upstream => "internal_error",
    };
    json!({ "code": code, "message": failure.to_string() })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse_json(json: &str) -> Result<Draft, Refusal> {
        parse(Fields::from_json(json.as_bytes()).unwrap(), &HeaderMap::new())
    }

    #[rstest]
    #[case(r#"{"prompt":"fox"}"#, "480p 8s 16:9")]
    #[case(r#"{"prompt":"fox","duration":null,"resolution":null}"#, "480p 8s 16:9")]
    #[case(r#"{"prompt":"fox","duration":"10","resolution":"720p","aspect_ratio":"2:3"}"#, "720p 10s 2:3")]
    #[case(r#"{"prompt":"fox","seconds":3,"user":"me"}"#, "480p 3s 16:9")]
    fn requests(#[case] json: &str, #[case] shape: &str) {
        let Draft { resolution, seconds, aspect_ratio, usual_ratio, .. } = parse_json(json).unwrap();
        let ratio = aspect_ratio.unwrap_or(usual_ratio);
        assert_eq!(format!("{resolution} {seconds}s {ratio}"), shape);
    }

    #[rstest]
    #[case(r#"{"prompt":"x","duration":0}"#, "duration")]
    #[case(r#"{"prompt":"x","duration":3,"seconds":3}"#, "seconds")]
    #[case(r#"{"prompt":"x","resolution":"4k"}"#, "resolution")]
    #[case(r#"{"prompt":"x","image":{"url":"https://x/y.png","file_id":"f"}}"#, "image.file_id")]
    #[case(r#"{"prompt":"x","image":{"url":"https://x/y.png"},"image_url":"https://x/y.png"}"#, "image_url")]
    #[case(r#"{"prompt":"x","reference_images":{}}"#, "reference_images")]
    #[case(r#"{"prompt":"x","reference_images":[{"url":7}]}"#, "reference_images[0].url")]
    #[case(r#"{"prompt":"x","keyframes":[]}"#, "keyframes")]
    #[case(r#"{"prompt":"x","negative_prompt":"y"}"#, "negative_prompt")]
    fn wrong_fields_are_named(#[case] json: &str, #[case] param: &str) {
        assert_eq!(parse_json(json).unwrap_err().param.as_deref(), Some(param));
    }
}

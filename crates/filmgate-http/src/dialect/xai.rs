//! xAI video: generations and their status.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{AspectRatio, Fault, Job, JobFailure, JobState, Resolution, Seconds, Shape, VideoSpec};
use http::StatusCode;
use serde_json::{Value, json};

use crate::App;
use crate::dialect::report;
use crate::fields::Fields;
use crate::refusal::{Refusal, bad_spec};

/// Fields of the dialect that would change the video or where it goes, and are not on offer yet.
const NOT_YET: [&str; 11] = [
    "image",
    "input_reference",
    "image_url",
    "reference_images",
    "reference_audios",
    "last_frame",
    "keyframes",
    "generate_audio",
    "storage_options",
    "output",
    "video",
];
/// Fields that change nothing about the video.
const HARMLESS: [&str; 1] = ["user"];

/// The names of resolution and length in this dialect.
pub(crate) const PARAMS: (&str, &str) = ("resolution", "duration");

/// Reads a generation request.
pub(crate) fn parse(mut fields: Fields, default_model: &str) -> Result<VideoSpec, Refusal> {
    fields.refuse(&NOT_YET)?;
    let model = fields.text("model")?.unwrap_or_else(|| default_model.to_owned());
    let prompt = fields.text("prompt")?.unwrap_or_default();
    if fields.has("duration") && fields.has("seconds") {
        return Err(Refusal::invalid("seconds", "duplicate field: `seconds` is an alias of `duration`"));
    }
    let seconds = match fields.seconds("duration")? {
        Some(seconds) => seconds,
        None => fields.seconds("seconds")?.unwrap_or(Seconds::new(8).map_err(bad_spec("duration"))?),
    };
    let resolution = fields.parsed("resolution")?.unwrap_or(Resolution::P480);
    let aspect_ratio = fields.parsed("aspect_ratio")?.unwrap_or(AspectRatio::R16x9);
    fields.finish(&HARMLESS)?;
    VideoSpec::new(model, &prompt, Shape { resolution, seconds, aspect_ratio }).map_err(bad_spec("prompt"))
}

/// The answer to a generation request.
pub(crate) fn created(job: &Arc<Job>) -> Response {
    let body = json!({ "request_id": job.id, "filmgate": report::report(job) });
    (report::headers(job), Json(body)).into_response()
}

/// 202 while pending, 200 once it has ended, whatever the end.
pub(crate) fn respond(app: &App, job: &Arc<Job>) -> Response {
    let status = if job.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, report::headers(job), Json(render(app, job))).into_response()
}

/// Clients of this dialect are strict about types: progress a number, `video.url` a string.
fn render(app: &App, job: &Job) -> Value {
    let mut body = match (&job.failure, &job.delivered) {
        (None, Some(file)) if job.has_file() => json!({
            "status": "done", "progress": 100, "model": job.spec.model,
            "video": {
                "url": app.link(job.id), "duration": (file.duration_ms + 500) / 1000,
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
    body["filmgate"] = report::report(job);
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

    fn parse_json(json: &str) -> Result<VideoSpec, Refusal> {
        parse(Fields::from_json(json.as_bytes()).unwrap(), "default-model")
    }

    #[rstest]
    #[case(r#"{"prompt":"fox"}"#, "480p 8s 16:9")]
    #[case(r#"{"prompt":"fox","duration":null,"resolution":null}"#, "480p 8s 16:9")]
    #[case(r#"{"prompt":"fox","duration":"10","resolution":"720p","aspect_ratio":"2:3"}"#, "720p 10s 2:3")]
    #[case(r#"{"prompt":"fox","seconds":3,"user":"me"}"#, "480p 3s 16:9")]
    fn requests(#[case] json: &str, #[case] shape: &str) {
        assert_eq!(parse_json(json).unwrap().shape.to_string(), shape);
    }

    #[rstest]
    #[case(r#"{"prompt":"x","duration":0}"#, "duration")]
    #[case(r#"{"prompt":"x","duration":3,"seconds":3}"#, "seconds")]
    #[case(r#"{"prompt":"x","resolution":"4k"}"#, "resolution")]
    #[case(r#"{"prompt":"x","image":{"url":"https://x/y.png"}}"#, "image")]
    #[case(r#"{"prompt":"x","keyframes":[]}"#, "keyframes")]
    #[case(r#"{"prompt":"x","negative_prompt":"y"}"#, "negative_prompt")]
    fn wrong_fields_are_named(#[case] json: &str, #[case] param: &str) {
        assert_eq!(parse_json(json).unwrap_err().param.as_deref(), Some(param));
    }
}

//! OpenAI Videos: create, retrieve, content.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{AspectRatio, Job, JobId, JobState, Mode, Resolution, Role, Seconds, Shape};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::App;
use crate::dialect::report::{self, Report};
use crate::dialect::{Draft, Names, choice};
use crate::fields::Fields;
use crate::inputs::Given;
use crate::refusal::{Refusal, bad_spec};

/// Fields of the dialect that would change the video and that no upstream offers.
const NOT_ON_OFFER: [&str; 2] = ["characters", "video"];
/// Fields that change nothing about the video.
const HARMLESS: [&str; 3] = ["user", "metadata", "safety_identifier"];

/// What things are called in this dialect.
pub(crate) const NAMES: Names = Names { prompt: "prompt", resolution: "size", seconds: "seconds" };

/// How often the SDKs' poll helpers ask.
const POLL_AFTER_MS: HeaderName = HeaderName::from_static("openai-poll-after-ms");

/// A job's id in this dialect.
pub(crate) fn spell(job: JobId) -> String {
    format!("video_{}", job.simple())
}

/// Reads a creation request.
pub(crate) fn parse(mut fields: Fields, headers: &HeaderMap) -> Result<Draft, Refusal> {
    fields.refuse(&NOT_ON_OFFER)?;
    let choice = choice::read(&mut [&mut fields], headers)?;
    let model = fields.text("model")?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let seconds = seconds(&mut fields)?;
    let size = fields.text("size")?;
    let (aspect_ratio, resolution) = match &size {
        Some(size) => of_size(size).ok_or_else(|| {
            let size: String = size.chars().take(40).collect();
            let message = format!("{size:?} is not a size on offer; use one such as 1280x720 or 720x1280");
            Refusal::invalid("size", message)
        })?,
        None => (AspectRatio::R9x16, Resolution::P720),
    };
    let resolution = fields.parsed("resolution")?.unwrap_or(resolution);
    let aspect_ratio = fields.parsed("aspect_ratio")?.unwrap_or(aspect_ratio);
    let image = Given::take(&mut fields, "input_reference", Role::FirstFrame)?;
    fields.finish(&HARMLESS)?;
    let mode = if image.is_some() { Mode::Image } else { Mode::Text };
    let draft = Draft::new(model, prompt, Shape { resolution, seconds, aspect_ratio });
    Ok(Draft { choice, ..draft.with(mode, image.into_iter().collect()) })
}

/// Reads a request for an edit or an extension of a video, or for a remix of `source`, which is an edit.
pub(crate) fn parse_derived(
    mut fields: Fields,
    headers: &HeaderMap,
    mode: Mode,
    source: Option<&str>,
) -> Result<Draft, Refusal> {
    let choice = choice::read(&mut [&mut fields], headers)?;
    let model = fields.text("model")?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let seconds = if mode == Mode::Extend { seconds(&mut fields)? } else { Seconds::DEFAULT };
    let video = match source {
        Some(id) => Given::video(id, "video_id"),
        None => Given::take(&mut fields, "video", Role::Video)?.ok_or_else(|| {
            let message = "`video` is missing: send {\"id\": …} of an earlier video, or a file";
            Refusal::invalid("video", message)
        })?,
    };
    fields.finish(&HARMLESS)?;
    let (resolution, aspect_ratio) = (Resolution::P480, AspectRatio::R16x9);
    let draft = Draft::new(model, prompt, Shape { resolution, seconds, aspect_ratio });
    Ok(Draft { choice, ..draft.with(mode, vec![video]) })
}

/// Four seconds if nothing is said.
fn seconds(fields: &mut Fields) -> Result<Seconds, Refusal> {
    if fields.has("seconds") && fields.has("duration") {
        return Err(Refusal::invalid("duration", "`seconds` and `duration` mean the same; send one"));
    }
    match fields.seconds("seconds")? {
        Some(seconds) => Ok(seconds),
        None => Ok(fields.seconds("duration")?.unwrap_or(Seconds::new(4).map_err(bad_spec("seconds"))?)),
    }
}

/// Aspect ratio and resolution class of a size such as `1280x720`. Ratios are matched within 3 %, so
/// 1792x1024 is 16:9; a short side below 648 is 480p, below 1080 720p.
pub(crate) fn of_size(size: &str) -> Option<(AspectRatio, Resolution)> {
    let (width, height) = size.split_once('x')?;
    let side = |text: &str| -> Option<u32> {
        let plain = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| plain && *n > 0)
    };
    let (width, height) = (side(width)?, side(height)?);
    let resolution = match width.min(height) {
        360..648 => Resolution::P480,
        648..1080 => Resolution::P720,
        1080..=1200 => Resolution::P1080,
        _ => return None,
    };
    let ratio = f64::from(width) / f64::from(height);
    let fits = |candidate: &AspectRatio| {
        let (w, h) = candidate.parts();
        (ratio / (f64::from(w) / f64::from(h)) - 1.0).abs() < 0.03
    };
    AspectRatio::ALL.into_iter().find(fits).map(|aspect_ratio| (aspect_ratio, resolution))
}

/// The Video object: always all 13 fields, with the types that strict clients want, and what filmgate adds.
#[derive(Serialize)]
pub(crate) struct Video<'a> {
    pub(crate) id: String,
    object: &'static str,
    model: &'a str,
    status: &'static str,
    progress: u8,
    created_at: i64,
    completed_at: Option<i64>,
    expires_at: Option<i64>,
    prompt: &'a str,
    size: String,
    seconds: String,
    remixed_from_video_id: Option<String>,
    error: Option<Error<'a>>,
    filmgate: Report<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

/// A job as the Video object.
pub(crate) fn render<'a>(app: &App, job: &'a Job) -> Video<'a> {
    let status = match job.state {
        JobState::Queued | JobState::Reserved | JobState::Submitting => "queued",
        JobState::Running | JobState::Delivering => "in_progress",
        JobState::Completed => "completed",
        JobState::Failed => "failed",
    };
    let completed_at = job.finished_at.filter(|_| job.state == JobState::Completed);
    let ((width, height), seconds) = match &job.delivered {
        Some(file) => ((file.width, file.height), (file.duration_ms + 500) / 1000),
        None => (job.spec.shape.usual_size(), u64::from(job.spec.shape.seconds.get())),
    };
    Video {
        id: spell(job.id),
        object: "video",
        model: &job.spec.model,
        status,
        progress: job.progress,
        created_at: job.created_at.as_seconds(),
        completed_at: completed_at.map(|at| at.as_seconds()),
        expires_at: completed_at.map(|at| app.engine.kept_until(at).as_seconds()),
        prompt: &job.spec.prompt,
        size: format!("{width}x{height}"),
        seconds: seconds.to_string(),
        remixed_from_video_id: job.spec.source_job().map(spell),
        error: job.failure.as_ref().map(|f| Error { code: &f.code, message: &f.message }),
        filmgate: report::report(job),
    }
}

/// 200 with the Video object.
pub(crate) fn respond(app: &App, job: &Arc<Job>) -> Response {
    (headers(job), Json(render(app, job))).into_response()
}

/// Those of any job, and when to ask again.
pub(crate) fn headers(job: &Job) -> HeaderMap {
    let mut headers = report::headers(job);
    if !job.state.is_final() {
        headers.insert(POLL_AFTER_MS, HeaderValue::from_static("5000"));
    }
    headers
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1280x720", "16:9", "720p")]
    #[case("720x1280", "9:16", "720p")]
    #[case("1920x1080", "16:9", "1080p")]
    #[case("1080x1920", "9:16", "1080p")]
    #[case("848x480", "16:9", "480p")]
    #[case("752x416", "16:9", "480p")]
    #[case("1792x1024", "16:9", "720p")]
    #[case("1024x1792", "9:16", "720p")]
    #[case("1024x1024", "1:1", "720p")]
    #[case("720x480", "3:2", "480p")]
    fn sizes(#[case] size: &str, #[case] aspect_ratio: &str, #[case] resolution: &str) {
        let expected = (aspect_ratio.parse().unwrap(), resolution.parse().unwrap());
        assert_eq!(of_size(size), Some(expected));
    }

    #[rstest]
    fn no_sizes(
        #[values("", "x", "720", "720x", "0x0", "-1x1", "1280X720", "99999x1", "4000x720", "1280x720x1")]
        size: &str,
    ) {
        assert_eq!(of_size(size), None);
    }

    #[test]
    fn usual_sizes_read_back_as_the_same_form() {
        for resolution in Resolution::ALL {
            for aspect_ratio in AspectRatio::ALL {
                let shape = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio };
                let (width, height) = shape.usual_size();
                let size = format!("{width}x{height}");
                assert_eq!(of_size(&size), Some((aspect_ratio, resolution)), "{size}");
            }
        }
    }

    fn parse_json(json: &str) -> Result<Draft, Refusal> {
        parse(Fields::from_json(json.as_bytes()).unwrap(), &HeaderMap::new())
    }

    #[test]
    fn defaults_are_those_of_the_dialect() {
        let draft = parse_json(r#"{"prompt":"fox","seconds":null}"#).unwrap();
        assert_eq!((draft.model, draft.resolution, draft.seconds.get()), (None, Resolution::P720, 4));
        assert_eq!(draft.aspect_ratio, Some(AspectRatio::R9x16));
    }

    #[rstest]
    #[case(r#"{"prompt":7}"#, "prompt")]
    #[case(r#"{"prompt":"x","seconds":"four"}"#, "seconds")]
    #[case(r#"{"prompt":"x","size":"big"}"#, "size")]
    #[case(r#"{"prompt":"x","input_reference":7}"#, "input_reference")]
    #[case(r#"{"prompt":"x","input_reference":{}}"#, "input_reference")]
    #[case(r#"{"prompt":"x","input_reference":{"file_id":"f"}}"#, "input_reference.file_id")]
    #[case(r#"{"prompt":"x","characters":[]}"#, "characters")]
    #[case(r#"{"prompt":"x","fps":60}"#, "fps")]
    #[case(r#"{"prompt":"x","seconds":4,"duration":5}"#, "duration")]
    fn wrong_fields_are_named(#[case] json: &str, #[case] param: &str) {
        assert_eq!(parse_json(json).unwrap_err().param.as_deref(), Some(param));
    }
}

//! The bodies of `POST /v1/videos/edits` and `/v1/videos/extensions`, and the video they start from.

use std::ops::RangeInclusive;

use axum::http::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::wire::{Source, model_named, parse_json, refuse_unsimulated, whole_seconds};
use crate::{
    app::App,
    error::ApiError,
    footage::Footage,
    inputs::{Input, data_uri},
    model::Model,
    order::{Dialect, Operation, Order},
};

/// In seconds.
const LONGEST_EDIT: f64 = 8.7;
/// In seconds; xAI's specification says up to 30, its documentation 15.
const EXTENDABLE: RangeInclusive<f64> = 2.0..=15.0;
const EXTENSION: RangeInclusive<u32> = 2..=10;
const DEFAULT_EXTENSION: u32 = 6;

#[derive(Deserialize)]
struct Body {
    model: String,
    prompt: Option<String>,
    video: Source,
    // Only of an extension.
    #[serde(alias = "seconds")]
    duration: Option<Value>,
    storage_options: Option<Value>,
    output: Option<Value>,
    user: Option<String>,
}

/// Reads and checks the body of an edit.
pub(super) fn edit(app: &App, body: &[u8]) -> Result<Order, ApiError> {
    let body: Body = parse_json(body)?;
    let (model, prompt) = body.words("edits")?;
    let video = footage(app, body.video.url("video")?)?;
    let seconds = video.1.seconds;
    if seconds > LONGEST_EDIT {
        let message = format!("a video to edit may be {LONGEST_EDIT} s long; this one is {seconds} s");
        return Err(ApiError::invalid(message));
    }
    let order = Order::from_video((Dialect::Xai, Operation::Edit), (model, prompt), video, None);
    Ok(Order { user: body.user, ..order })
}

/// Reads and checks the body of an extension.
pub(super) fn extension(app: &App, body: &[u8]) -> Result<Order, ApiError> {
    let body: Body = parse_json(body)?;
    let (model, prompt) = body.words("extensions")?;
    let added = whole_seconds(body.duration.as_ref(), EXTENSION, DEFAULT_EXTENSION)?;
    let video = footage(app, body.video.url("video")?)?;
    let seconds = video.1.seconds;
    if !EXTENDABLE.contains(&seconds) {
        let (least, most) = (EXTENDABLE.start(), EXTENDABLE.end());
        let message = format!("a video to extend must be {least} to {most} s long; this one is {seconds} s");
        return Err(ApiError::invalid(message));
    }
    let order = Order::from_video((Dialect::Xai, Operation::Extension), (model, prompt), video, Some(added));
    Ok(Order { user: body.user, ..order })
}

impl Body {
    fn words(&self, what: &str) -> Result<(Model, String), ApiError> {
        let model = model_named(&self.model)?;
        if model != Model::Base {
            return Err(ApiError::invalid(format!(
                "{what} are only offered by {}, not by {}",
                Model::Base.name(),
                model.name()
            )));
        }
        refuse_unsimulated(self.output.as_ref(), self.storage_options.as_ref())?;
        let prompt = self.prompt.clone().filter(|prompt| !prompt.trim().is_empty());
        Ok((model, prompt.ok_or_else(|| ApiError::invalid("prompt is required"))?))
    }
}

/// A data URI is measured, a link to a file of the simulator's own is followed, and any other https
/// address is recorded and taken for [`Footage::ELSEWHERE`].
fn footage(app: &App, url: &str) -> Result<(Input, Footage), ApiError> {
    let role = "video".to_owned();
    let complain = |why: String| ApiError::invalid(format!("video: {why}"));
    if url.starts_with("data:") {
        let (media_type, data) = data_uri(&role, url, "video/mp4").map_err(ApiError::invalid)?;
        let footage = Footage::measure(&data).map_err(complain)?;
        return Ok((Input::from_data(role, &media_type, &data), footage));
    }
    let address: Uri = url.parse().map_err(|err| complain(format!("{url:?} is no address: {err}")))?;
    let footage = match app.own_footage(&address) {
        Some(footage) => footage.ok_or_else(|| complain(format!("there is no video at {url}")))?,
        None if address.scheme_str() != Some("https") => {
            return Err(complain("the url must be an https URL or a data URI".to_owned()));
        }
        None => Footage::ELSEWHERE,
    };
    if !address.path().ends_with(".mp4") {
        return Err(complain("the path of the url must end in .mp4".to_owned()));
    }
    Ok((Input::referring(role, "url", url), footage))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;
    use crate::{
        config::{Render, SimulatorConfig},
        render::{render, test_clip},
    };

    type Reader = fn(&App, &[u8]) -> Result<Order, ApiError>;

    fn read(reader: Reader, mut fields: Value) -> Result<Order, ApiError> {
        let object = fields.as_object_mut().expect("an object");
        object.entry("model").or_insert(json!("grok-imagine-video"));
        object.entry("prompt").or_insert(json!("now at night"));
        object.entry("video").or_insert(json!({"url": "https://cdn.example/a.mp4?x=1"}));
        let host = "127.0.0.1:9";
        let app = App::new(SimulatorConfig::default(), format!("http://{host}"), host.to_owned());
        reader(&app, fields.to_string().as_bytes())
    }

    #[track_caller]
    fn refused(reader: Reader, fields: Value, status: u16, about: &str) {
        let error = read(reader, fields).expect_err("refused");
        assert_eq!(error.status.as_u16(), status, "{}", error.message);
        assert!(error.message.contains(about), "{}", error.message);
    }

    fn film(seconds: u32) -> Value {
        let file = render(&test_clip(640, 368, seconds, "super"), Render::Flat).expect("rendered");
        json!({"url": format!("data:video/mp4;base64,{}", STANDARD.encode(file))})
    }

    #[test]
    fn a_video_elsewhere_is_taken_for_six_seconds_of_480p() {
        let order = read(edit, json!({"user": "me", "temperature": 3})).expect("good");
        assert_eq!(order.source, Some(Footage::ELSEWHERE));
        assert_eq!((order.seconds, order.aspect.name, order.user.as_deref()), (6, "16:9", Some("me")));
        assert_eq!((order.inputs[0].role.as_str(), order.inputs[0].kind), ("video", "url"));
    }

    #[test]
    fn a_data_uri_is_measured() {
        let order = read(edit, json!({"video": film(8)})).expect("good");
        assert_eq!(order.source, Some(Footage { width: 640, height: 368, seconds: 8.0 }));
        assert_eq!((order.inputs[0].kind, order.inputs[0].pixels), ("data", Some((640, 368))));
        assert!(order.inputs[0].sha256.is_some());
    }

    #[test]
    fn lengths() {
        refused(edit, json!({"video": film(9)}), 400, "8.7 s");
        refused(extension, json!({"video": film(1)}), 400, "2 to 15 s");
        refused(extension, json!({"video": film(16)}), 400, "2 to 15 s");
        assert_eq!(read(extension, json!({"video": film(15)})).expect("good").total_seconds(), 21);
        assert_eq!(read(extension, json!({"duration": "10"})).expect("good").total_seconds(), 16);
        refused(extension, json!({"duration": 1}), 400, "between 2 and 10");
        refused(extension, json!({"duration": 11}), 400, "between 2 and 10");
        refused(extension, json!({"duration": 2.5}), 422, "duration");
    }

    #[test]
    fn bad_videos() {
        for reader in [edit as Reader, extension] {
            refused(reader, json!({"video": {}}), 400, "exactly one");
            refused(reader, json!({"video": {"file_id": "f_1"}}), 400, "f_1");
            refused(reader, json!({"video": null}), 422, "video");
            refused(reader, json!({"video": {"url": "http://cdn.example/a.mp4"}}), 400, "https");
            refused(reader, json!({"video": {"url": "https://cdn.example/a.webm"}}), 400, ".mp4");
            refused(reader, json!({"video": {"url": "ftp ://"}}), 400, "no address");
            refused(reader, json!({"video": {"url": "data:image/png;base64,aGVsbG8="}}), 400, "video/mp4");
            refused(reader, json!({"video": {"url": "data:video/mp4;base64,aGVsbG8="}}), 400, "no MP4");
            refused(reader, json!({"video": {"url": "http://127.0.0.1:9/files/a.mp4"}}), 400, "no video");
        }
    }

    #[test]
    fn only_one_model_does_it_and_only_with_words() {
        for reader in [edit as Reader, extension] {
            refused(reader, json!({"model": "grok-imagine-video-1.5"}), 400, "only offered by");
            refused(reader, json!({"model": "sora-2"}), 404, "sora-2");
            refused(reader, json!({"prompt": " "}), 400, "prompt");
            refused(reader, json!({"prompt": null}), 400, "prompt");
            refused(reader, json!({"output": {"upload_url": "https://a/b"}}), 400, "output");
        }
    }
}

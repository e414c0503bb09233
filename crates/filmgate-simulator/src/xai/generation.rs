//! The body of `POST /v1/videos/generations`: its form, and the rules it must keep.

use serde::Deserialize;
use serde_json::Value;

use super::wire::{Source, model_named, parse_json, refuse_unsimulated, whole_seconds};
use crate::{
    error::ApiError,
    faults::Faults,
    frame::{Aspect, Resolution},
    inputs::Input,
    model::Model,
    order::{Dialect, Operation, Order},
};

const DEFAULT_SECONDS: u32 = 8;
const MAX_SECONDS: u32 = 15;
const MAX_SECONDS_WITH_REFERENCES: u32 = 10;
const MAX_KEYFRAMES: usize = 4;
const MAX_REFERENCE_AUDIOS: usize = 3;

/// Reads and checks a body.
pub(super) fn order(body: &[u8]) -> Result<Order, ApiError> {
    let body: Body = parse_json(body)?;
    let model = model_named(&body.model)?;
    refuse_unsimulated(body.output.as_ref(), body.storage_options.as_ref())?;
    let prompt = body.prompt.clone().unwrap_or_default();
    if prompt.trim().is_empty() && body.image.is_none() {
        return Err(ApiError::invalid("prompt is required unless an image is given"));
    }
    let seconds = body.seconds()?;
    let resolution = body.resolution(model)?;
    body.check_references(model, seconds, resolution)?;
    let inputs = body.inputs(model, seconds)?;
    let aspect = match &body.aspect_ratio {
        Some(name) => Aspect::parse(name).ok_or_else(|| {
            let known: Vec<_> = Aspect::ALL.iter().map(|aspect| aspect.name).collect();
            ApiError::invalid(format!("aspect_ratio must be one of {}, not {name:?}", known.join(", ")))
        })?,
        None => first_frame(&inputs).and_then(Input::aspect).unwrap_or(Aspect::WIDE),
    };
    let faults = Faults::in_prompt(&prompt);
    let (generate_audio, user) = (body.generate_audio, body.user);
    Ok(Order {
        dialect: Dialect::Xai,
        operation: Operation::Generation,
        model,
        prompt,
        resolution,
        seconds,
        aspect,
        size: None,
        source: None,
        remixed_from: None,
        inputs,
        generate_audio,
        user,
        faults,
    })
}

fn first_frame(inputs: &[Input]) -> Option<&Input> {
    inputs.iter().find(|input| input.role == "image")
}

#[derive(Deserialize)]
struct Body {
    model: String,
    prompt: Option<String>,
    // An alias beside its field is a duplicate-field error, as at xAI.
    #[serde(alias = "seconds")]
    duration: Option<Value>,
    aspect_ratio: Option<String>,
    resolution: Option<String>,
    #[serde(alias = "input_reference", alias = "image_url")]
    image: Option<Source>,
    reference_images: Option<Vec<Source>>,
    reference_audios: Option<Vec<Audio>>,
    last_frame: Option<Source>,
    keyframes: Option<Vec<Keyframe>>,
    generate_audio: Option<bool>,
    storage_options: Option<Value>,
    output: Option<Value>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Audio {
    voice_id: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Keyframe {
    image: Source,
    timestamp_s: f64,
}

impl Body {
    fn seconds(&self) -> Result<u32, ApiError> {
        whole_seconds(self.duration.as_ref(), 1..=MAX_SECONDS, DEFAULT_SECONDS)
    }

    fn resolution(&self, model: Model) -> Result<Resolution, ApiError> {
        let Some(name) = &self.resolution else { return Ok(Resolution::P480) };
        let resolution = Resolution::parse(name).ok_or_else(|| {
            ApiError::invalid(format!("resolution must be one of 480p, 720p, 1080p, not {name:?}"))
        })?;
        if resolution > model.max_resolution() {
            return Err(ApiError::invalid(format!("{} does not offer {name}", model.name())));
        }
        Ok(resolution)
    }

    fn check_references(&self, model: Model, seconds: u32, resolution: Resolution) -> Result<(), ApiError> {
        let count = self.reference_images.as_ref().map_or(0, Vec::len);
        if count == 0 {
            return Ok(());
        }
        // The documentation of 1.5 says 14; everything else says 7.
        let most = if model == Model::V15 { 14 } else { 7 };
        if count > most {
            return Err(ApiError::invalid(format!("at most {most} reference_images, not {count}")));
        }
        if resolution == Resolution::P1080 {
            return Err(ApiError::invalid("reference_images cannot be used at 1080p"));
        }
        if model == Model::Base && self.image.is_some() {
            return Err(ApiError::invalid("image and reference_images cannot be used together"));
        }
        if model == Model::Base && seconds > MAX_SECONDS_WITH_REFERENCES {
            let most = MAX_SECONDS_WITH_REFERENCES;
            return Err(ApiError::invalid(format!("with reference_images, duration is at most {most}")));
        }
        Ok(())
    }

    fn inputs(&self, model: Model, seconds: u32) -> Result<Vec<Input>, ApiError> {
        let mut inputs = Vec::new();
        if let Some(image) = &self.image {
            inputs.push(image.read("image".to_owned())?);
        }
        for (n, image) in self.reference_images.iter().flatten().enumerate() {
            inputs.push(image.read(format!("reference_images[{n}]"))?);
        }
        if let Some(image) = &self.last_frame {
            only_v15(model, "last_frame")?;
            inputs.push(image.read("last_frame".to_owned())?);
        }
        for (n, keyframe) in self.keyframes.iter().flatten().enumerate() {
            only_v15(model, "keyframes")?;
            if n == MAX_KEYFRAMES {
                return Err(ApiError::invalid(format!("at most {MAX_KEYFRAMES} keyframes")));
            }
            if !(keyframe.timestamp_s > 0.0 && keyframe.timestamp_s < f64::from(seconds)) {
                return Err(ApiError::invalid("a keyframe's timestamp_s must lie inside the video"));
            }
            inputs.push(keyframe.image.read(format!("keyframes[{n}]"))?);
        }
        for (n, audio) in self.reference_audios.iter().flatten().enumerate() {
            if n == MAX_REFERENCE_AUDIOS {
                return Err(ApiError::invalid(format!("at most {MAX_REFERENCE_AUDIOS} reference_audios")));
            }
            inputs.push(audio.read(format!("reference_audios[{n}]"))?);
        }
        Ok(inputs)
    }
}

fn only_v15(model: Model, field: &str) -> Result<(), ApiError> {
    if model == Model::V15 {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{field} is only offered by {}, not by {}",
        Model::V15.name(),
        model.name()
    )))
}

impl Audio {
    fn read(&self, role: String) -> Result<Input, ApiError> {
        match (&self.url, &self.voice_id) {
            (Some(url), None) => Input::from_url(role, url, "audio/").map_err(ApiError::invalid),
            (None, Some(id)) => Ok(Input::referring(role, "voice_id", id)),
            _ => Err(ApiError::invalid(format!("{role}: exactly one of url and voice_id is required"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PNG: &str = "data:image/png;base64,aGVsbG8=";

    fn read(mut fields: Value) -> Result<Order, ApiError> {
        let object = fields.as_object_mut().expect("an object");
        object.entry("model").or_insert(json!("grok-imagine-video"));
        object.entry("prompt").or_insert(json!("a fox"));
        order(fields.to_string().as_bytes())
    }

    #[track_caller]
    fn refused(fields: Value, status: u16, about: &str) {
        let error = read(fields).expect_err("refused");
        assert_eq!(error.status.as_u16(), status, "{}", error.message);
        assert!(error.message.contains(about), "{}", error.message);
    }

    #[test]
    fn defaults() {
        let order = read(json!({"temperature": 3, "duration": null})).expect("good");
        assert_eq!((order.seconds, order.resolution, order.aspect.name), (8, Resolution::P480, "16:9"));
    }

    #[test]
    fn durations() {
        assert_eq!(read(json!({"duration": 15})).expect("good").seconds, 15);
        assert_eq!(read(json!({"duration": "6"})).expect("good").seconds, 6);
        assert_eq!(read(json!({"seconds": 4})).expect("good").seconds, 4);
        refused(json!({"duration": 0}), 400, "between 1 and 15");
        refused(json!({"duration": "16"}), 400, "between 1 and 15");
        refused(json!({"duration": 6.5}), 422, "duration");
        refused(json!({"duration": "long"}), 422, "duration");
        refused(json!({"duration": 6, "seconds": 6}), 422, "duplicate field");
    }

    #[test]
    fn resolutions_and_models() {
        refused(json!({"resolution": "4k"}), 400, "resolution");
        refused(json!({"resolution": "1080p"}), 400, "1080p");
        let order = read(json!({"resolution": "1080p", "model": "grok-imagine-video-1.5"})).expect("good");
        assert_eq!(order.resolution, Resolution::P1080);
        refused(json!({"model": "sora-2"}), 404, "sora-2");
        refused(json!({"model": 7}), 422, "model");
        refused(json!({"aspect_ratio": "21:9"}), 400, "aspect_ratio");
    }

    #[test]
    fn prompts() {
        refused(json!({"prompt": ""}), 400, "prompt");
        refused(json!({"prompt": null}), 400, "prompt");
        refused(json!({"prompt": 3}), 422, "prompt");
        assert!(read(json!({"prompt": null, "image": {"url": PNG}})).is_ok());
    }

    #[test]
    fn images() {
        let order = read(json!({"input_reference": {"url": PNG}})).expect("good");
        assert_eq!((order.inputs[0].role.as_str(), order.inputs[0].bytes), ("image", Some(5)));
        refused(json!({"image": {"url": PNG, "file_id": "f"}}), 400, "exactly one");
        refused(json!({"image": {}}), 400, "exactly one");
        refused(json!({"image": {"file_id": "f_1"}}), 400, "f_1");
        refused(json!({"image": PNG}), 422, "image");
        refused(json!({"image": {"url": PNG}, "image_url": {"url": PNG}}), 422, "duplicate field");
        refused(json!({"image": {"url": "http://a/b.png"}}), 400, "https");
    }

    #[test]
    fn references() {
        let references = |n: usize| Value::from(vec![json!({"url": PNG}); n]);
        assert_eq!(read(json!({"reference_images": references(7)})).expect("good").images(), 7);
        refused(json!({"reference_images": references(8)}), 400, "at most 7");
        let v15 = |n| json!({"reference_images": references(n), "model": "grok-imagine-video-1.5"});
        assert!(read(v15(14)).is_ok());
        refused(v15(15), 400, "at most 14");
        refused(json!({"reference_images": references(1), "duration": 11}), 400, "at most 10");
        refused(json!({"reference_images": references(1), "image": {"url": PNG}}), 400, "together");
        let mut sharp = v15(1);
        sharp["resolution"] = json!("1080p");
        refused(sharp, 400, "1080p");
    }

    #[test]
    fn fields_of_one_model_only() {
        refused(json!({"last_frame": {"url": PNG}}), 400, "last_frame");
        let frame = json!({"image": {"url": PNG}, "timestamp_s": 3.5});
        refused(json!({"keyframes": [frame]}), 400, "keyframes");
        let v15 = |frames| json!({"model": "grok-imagine-video-1.5", "keyframes": frames});
        assert!(read(v15(json!([frame, frame, frame, frame]))).is_ok());
        refused(v15(json!([frame, frame, frame, frame, frame])), 400, "at most 4");
        refused(v15(json!([{"image": {"url": PNG}, "timestamp_s": 8}])), 400, "timestamp_s");
    }

    #[test]
    fn sounds_and_what_is_not_simulated() {
        let order = read(json!({"reference_audios": [{"voice_id": "eve"}]})).expect("good");
        assert_eq!((order.inputs[0].kind, order.images()), ("voice_id", 0));
        refused(json!({"reference_audios": [{}]}), 400, "exactly one");
        refused(json!({"output": {"upload_url": "https://a/b"}}), 400, "output is not simulated");
        refused(json!({"storage_options": {"filename": "a"}}), 400, "storage_options");
    }

    #[test]
    fn no_json_is_told_apart_from_wrong_json() {
        assert_eq!(order(b"{").expect_err("refused").status.as_u16(), 400);
        assert_eq!(order(br#"{"model": "a"} {}"#).expect_err("refused").status.as_u16(), 400);
        assert_eq!(order(b"[]").expect_err("refused").status.as_u16(), 422);
    }
}

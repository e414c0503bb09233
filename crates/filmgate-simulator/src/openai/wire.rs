//! What the bodies of OpenAI's creates may hold, and the rules they must keep.
//!
//! Unknown fields are ignored without a word.

use std::{collections::HashMap, ops::RangeInclusive};

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    form::{Form, Upload},
    id,
};
use crate::{
    app::App,
    error::ApiError,
    faults::Faults,
    footage::Footage,
    frame::{Aspect, Resolution},
    inputs::Input,
    jobs::Status,
    ledger::AccountId,
    model::Model,
    order::{Dialect, Operation, Order},
};

const MAX_PROMPT_CHARS: usize = 32_000;
const SECONDS: RangeInclusive<u32> = 1..=20;
const DEFAULT_SECONDS: u32 = 4;
/// OpenAI let videos be extended up to two minutes.
const LONGEST_WHOLE: u32 = 120;
const DEFAULT_SIZE: &str = "720x1280";
/// Pixels of a side.
const SIDES: RangeInclusive<u32> = 160..=1920;

#[derive(Debug, Deserialize)]
struct Body {
    prompt: Option<String>,
    model: Option<String>,
    seconds: Option<Value>,
    size: Option<String>,
    input_reference: Option<Image>,
    video: Option<Video>,
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Image {
    image_url: Option<String>,
    file_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Video {
    id: String,
}

/// `POST /videos`.
pub(super) fn generation(form: Form) -> Result<Order, ApiError> {
    let (body, mut files) = form.into_parts::<Body>()?;
    let prompt = body.prompt()?;
    let model = body.model()?.unwrap_or(Model::Sora2);
    let seconds = body.seconds()?;
    let size = body.size.clone().unwrap_or_else(|| DEFAULT_SIZE.to_owned());
    let (width, height) = pixels(&size)?;
    let resolution = Resolution::of_size(width, height);
    if resolution > model.max_resolution() {
        return Err(invalid("size", format!("{} does not offer {size}", model.name())));
    }
    Ok(Order {
        dialect: Dialect::OpenAi,
        operation: Operation::Generation,
        model,
        resolution,
        seconds,
        aspect: Aspect::nearest(width, height),
        size: Some(size),
        source: None,
        remixed_from: None,
        inputs: first_frame(body.input_reference, files.remove("input_reference"))?.into_iter().collect(),
        generate_audio: None,
        user: body.user,
        faults: Faults::in_prompt(&prompt),
        prompt,
    })
}

/// `POST /videos/edits`.
pub(super) fn edit(app: &App, owner: AccountId, form: Form) -> Result<Order, ApiError> {
    let (body, files) = form.into_parts::<Body>()?;
    let prompt = body.prompt()?;
    let (model, video) = body.source(app, owner, files)?;
    let order = Order::from_video((Dialect::OpenAi, Operation::Edit), (model, prompt), video, None);
    Ok(Order { user: body.user, ..order })
}

/// `POST /videos/extensions`.
pub(super) fn extension(app: &App, owner: AccountId, form: Form) -> Result<Order, ApiError> {
    let (body, files) = form.into_parts::<Body>()?;
    let prompt = body.prompt()?;
    let seconds = Some(body.seconds()?);
    let (model, video) = body.source(app, owner, files)?;
    let order = Order::from_video((Dialect::OpenAi, Operation::Extension), (model, prompt), video, seconds);
    if order.total_seconds() > LONGEST_WHOLE {
        let message = format!("the whole would be longer than {LONGEST_WHOLE} seconds");
        return Err(invalid("seconds", message));
    }
    Ok(Order { user: body.user, ..order })
}

/// `POST /videos/{id}/remix`.
pub(super) fn remix(app: &App, owner: AccountId, source: &str, form: Form) -> Result<Order, ApiError> {
    let (body, _) = form.into_parts::<Body>()?;
    let prompt = body.prompt()?;
    let (model, video) = earlier(app, owner, source)?;
    let order = Order::from_video((Dialect::OpenAi, Operation::Remix), (model, prompt), video, None);
    Ok(Order { user: body.user, remixed_from: Some(source.to_owned()), ..order })
}

impl Body {
    fn prompt(&self) -> Result<String, ApiError> {
        let prompt = self.prompt.as_deref().unwrap_or_default();
        if prompt.trim().is_empty() {
            return Err(invalid("prompt", "prompt is required"));
        }
        if prompt.chars().count() > MAX_PROMPT_CHARS {
            return Err(invalid("prompt", format!("prompt may have {MAX_PROMPT_CHARS} characters")));
        }
        Ok(prompt.to_owned())
    }

    fn model(&self) -> Result<Option<Model>, ApiError> {
        let Some(name) = &self.model else { return Ok(None) };
        let unknown = || {
            let message = format!("The model '{name}' does not exist or you do not have access to it.");
            ApiError::not_found(message).openai_code("model_not_found").about("model")
        };
        Model::parse(name).map(Some).ok_or_else(unknown)
    }

    fn seconds(&self) -> Result<u32, ApiError> {
        let seconds = match &self.seconds {
            None | Some(Value::Null) => return Ok(DEFAULT_SECONDS),
            Some(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let (least, most) = (SECONDS.start(), SECONDS.end());
        seconds
            .filter(|seconds| SECONDS.contains(seconds))
            .ok_or_else(|| invalid("seconds", format!("seconds must be a whole number, {least} to {most}")))
    }

    /// The video of an edit or an extension, and the model that is to work on it.
    fn source(
        &self,
        app: &App,
        owner: AccountId,
        mut files: HashMap<String, Upload>,
    ) -> Result<(Model, (Input, Footage)), ApiError> {
        let model = self.model()?;
        match (&self.video, files.remove("video")) {
            (Some(video), None) => {
                let (made_with, video) = earlier(app, owner, &video.id)?;
                Ok((model.unwrap_or(made_with), video))
            }
            (None, Some(file)) => {
                expect_media(&file, "video", "video/mp4")?;
                let footage = Footage::measure(&file.data).map_err(|why| invalid("video", why))?;
                let input = Input::from_data("video".to_owned(), &file.media_type, &file.data);
                Ok((model.unwrap_or(Model::Sora2), (input, footage)))
            }
            _ => Err(invalid("video", "exactly one video is required: a file, or the id of a video")),
        }
    }
}

/// A video of the same account that is there, and its model.
fn earlier(app: &App, owner: AccountId, id: &str) -> Result<(Model, (Input, Footage)), ApiError> {
    let now_ms = app.now_ms();
    let mut books = app.books();
    let job = id::parse(id).and_then(|id| books.jobs.of(owner, id, Dialect::OpenAi));
    let job = job.ok_or_else(|| super::no_video(id))?;
    let made = job.generation.delivered.as_ref().filter(|_| job.status(now_ms) == Status::Done);
    let made = made.ok_or_else(|| invalid("video", format!("Video {id} is not completed.")))?;
    let model = Model::parse(&job.generation.model)
        .ok_or_else(|| ApiError::internal(format!("the model of {id} is not known any more")))?;
    Ok((model, (Input::referring("video".to_owned(), "video_id", id), made.into())))
}

fn first_frame(image: Option<Image>, file: Option<Upload>) -> Result<Option<Input>, ApiError> {
    const ROLE: &str = "input_reference";
    match (image, file) {
        (None, None) => Ok(None),
        (None, Some(file)) => {
            expect_media(&file, ROLE, "image/")?;
            Ok(Some(Input::from_data(ROLE.to_owned(), &file.media_type, &file.data)))
        }
        (Some(Image { image_url: Some(url), file_id: None }), None) => {
            Input::from_url(ROLE.to_owned(), &url, "image/").map(Some).map_err(|why| invalid(ROLE, why))
        }
        (Some(Image { image_url: None, file_id: Some(id) }), None) => {
            Err(invalid(ROLE, format!("there is no file {id}")))
        }
        _ => Err(invalid(ROLE, "exactly one of a file, image_url and file_id is required")),
    }
}

fn expect_media(file: &Upload, param: &str, media: &str) -> Result<(), ApiError> {
    if !file.media_type.starts_with(media) {
        // OpenAI's words.
        let message = format!("Unsupported mimetype ('{}'), expected {media}*.", file.media_type);
        return Err(invalid(param, message).openai_code("unsupported_mimetype"));
    }
    if file.data.is_empty() {
        return Err(invalid(param, "the file is empty"));
    }
    Ok(())
}

fn pixels(size: &str) -> Result<(u32, u32), ApiError> {
    let side = |text: &str| text.parse().ok().filter(|pixels| SIDES.contains(pixels) && pixels % 2 == 0);
    let sides = size.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| {
        let (least, most) = (SIDES.start(), SIDES.end());
        invalid("size", format!("size must be like {DEFAULT_SIZE}, even and {least} to {most}, not {size:?}"))
    })
}

fn invalid(param: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid-argument", message).about(param)
}

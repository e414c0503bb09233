//! What the bodies of xAI's creates have in common.
//!
//! Unknown fields are ignored without a word, as xAI does.

use std::ops::RangeInclusive;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{error::ApiError, inputs::Input, model::Model};

/// Bad JSON is 400; good JSON of the wrong form is 422, in the words that a Rust server uses.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let bad_json = |err| ApiError::invalid(format!("Failed to parse the request body as JSON: {err}"));
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|err| match err.inner().classify() {
        serde_json::error::Category::Data => {
            ApiError::malformed(format!("Failed to deserialize the JSON body into the target type: {err}"))
        }
        _ => bad_json(err.into_inner()),
    })?;
    json.end().map_err(bad_json)?;
    Ok(value)
}

/// A picture or a video.
#[derive(Deserialize)]
pub(super) struct Source {
    url: Option<String>,
    file_id: Option<String>,
}

impl Source {
    /// Reads an image.
    pub(super) fn read(&self, role: String) -> Result<Input, ApiError> {
        let url = self.url(&role)?;
        Input::from_url(role, url, "image/").map_err(ApiError::invalid)
    }

    /// Where it is, which only a URL tells.
    pub(super) fn url(&self, role: &str) -> Result<&str, ApiError> {
        match (&self.url, &self.file_id) {
            (Some(url), None) => Ok(url),
            // The simulator has no files to refer to.
            (None, Some(id)) => Err(ApiError::invalid(format!("{role}: there is no file {id}"))),
            _ => Err(ApiError::invalid(format!("{role}: exactly one of url and file_id is required"))),
        }
    }
}

pub(super) fn model_named(name: &str) -> Result<Model, ApiError> {
    Model::parse(name).filter(|model| model.is_xai()).ok_or_else(|| {
        ApiError::not_found(format!("The model {name} does not exist or you have no access to it."))
    })
}

pub(super) fn refuse_unsimulated(
    output: Option<&Value>,
    storage_options: Option<&Value>,
) -> Result<(), ApiError> {
    for (field, value) in [("output", output), ("storage_options", storage_options)] {
        if value.is_some() {
            return Err(ApiError::invalid(format!("{field} is not simulated")));
        }
    }
    Ok(())
}

/// A `duration`: an integer, or a text that is one.
pub(super) fn whole_seconds(
    value: Option<&Value>,
    range: RangeInclusive<u32>,
    default: u32,
) -> Result<u32, ApiError> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(default),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(_) => None,
    };
    let seconds = seconds.ok_or_else(|| ApiError::malformed("duration must be an integer"))?;
    u32::try_from(seconds).ok().filter(|seconds| range.contains(seconds)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        ApiError::invalid(format!("duration must be between {least} and {most} seconds, not {seconds}"))
    })
}

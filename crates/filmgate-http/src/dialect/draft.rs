//! A request as it was parsed, before what it is made from was looked at.

use filmgate_domain::{AspectRatio, Mode, Resolution, Seconds, Shape};
use filmgate_engine::Choice;

use crate::inputs::Given;

/// Where a webhook usually stands.
pub(crate) const WEBHOOK: &str = "webhook_url";

/// A request as it was parsed.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The model; none named means that of the video it is made from, else the default one.
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    /// What the form is, apart from the aspect ratio; an edit or an extension takes its own from its source.
    pub(crate) resolution: Resolution,
    pub(crate) seconds: Seconds,
    /// None named means that of the first frame, else `usual_ratio`.
    pub(crate) aspect_ratio: Option<AspectRatio>,
    pub(crate) usual_ratio: AspectRatio,
    pub(crate) mode: Mode,
    pub(crate) inputs: Vec<Given>,
    pub(crate) choice: Choice,
    /// The field that `choice.webhook` stood in.
    pub(crate) webhook_field: &'static str,
}

impl Draft {
    /// A video from text, of this form.
    pub(crate) fn new(model: Option<String>, prompt: String, shape: Shape) -> Self {
        Self {
            model,
            prompt,
            resolution: shape.resolution,
            seconds: shape.seconds,
            aspect_ratio: Some(shape.aspect_ratio),
            usual_ratio: shape.aspect_ratio,
            mode: Mode::Text,
            inputs: Vec::new(),
            choice: Choice::default(),
            webhook_field: WEBHOOK,
        }
    }

    /// The same, made from these inputs.
    pub(crate) fn with(self, mode: Mode, inputs: Vec<Given>) -> Self {
        Self { mode, inputs, ..self }
    }
}

/// What a dialect calls things, for refusals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) prompt: &'static str,
    pub(crate) resolution: &'static str,
    pub(crate) seconds: &'static str,
}

//! A create that keeps every rule of its dialect, whichever that is.

use serde::Serialize;

use crate::{
    config::Tier,
    faults::{Fault, Faults},
    footage::Footage,
    frame::{Aspect, Resolution, frame_size},
    inputs::Input,
    jobs::{Asked, Delivered},
    model::Model,
};

/// The dialect in which a video was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// xAI's, under `/v1`.
    Xai,
    /// OpenAI's Videos, under `/openai/v1`.
    OpenAi,
}

/// What was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new video, from words or images.
    Generation,
    /// A video changed, in its size and length.
    Edit,
    /// A video and what comes after it, in one file.
    Extension,
    /// An earlier video of OpenAI's dialect made again from other words, in its size and length.
    Remix,
}

/// What a client wants.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    pub(crate) model: Model,
    pub(crate) prompt: String,
    pub(crate) resolution: Resolution,
    /// Of an extension: what is added.
    pub(crate) seconds: u32,
    pub(crate) aspect: Aspect,
    /// The size in the client's words, where its dialect has them.
    pub(crate) size: Option<String>,
    /// The video it starts from.
    pub(crate) source: Option<Footage>,
    /// The id of that video, if this is a remix.
    pub(crate) remixed_from: Option<String>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) generate_audio: Option<bool>,
    pub(crate) user: Option<String>,
    pub(crate) faults: Faults,
}

impl Order {
    /// A video that starts from another one. `added` is for an extension.
    pub(crate) fn from_video(
        (dialect, operation): (Dialect, Operation),
        (model, prompt): (Model, String),
        (input, source): (Input, Footage),
        added: Option<u32>,
    ) -> Self {
        Self {
            dialect,
            operation,
            model,
            resolution: source.resolution().min(model.max_resolution()),
            seconds: added.unwrap_or_else(|| source.whole_seconds()),
            aspect: source.aspect(),
            size: (dialect == Dialect::OpenAi).then(|| format!("{}x{}", source.width, source.height)),
            source: Some(source),
            remixed_from: None,
            inputs: vec![input],
            generate_audio: None,
            user: None,
            faults: Faults::in_prompt(&prompt),
            prompt,
        }
    }

    /// How many images are billed.
    pub(crate) fn images(&self) -> usize {
        let is_image = |role: &str| role != "video" && !role.starts_with("reference_audios");
        self.inputs.iter().filter(|input| is_image(&input.role)).count()
    }

    /// Seconds at the start that are not made but taken over.
    pub(crate) fn kept_seconds(&self) -> u32 {
        match &self.source {
            Some(source) if self.operation == Operation::Extension => source.whole_seconds(),
            _ => 0,
        }
    }

    /// Length of the whole, as asked.
    pub(crate) fn total_seconds(&self) -> u32 {
        self.kept_seconds() + self.seconds
    }

    pub(crate) fn asked(&self) -> Asked {
        Asked {
            resolution: self.resolution,
            seconds: self.seconds,
            aspect_ratio: self.aspect.name.to_owned(),
            size: self.size.clone(),
        }
    }

    /// What an account of this tier gets. Of an extension the tier limits what is added, not the whole.
    pub(crate) fn made_by(&self, tier: &Tier) -> Delivered {
        let (resolution, seconds) = tier.made_of(self.resolution, self.seconds);
        let resolution = if self.faults.has(Fault::Lie) { Resolution::P480 } else { resolution };
        let own_size = self.source.filter(|source| source.resolution() == resolution);
        let (width, height) = own_size
            .and_then(|source| source.drawable_size())
            .unwrap_or_else(|| frame_size(resolution, self.aspect));
        Delivered { resolution, width, height, seconds: self.kept_seconds() + seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(operation: Operation, (width, height): (u32, u32), seconds: f64, added: Option<u32>) -> Order {
        let input = Input::referring("video".to_owned(), "url", "https://a/b.mp4");
        let source = Footage { width, height, seconds };
        let words = (Model::Base, "a fox".to_owned());
        Order::from_video((Dialect::Xai, operation), words, (input, source), added)
    }

    #[track_caller]
    fn makes(order: &Order, tier: &Tier, width: u32, height: u32, seconds: u32) {
        let made = order.made_by(tier);
        assert_eq!((made.width, made.height, made.seconds), (width, height, seconds));
    }

    #[test]
    fn an_edit_keeps_size_and_length_as_far_as_the_tier_goes() {
        let edit = order(Operation::Edit, (1280, 720), 8.5, None);
        makes(&edit, &Tier::super_(), 1280, 720, 9);
        makes(&edit, &Tier::basic(), 752, 416, 6);
        let odd = order(Operation::Edit, (640, 360), 4.0, None);
        makes(&odd, &Tier::basic(), 640, 360, 4);
        let large = order(Operation::Edit, (1080, 1920), 4.0, None);
        makes(&large, &Tier::official(), 720, 1280, 4);
    }

    #[test]
    fn an_extension_is_the_whole() {
        let extension = order(Operation::Extension, (1280, 720), 10.0, Some(8));
        assert_eq!((extension.asked().seconds, extension.total_seconds()), (8, 18));
        makes(&extension, &Tier::super_(), 1280, 720, 18);
        makes(&extension, &Tier::basic(), 752, 416, 16);
    }

    #[test]
    fn a_video_is_not_billed_as_an_image() {
        assert_eq!(order(Operation::Edit, (1280, 720), 6.0, None).images(), 0);
    }
}

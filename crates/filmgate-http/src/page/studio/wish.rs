//! What was filled in, in the words of the OpenAI dialect, whose reader judges it.

use bytes::Bytes;
use filmgate_domain::{Job, OnShortage, Source};
use filmgate_engine::Choice;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialect::{Draft, Names, openai};
use crate::fields::Fields;
use crate::form::Form;
use crate::refusal::Refusal;

/// What the fields of the form are called, for refusals.
pub(super) const NAMES: Names = Names { prompt: "prompt", resolution: "resolution", seconds: "seconds" };

/// The form, as it was filled in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Wish {
    pub(super) prompt: String,
    pub(super) model: String,
    pub(super) resolution: String,
    pub(super) seconds: String,
    pub(super) aspect_ratio: String,
    pub(super) on_shortage: String,
    pub(super) max_wait: String,
    /// The address of the first frame.
    pub(super) image_url: String,
    /// The name of the file that is the first frame, where only that is known.
    pub(super) image: String,
    /// The name of the caller that the video is made for.
    pub(super) caller: String,
    /// Makes a second click on the button the same request as the first.
    #[serde(skip_serializing)]
    pub(super) request: String,
    #[serde(skip_serializing)]
    pub(super) check: String,
}

impl Default for Wish {
    fn default() -> Self {
        let [resolution, seconds, aspect_ratio] = ["480p", "6", "16:9"].map(str::to_owned);
        let on_shortage = OnShortage::default().as_str().to_owned();
        let empty = String::new;
        Self {
            prompt: empty(),
            model: empty(),
            resolution,
            seconds,
            aspect_ratio,
            on_shortage,
            max_wait: empty(),
            image_url: empty(),
            image: empty(),
            caller: super::CALLER.to_owned(),
            request: empty(),
            check: empty(),
        }
    }
}

/// The first frame, as code names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Image {
    Address(String),
    File(String),
}

impl Wish {
    /// What was asked for once, to be asked again or changed.
    pub(super) fn of(job: &Job) -> Self {
        let (spec, shape) = (&job.spec, job.spec.shape);
        let image_url = match spec.inputs.first().map(|input| &input.source) {
            Some(Source::Url { url }) => url.to_string(),
            _ => String::new(),
        };
        Self {
            prompt: spec.prompt.to_string(),
            model: spec.model.to_string(),
            resolution: shape.resolution.to_string(),
            seconds: shape.seconds.to_string(),
            aspect_ratio: shape.aspect_ratio.to_string(),
            on_shortage: job.on_shortage.as_str().to_owned(),
            image_url,
            ..Self::default()
        }
    }

    /// Reads a form that was sent; the file comes apart.
    pub(super) fn of_form(form: Form) -> Result<(Self, Option<Bytes>), Refusal> {
        let wish = serde_json::from_value(Value::Object(form.texts));
        let wish: Self =
            wish.map_err(|error| crate::fields::malformed(format!("the form cannot be read: {error}")))?;
        // A browser sends a file without a name and content where none was chosen.
        let file = form.files.into_iter().find(|(name, bytes)| name == "image" && !bytes.is_empty());
        Ok((wish, file.map(|(_, bytes)| bytes)))
    }

    pub(super) fn is_checked(&self) -> bool {
        !self.check.is_empty()
    }

    pub(super) fn has_image(&self) -> bool {
        self.image().is_some()
    }

    pub(super) fn image(&self) -> Option<Image> {
        match (self.image.trim(), self.image_url.trim()) {
            ("", "") => None,
            ("", address) => Some(Image::Address(address.to_owned())),
            (name, _) => Some(Image::File(name.to_owned())),
        }
    }

    /// The texts that a client would send. What is empty is left out.
    pub(super) fn texts(&self) -> Map<String, Value> {
        // Browsers end lines as forms always did.
        let prompt = self.prompt.replace("\r\n", "\n");
        let waits = self.on_shortage == OnShortage::Wait.as_str();
        let fields = [
            ("model", &self.model),
            ("prompt", &prompt),
            ("resolution", &self.resolution),
            ("seconds", &self.seconds),
            ("aspect_ratio", &self.aspect_ratio),
            ("on_shortage", &self.on_shortage),
            ("max_wait", &self.max_wait),
            ("input_reference", &self.image_url),
        ];
        let fields = fields.into_iter().filter(|(name, _)| waits || *name != "max_wait");
        let given = fields.filter(|(_, text)| !text.trim().is_empty());
        given.map(|(name, text)| (name.to_owned(), Value::String(text.trim().to_owned()))).collect()
    }

    /// Reads it as a client's request is read.
    pub(super) fn draft(&self, file: Option<Bytes>) -> Result<Draft, Refusal> {
        if (file.is_some() || !self.image.is_empty()) && !self.image_url.trim().is_empty() {
            let message = "send a file or an address of an image, not both";
            return Err(Refusal::invalid("input_reference", message));
        }
        let files = file.into_iter().map(|bytes| ("input_reference".to_owned(), bytes)).collect();
        openai::parse(Fields::of_form(Form { texts: self.texts(), files }), &HeaderMap::new())
    }
}

/// What a client would have to send for a job to be admitted like this one.
pub(super) fn choice_of(job: &Job) -> Choice {
    let max_wait = job.wait_until.map(|until| until.since(job.created_at));
    let max_wait = max_wait.filter(|_| job.on_shortage == OnShortage::Wait);
    Choice { on_shortage: job.on_shortage, max_wait, ..Choice::default() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn wish(change: impl FnOnce(&mut Wish)) -> Wish {
        let mut wish = Wish { prompt: "a fox\r\nin the snow".to_owned(), ..Wish::default() };
        change(&mut wish);
        wish
    }

    #[test]
    fn a_form_is_read_as_a_request() {
        let wish = wish(|wish| {
            wish.on_shortage = "wait".to_owned();
            wish.max_wait = "90".to_owned();
        });
        let draft = wish.draft(None).unwrap();
        assert_eq!(draft.prompt, "a fox\nin the snow");
        assert_eq!((draft.resolution.as_str(), draft.seconds.get(), draft.model), ("480p", 6, None));
        assert_eq!(draft.choice.max_wait.map(|wait| wait.as_secs()), Some(90));
    }

    #[rstest]
    #[case("seconds", |wish: &mut Wish| wish.seconds = "six".to_owned())]
    #[case("resolution", |wish: &mut Wish| wish.resolution = "4k".to_owned())]
    #[case("aspect_ratio", |wish: &mut Wish| wish.aspect_ratio = "5:1".to_owned())]
    #[case("on_shortage", |wish: &mut Wish| wish.on_shortage = "panic".to_owned())]
    #[case("max_wait", |wish: &mut Wish| { wish.on_shortage = "wait".to_owned(); wish.max_wait = "long".to_owned(); })]
    #[case("input_reference", |wish: &mut Wish| { wish.image = "a.png".to_owned(); wish.image_url = "https://a".to_owned(); })]
    fn what_is_wrong_is_named(#[case] param: &str, #[case] change: fn(&mut Wish)) {
        assert_eq!(wish(change).draft(None).unwrap_err().param.as_deref(), Some(param));
    }

    #[test]
    fn how_long_to_wait_counts_only_for_who_waits() {
        assert!(wish(|wish| wish.max_wait = "90".to_owned()).draft(None).unwrap().choice.max_wait.is_none());
    }
}

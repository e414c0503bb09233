//! The bodies of OpenAI's Videos API. Requests are written strictly, answers are read leniently.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use filmgate_domain::{Mode, Role};
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};

use crate::lenient::{self, is_usable_id};
use crate::settings::Body;
use crate::words::Words;
use crate::{Content, Order};

/// A submission, before it is decided how its body is written.
pub(super) struct Creation<'a> {
    /// The parts of the path, not escaped.
    pub(super) path: Vec<&'a str>,
    fields: Vec<(&'static str, Field<'a>)>,
}

enum Field<'a> {
    Text(Cow<'a, str>),
    /// A file of an image, which JSON takes too.
    Image(File<'a>),
    /// A file of a video, which only multipart takes.
    Video(File<'a>),
    /// An earlier video, by its id there.
    Made(&'a str),
}

#[derive(Clone, Copy)]
struct File<'a> {
    media_type: &'a str,
    bytes: &'a Bytes,
}

impl<'a> Creation<'a> {
    /// # Errors
    /// When the dialect has no word for the order, or an input is in a form that cannot be sent.
    pub(super) fn of(order: &Order<'a>) -> Result<Self, &'static str> {
        match order.mode {
            Mode::Text | Mode::Image => Self::generation(order),
            Mode::Edit => Self::edit(order),
            Mode::Extend => Self::extension(order),
            Mode::Reference => Err("servers of the OpenAI dialect make no videos with reference images"),
        }
    }

    fn generation(order: &Order<'a>) -> Result<Self, &'static str> {
        let (width, height) = order.shape.usual_size();
        let mut fields = vec![
            ("model", Field::Text(order.model.into())),
            ("prompt", Field::Text(order.prompt.into())),
            ("seconds", Field::Text(order.shape.seconds.to_string().into())),
            ("size", Field::Text(format!("{width}x{height}").into())),
        ];
        if order.mode == Mode::Image {
            match input(order, Role::FirstFrame)? {
                Source::File(file) => fields.push(("input_reference", Field::Image(file))),
                Source::Made(_) => return Err("the first frame is a video, and no image"),
            }
        }
        Ok(Self { path: vec!["videos"], fields })
    }

    /// By id it is a remix, which more servers have than edits.
    fn edit(order: &Order<'a>) -> Result<Self, &'static str> {
        let prompt = ("prompt", Field::Text(order.prompt.into()));
        Ok(match input(order, Role::Video)? {
            Source::Made(id) => Self { path: vec!["videos", id, "remix"], fields: vec![prompt] },
            Source::File(file) => {
                let model = ("model", Field::Text(order.model.into()));
                Self {
                    path: vec!["videos", "edits"],
                    fields: vec![model, prompt, ("video", Field::Video(file))],
                }
            }
        })
    }

    fn extension(order: &Order<'a>) -> Result<Self, &'static str> {
        let added = order.added.ok_or("it is not said by how much the video is to be extended")?;
        let mut fields = vec![
            ("prompt", Field::Text(order.prompt.into())),
            ("seconds", Field::Text(added.to_string().into())),
        ];
        match input(order, Role::Video)? {
            // The model is that of the video.
            Source::Made(id) => fields.push(("video", Field::Made(id))),
            Source::File(file) => {
                fields.insert(0, ("model", Field::Text(order.model.into())));
                fields.push(("video", Field::Video(file)));
            }
        }
        Ok(Self { path: vec!["videos", "extensions"], fields })
    }

    /// Puts the body into the request.
    ///
    /// # Errors
    /// When the media type of a file is none.
    pub(super) fn write(&self, request: RequestBuilder, body: Body) -> Result<RequestBuilder, &'static str> {
        // A remix was JSON from the start, and has nothing that would need another form.
        let is_remix = self.path.last() == Some(&"remix");
        let has_video = self.fields.iter().any(|(_, field)| matches!(field, Field::Video(_)));
        match body {
            Body::Multipart if !is_remix => Ok(request.multipart(self.multipart()?)),
            Body::Json if has_video => Ok(request.multipart(self.multipart()?)),
            Body::Multipart | Body::Json => Ok(request.json(&self.json())),
        }
    }

    fn multipart(&self) -> Result<Form, &'static str> {
        let mut form = Form::new();
        for (name, field) in &self.fields {
            form = match field {
                Field::Text(text) => form.text(*name, text.to_string()),
                Field::Made(id) => form.text(format!("{name}[id]"), (*id).to_owned()),
                Field::Image(file) | Field::Video(file) => form.part(*name, part(*file)?),
            };
        }
        Ok(form)
    }

    fn json(&self) -> Value {
        let value = |field: &Field<'_>| match field {
            Field::Text(text) => json!(text),
            Field::Made(id) => json!({ "id": id }),
            Field::Image(file) | Field::Video(file) => {
                let data = STANDARD.encode(file.bytes);
                json!({ "image_url": format!("data:{};base64,{data}", file.media_type) })
            }
        };
        self.fields
            .iter()
            .map(|(name, field)| ((*name).to_owned(), value(field)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// What an order is made from, in the forms that the dialect has.
enum Source<'a> {
    File(File<'a>),
    Made(&'a str),
}

fn input<'a>(order: &Order<'a>, role: Role) -> Result<Source<'a>, &'static str> {
    let input =
        order.inputs.iter().find(|input| input.role == role).ok_or("what it is made from is missing")?;
    match &input.content {
        Content::File { media_type, bytes } => Ok(Source::File(File { media_type, bytes })),
        Content::Made(id) if is_usable_id(id) => Ok(Source::Made(id)),
        Content::Made(_) => Err("the upstream's id of the source video cannot be put into a URL"),
        Content::Url(_) => Err("this upstream takes files, not addresses; send the file itself"),
    }
}

/// A file, with a name: without one, servers take it for a text.
fn part(File { media_type, bytes }: File<'_>) -> Result<Part, &'static str> {
    let (kind, extension) = media_type.split_once('/').unwrap_or(("file", "bin"));
    let extension = if extension == "jpeg" { "jpg" } else { extension };
    let part = Part::stream_with_length(bytes.clone(), bytes.len() as u64);
    let part = part.mime_str(media_type).map_err(|_| "the media type of an input is none")?;
    Ok(part.file_name(format!("{kind}.{extension}")))
}

/// The id in the answer to a submission, if it holds a usable one.
pub(crate) fn video_id(body: &[u8]) -> Option<Box<str>> {
    let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let id = answer.get("id")?.as_str()?;
    is_usable_id(id).then(|| id.into())
}

/// How a video stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// Being made.
    Pending,
    /// Made.
    Done,
    /// Blocked.
    Moderated(Words),
    /// Not made.
    Failed(Words),
    /// Forgotten.
    Expired,
    /// A word that this adapter does not know.
    Unknown(&'a str),
}

/// The answer of `GET videos/{id}`.
pub(super) struct Answer {
    object: Map<String, Value>,
    status: String,
}

impl Answer {
    /// `None` when it is no JSON object with a status.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let status = object.get("status")?.as_str()?.trim().to_ascii_lowercase();
        Some(Self { object, status })
    }

    pub(super) fn state(&self) -> State<'_> {
        match self.status.as_str() {
            "queued" | "in_progress" | "processing" | "pending" | "running" => State::Pending,
            // Some servers report so what their moderation blocked.
            "completed" | "succeeded" | "success" | "done" if self.has_error() => self.failure(),
            "completed" | "succeeded" | "success" | "done" => State::Done,
            "failed" | "cancelled" | "canceled" => self.failure(),
            "expired" => State::Expired,
            other => State::Unknown(other),
        }
    }

    fn failure(&self) -> State<'_> {
        let words = Words::of_object(&self.object);
        if words.speak_of_moderation() {
            State::Moderated(words)
        } else if words.code.as_deref() == Some("expired") {
            // The dialect itself has no such status.
            State::Expired
        } else {
            State::Failed(words)
        }
    }

    /// 0 to 99.
    pub(super) fn progress(&self) -> Option<u8> {
        lenient::progress(self.object.get("progress")?)
    }

    /// Which video it is about, by its own account.
    pub(super) fn id(&self) -> Option<&str> {
        self.object.get("id")?.as_str()
    }

    /// Where the file is, where the server says so beside its status.
    pub(super) fn url(&self) -> Option<&str> {
        self.object.get("url")?.as_str()
    }

    /// Whether an error is told. Servers also write `null`, and an object of empty texts.
    fn has_error(&self) -> bool {
        let error = self.object.get("error");
        let fields = error.and_then(Value::as_object);
        fields.map_or_else(|| error.is_some_and(says_something), |fields| fields.values().any(says_something))
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

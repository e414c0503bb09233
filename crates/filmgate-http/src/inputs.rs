//! What a video is made from: read from the request, looked at, and brought to the form that a job has.
//!
//! What something is, is told by its first bytes, never by what the client calls it.

mod look;

use bytes::Bytes;
use filmgate_domain::{Input, JobId, JobState, Role, Source};
use filmgate_engine::OutsideError;
use http::StatusCode;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::App;
use crate::auth::Caller;
use crate::dialect::spelling;
use crate::fields::Fields;
use crate::load::Taken;
use crate::refusal::Refusal;

use look::look;

/// An input as the client gave it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) role: Role,
    /// The field that it stood in.
    pub(crate) param: String,
    what: What,
}

#[derive(Debug)]
enum What {
    File(Bytes),
    Address(String),
    Video(String),
}

/// An input as a job has it.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) input: Input,
    /// The file, where the input is one.
    pub(crate) file: Option<Bytes>,
    /// What it looks like, where that is known.
    pub(crate) looks: Option<Looks>,
    /// The model of an earlier video.
    pub(crate) model: Option<Box<str>>,
    /// The memory of a file that was fetched.
    pub(crate) room: Option<Taken>,
}

/// The form of a picture or a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looks {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The length of a video.
    pub(crate) duration_ms: Option<u64>,
}

/// What is asked of an input besides its being there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// Whether its form has to be known.
    pub(crate) looks: bool,
    /// Whether an address will not do.
    pub(crate) file: bool,
}

impl Given {
    /// An earlier video, by its id.
    pub(crate) fn video(id: &str, param: &str) -> Self {
        Self { role: Role::Video, param: param.to_owned(), what: What::Video(id.to_owned()) }
    }

    /// An image, by its address.
    pub(crate) fn image(address: String, param: &str) -> Self {
        Self { role: Role::FirstFrame, param: param.to_owned(), what: What::Address(address) }
    }

    /// Takes an input out of a field: a file, an address, or an object that holds an address or, of a
    /// video, an id.
    pub(crate) fn take(fields: &mut Fields, field: &str, role: Role) -> Result<Option<Self>, Refusal> {
        let param = fields.name(field);
        if let Some(bytes) = fields.file(field) {
            return Ok(Some(Self { role, param, what: What::File(bytes) }));
        }
        match fields.take(field) {
            None => Ok(None),
            Some(value) => Self::of_value(value, role, param).map(Some),
        }
    }

    /// Takes a list of inputs out of a field; a form may send files under `field[]`.
    pub(crate) fn take_list(fields: &mut Fields, field: &str, role: Role) -> Result<Vec<Self>, Refusal> {
        let param = fields.name(field);
        let mut list = Vec::new();
        while let Some(bytes) = fields.file(&format!("{field}[]")).or_else(|| fields.file(field)) {
            list.push(Self { role, param: format!("{param}[{}]", list.len()), what: What::File(bytes) });
        }
        match fields.take(field) {
            None => {}
            Some(Value::Array(values)) => {
                for value in values {
                    let param = format!("{param}[{}]", list.len());
                    list.push(Self::of_value(value, role, param)?);
                }
            }
            Some(other) => return Err(fields.wrong(field, "an array", &other)),
        }
        Ok(list)
    }

    fn of_value(value: Value, role: Role, param: String) -> Result<Self, Refusal> {
        let map = match value {
            Value::String(address) => return Ok(Self { role, param, what: What::Address(address) }),
            Value::Object(map) => map,
            other => {
                let kind = crate::fields::kind(&other);
                return Err(Refusal::invalid(&param, format!("`{param}` must be an object, not {kind}")));
            }
        };
        let mut fields = Fields::nested(map, format!("{param}."));
        fields.refuse(&["file_id"])?;
        let url = match fields.text("url")? {
            Some(url) => Some(url),
            None => fields.text("image_url")?,
        };
        let id = if role == Role::Video { fields.text("id")? } else { None };
        fields.finish(&[])?;
        let what = match (url, id) {
            (Some(url), None) => What::Address(url),
            (None, Some(id)) => What::Video(id),
            _ => {
                let fields = if role == Role::Video { "`url` or `id`" } else { "`url` or `image_url`" };
                return Err(Refusal::invalid(&param, format!("`{param}` must hold exactly one of {fields}")));
            }
        };
        Ok(Self { role, param, what })
    }

    /// Looks at the input: fetches it where it must, tells what it is, and measures it.
    pub(crate) async fn make_ready(self, app: &App, caller: Caller, need: Need) -> Result<Ready, Refusal> {
        let Self { role, param, what } = self;
        match what {
            What::File(bytes) => of_file(app, role, &param, bytes).await,
            What::Video(id) => of_video(app, caller, &param, spelling(&id).map(|(_, id)| id)).await,
            What::Address(address) if address.starts_with("data:") => {
                of_file(app, role, &param, look::data_uri(&address, &param)?).await
            }
            What::Address(address) => of_address(app, caller, (role, &param), &address, need).await,
        }
    }
}

async fn of_file(app: &App, role: Role, param: &str, bytes: Bytes) -> Result<Ready, Refusal> {
    let limit = app.settings.load().inputs.largest(role);
    if bytes.len() as u64 > limit {
        return Err(Refusal::invalid(param, format!("`{param}` is larger than {limit} bytes")));
    }
    let (media_type, looks) = look(app, role, param, &bytes).await?;
    let sha256 = hex::encode(Sha256::digest(&bytes)).into();
    let source = Source::File { media_type: media_type.into(), bytes: bytes.len() as u64, sha256 };
    Ok(Ready {
        input: Input { role, source },
        file: Some(bytes),
        looks: Some(looks),
        model: None,
        room: None,
    })
}

/// An address that the upstream can fetch itself stays one. Where filmgate has to know what is there, it goes
/// and looks.
async fn of_address(
    app: &App,
    caller: Caller,
    (role, param): (Role, &str),
    address: &str,
    need: Need,
) -> Result<Ready, Refusal> {
    if role == Role::Video
        && let Some(job) = our_own(app, address)
    {
        return of_video(app, caller, param, Some(job)).await;
    }
    let outside = app.engine.settings().outside.clone();
    let url = outside.check(address).map_err(|error| unreachable(param, &error))?;
    if !need.looks && !need.file {
        let input = Input { role, source: Source::Url { url: url.as_str().into() } };
        return Ok(Ready { input, file: None, looks: None, model: None, room: None });
    }
    let settings = app.settings.load().inputs;
    let limit = usize::try_from(settings.largest(role)).unwrap_or(usize::MAX);
    let (mut memory, mut full) = (None, None);
    let room = |bytes: usize| match app.grow(&mut memory, caller, bytes as u64) {
        Ok(()) => true,
        Err(refusal) => {
            full = Some(refusal);
            false
        }
    };
    let fetched = outside.get_within(url.as_str(), limit, settings.fetch_timeout, room).await;
    if let Some(refusal) = full {
        return Err(refusal);
    }
    let fetched = fetched.map_err(|error| unreachable(param, &error))?;
    let ready = of_file(app, role, param, fetched.bytes).await?;
    if need.file {
        return Ok(Ready { room: memory, ..ready });
    }
    let input = Input { role, source: Source::Url { url: url.as_str().into() } };
    Ok(Ready { input, file: None, ..ready })
}

/// The job of a signed link that was made here and still works.
fn our_own(app: &App, address: &str) -> Option<JobId> {
    let path = address.strip_prefix(&app.engine.settings().public_url)?;
    let url = Url::parse("http://ours").ok()?.join(path).ok()?;
    let job = url.path().strip_prefix("/media/")?.strip_suffix(".mp4")?.parse().ok()?;
    let query = |name| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let expires = query("expires")?.parse().ok()?;
    app.engine.is_link(job, expires, &query("signature")?).then_some(job)
}

/// `None` is a text that is no id.
async fn of_video(app: &App, caller: Caller, param: &str, id: Option<JobId>) -> Result<Ready, Refusal> {
    let missing = || {
        let message = format!("`{param}` names no video of yours");
        Refusal::new(StatusCode::NOT_FOUND, "not_found", message).about(param)
    };
    let id = id.ok_or_else(missing)?;
    let job = app.job_of(caller, id).await?.ok_or_else(missing)?;
    let Some(file) = job.delivered.as_ref().filter(|_| job.has_file()) else {
        let message = match job.state {
            JobState::Completed => "that video was removed when its time was up",
            JobState::Failed => "that video failed; there is nothing to start from",
            _ => "that video is not completed yet",
        };
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "video_not_usable", message).about(param));
    };
    let duration_ms = Some(file.duration_ms);
    let looks = Some(Looks { width: file.width, height: file.height, duration_ms });
    let input = Input { role: Role::Video, source: Source::Job { id } };
    Ok(Ready { input, file: None, looks, model: Some(job.spec.model.clone()), room: None })
}

fn unreachable(param: &str, error: &OutsideError) -> Refusal {
    let code = if error.is_refusal() { "invalid_value" } else { "input_unavailable" };
    Refusal::new(StatusCode::BAD_REQUEST, code, format!("`{param}`: {error}")).about(param)
}

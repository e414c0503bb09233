//! The dialects that clients speak. Each turns a request into a `VideoSpec`, and a job into an answer.
//!
//! Any video can be looked at in two spellings of its id; the spelling chooses the dialect of the answer.

pub(crate) mod chat;
pub(crate) mod choice;
mod draft;
mod make;
pub(crate) mod openai;
pub(crate) mod report;
pub(crate) mod xai;

use std::sync::Arc;

use filmgate_domain::{Job, JobId};
use filmgate_engine::Request;
use filmgate_store::Answer;
use http::HeaderMap;
use serde::Serialize;

use crate::App;
use crate::auth::Caller;
use crate::fields::Fields;
use crate::idempotency::{Memo, Ticket};
use crate::load::Came;
use crate::refusal::Refusal;
use crate::webhooks;

pub(crate) use draft::{Draft, Names, WEBHOOK};
use make::{Made, make};

/// The shape of bodies and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Xai,
}

impl Dialect {
    /// Which dialect a path belongs to, for errors that come before anything was parsed.
    pub(crate) fn of_path(path: &str) -> Dialect {
        if let Some(mount) = Dialect::of_mount(path) {
            return mount;
        }
        let Some(rest) = path.strip_prefix("/v1/videos/") else { return Dialect::OpenAi };
        let first = rest.split('/').next().unwrap_or_default();
        let is_xai = first == "generations" || matches!(spelling(first), Some((Dialect::Xai, _)));
        if is_xai { Dialect::Xai } else { Dialect::OpenAi }
    }

    /// Which dialect an edit or an extension is in: the two say differently what they start from.
    pub(crate) fn of_derivation(fields: &Fields) -> Dialect {
        let is_openai = match fields.peek("video") {
            _ if fields.is_form() => true,
            Some(video) => video.get("id").is_some(),
            None => fields.has("seconds"),
        };
        if is_openai { Dialect::OpenAi } else { Dialect::Xai }
    }

    /// A job as a status request in this dialect shows it.
    pub(crate) fn render(self, app: &App, job: &Job) -> String {
        match self {
            Dialect::OpenAi => text(&openai::render(app, job)),
            Dialect::Xai => text(&xai::render(app, job)),
        }
    }

    /// What a creation request is answered with.
    pub(crate) fn created(self, app: &App, job: &Job) -> String {
        match self {
            Dialect::OpenAi => text(&openai::render(app, job)),
            Dialect::Xai => text(&xai::created(job)),
        }
    }

    /// The headers of an answer about a job.
    pub(crate) fn headers(self, job: &Job) -> HeaderMap {
        match self {
            Dialect::OpenAi => openai::headers(job),
            Dialect::Xai => report::headers(job),
        }
    }

    /// A job's id as this dialect spells it.
    pub(crate) fn spell(self, job: JobId) -> String {
        match self {
            Dialect::OpenAi => openai::spell(job),
            Dialect::Xai => job.to_string(),
        }
    }

    /// The dialect that everything below a mount speaks, whatever the spelling of ids.
    pub(crate) fn of_mount(path: &str) -> Option<Dialect> {
        match path.split('/').nth(1) {
            Some("openai") => Some(Dialect::OpenAi),
            Some("xai") => Some(Dialect::Xai),
            _ => None,
        }
    }
}

/// The JSON of an answer.
fn text(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("answers are plain data")
}

/// The dialect and the job that a spelled id stands for: `video_` + 32 hex, or a hyphenated UUID.
pub(crate) fn spelling(text: &str) -> Option<(Dialect, JobId)> {
    let (dialect, id, length) = match text.strip_prefix("video_") {
        Some(hex) => (Dialect::OpenAi, hex, 32),
        None => (Dialect::Xai, text, 36),
    };
    if id.len() != length {
        return None;
    }
    id.parse().ok().map(|job| (dialect, job))
}

/// A request on its way in.
pub(crate) struct Call<'a> {
    pub(crate) caller: Caller,
    /// The whole path, as the client wrote it.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) came: Came,
}

/// Admits what a draft describes: looks at what it is made from, and hands it to the engine. `render` gives the
/// answer to remember, where it is known when the job is admitted.
pub(crate) async fn admit(
    app: &App,
    caller: Caller,
    (mut draft, names): (Draft, Names),
    ticket: Ticket,
    render: impl Fn(&Job) -> Option<Answer> + Send + 'static,
) -> Result<(Arc<Job>, Memo), Refusal> {
    if let Some(url) = &draft.choice.webhook {
        draft.choice.webhook = Some(webhooks::accept(app, caller, url, draft.webhook_field).await?);
    }
    let choice = draft.choice.clone();
    let first_input = draft.inputs.first().map(|input| input.param.clone());
    let Made { spec, files, rooms: _until_they_are_on_disk } = make(app, caller, draft, names).await?;
    let fingerprint = ticket.fingerprint;
    let (keep, memo) = ticket.keep(render);
    let request = Request { caller: caller.0, spec, files, choice, fingerprint, keep };
    match app.engine.admit(request).await {
        Ok(job) => Ok((job, memo)),
        Err(error) => Err(Refusal::not_admitted(&error, app.engine.now(), names, first_input.as_deref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_and_no_third() {
        let job = JobId::from_bytes([0xab; 16]);
        assert_eq!(spelling(&format!("video_{}", job.simple())), Some((Dialect::OpenAi, job)));
        assert_eq!(spelling(&job.to_string()), Some((Dialect::Xai, job)));
        let upper = job.to_string().to_uppercase();
        for wrong in ["", "video_", "generations", &job.simple(), &format!("video_{job}"), &upper] {
            assert_eq!(spelling(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn paths_tell_the_dialect_of_errors() {
        let uuid = JobId::from_bytes([1; 16]).to_string();
        assert_eq!(Dialect::of_path("/v1/videos/generations"), Dialect::Xai);
        assert_eq!(Dialect::of_path(&format!("/v1/videos/{uuid}")), Dialect::Xai);
        assert_eq!(Dialect::of_path(&format!("/v1/videos/{uuid}/content")), Dialect::Xai);
        assert_eq!(Dialect::of_path("/xai/v1/videos/video_x"), Dialect::Xai);
        assert_eq!(Dialect::of_path(&format!("/openai/v1/videos/{uuid}")), Dialect::OpenAi);
        for path in ["/v1/videos", "/v1/videos/video_x", "/v1/chat/completions", "/"] {
            assert_eq!(Dialect::of_path(path), Dialect::OpenAi, "{path}");
        }
    }
}

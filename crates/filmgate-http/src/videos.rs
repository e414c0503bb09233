//! The handlers that make videos: parse, admit, render. Nothing else.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::Response;
use bytes::Bytes;
use filmgate_domain::{Job, Mode};
use filmgate_store::Answer;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};

use crate::App;
use crate::auth::Caller;
use crate::dialect::chat::{self, ChatRequest};
use crate::dialect::{Call, Dialect, Draft, Names, admit, openai, xai};
use crate::extract::{self, BodyLimit, Name};
use crate::fields::Fields;
use crate::idempotency::{self, Arrival, Meanwhile, Memo, arrive};
use crate::load::{Came, Taken};
use crate::refusal::Refusal;
use crate::serve::Closing;

/// What every handler here is given.
pub(crate) struct Incoming {
    app: App,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    came: Came,
    /// Its share of what there is, until the video is admitted.
    _held: (Taken, Option<Taken>),
}

impl FromRequest<App> for Incoming {
    type Rejection = Response;

    /// Who asks is looked at before anything is read.
    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let refuse = |refusal: Refusal| refusal.into_response(Dialect::of_path(parts.uri.path()));
        let place = app.creation(caller).map_err(refuse)?;
        let limit = BodyLimit::of(&parts.extensions);
        let (body, memory) = extract::read(app, body, limit, Some(caller)).await.map_err(refuse)?;
        let came = parts.extensions.get().copied().unwrap_or_else(|| app.comes());
        let Parts { uri, headers, .. } = parts;
        Ok(Self { app: app.clone(), caller, uri, headers, body, came, _held: (place, memory) })
    }
}

impl Incoming {
    fn call(&self) -> Call<'_> {
        let Self { caller, uri, headers, body, came, .. } = self;
        Call { caller: *caller, path: uri.path(), headers, body, came: *came }
    }

    async fn fields(&self) -> Result<Fields, Refusal> {
        Fields::from_body(&self.headers, &self.body).await
    }

    fn json_fields(&self) -> Result<Fields, Refusal> {
        Fields::from_json_body(&self.headers, &self.body)
    }

    /// Answers a request that makes a video: as before, if it repeats an earlier one.
    async fn create(
        &self,
        dialect: Dialect,
        draft: impl Future<Output = Result<(Draft, Names), Refusal>>,
    ) -> Response {
        let created = async {
            let app = self.app.clone();
            let render =
                move |job: &Job| Answer { status: 200, body: dialect.created(&app, job).into_bytes() };
            let (job, memo) = match arrive(&self.app, &self.call(), Meanwhile::ComeBack).await? {
                Arrival::Repeat(job, memo) => (job, memo),
                Arrival::New(ticket) => {
                    let remembered = render.clone();
                    let remembered = move |job: &Job| Some(remembered(job));
                    admit(&self.app, self.caller, draft.await?, ticket, remembered).await?
                }
            };
            let mut headers = dialect.headers(&job);
            memo.mark(&mut headers);
            Ok(idempotency::respond(memo.answer().unwrap_or_else(|| render(&job)), headers))
        };
        created.await.unwrap_or_else(|refusal: Refusal| refusal.into_response(dialect))
    }
}

/// `POST /v1/videos`
pub(crate) async fn create_openai(incoming: Incoming) -> Response {
    let draft = async { Ok((openai::parse(incoming.fields().await?, &incoming.headers)?, openai::NAMES)) };
    incoming.create(Dialect::OpenAi, draft).await
}

/// `POST /v1/videos/{id}/remix`: an edit of an earlier video.
pub(crate) async fn remix(Name(id): Name, incoming: Incoming) -> Response {
    let draft = async {
        let fields = incoming.fields().await?;
        Ok((openai::parse_derived(fields, &incoming.headers, Mode::Edit, Some(&id))?, openai::NAMES))
    };
    incoming.create(Dialect::OpenAi, draft).await
}

/// `POST /v1/videos/generations`
pub(crate) async fn create_xai(incoming: Incoming) -> Response {
    let draft = async { Ok((xai::parse(incoming.json_fields()?, &incoming.headers)?, xai::NAMES)) };
    incoming.create(Dialect::Xai, draft).await
}

/// `POST /v1/videos/edits`
pub(crate) async fn edit(incoming: Incoming) -> Response {
    derive(incoming, Mode::Edit).await
}

/// `POST /v1/videos/extensions`
pub(crate) async fn extend(incoming: Incoming) -> Response {
    derive(incoming, Mode::Extend).await
}

/// Both dialects have these two paths; the body tells which one is meant.
async fn derive(incoming: Incoming, mode: Mode) -> Response {
    let mount = Dialect::of_mount(incoming.uri.path());
    let fields = match incoming.fields().await {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(mount.unwrap_or(Dialect::OpenAi)),
    };
    let dialect = mount.unwrap_or_else(|| Dialect::of_derivation(&fields));
    let headers = &incoming.headers;
    let draft = async {
        Ok(match dialect {
            Dialect::OpenAi => (openai::parse_derived(fields, headers, mode, None)?, openai::NAMES),
            Dialect::Xai => (xai::parse_derived(fields, headers, mode)?, xai::NAMES),
        })
    };
    incoming.create(dialect, draft).await
}

/// `POST /v1/videos/characters`, `GET /v1/videos/characters/{id}`: no provider offers them.
pub(crate) async fn characters(_: Caller) -> Response {
    let message = "no upstream offers characters; nothing was made";
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, "unsupported_operation", message);
    refusal.into_response(Dialect::OpenAi)
}

/// `POST /v1/chat/completions`
pub(crate) async fn chat(closing: Closing, incoming: Incoming) -> Response {
    let app = incoming.app.clone();
    // The request, and what it holds, is gone when the waiting begins.
    match order_by_chat(incoming).await {
        Ok(Ordered { job, memo, place, streams: true }) => chat::stream(&app, job, memo, closing, place),
        Ok(Ordered { job, memo, place: _place, streams: false }) => {
            chat::respond(&app, job, &memo, &closing).await
        }
        Err(refusal) => Refusal::into_response(refusal, Dialect::OpenAi),
    }
}

/// A video whose client waits for it.
struct Ordered {
    job: Arc<Job>,
    memo: Memo,
    place: Taken,
    streams: bool,
}

async fn order_by_chat(incoming: Incoming) -> Result<Ordered, Refusal> {
    let Incoming { app, caller, headers, .. } = &incoming;
    let ChatRequest { draft, stream: streams } = chat::parse(incoming.json_fields()?, headers)?;
    let place = app.stream(*caller)?;
    let (job, memo) = match arrive(app, &incoming.call(), Meanwhile::Wait).await? {
        Arrival::Repeat(job, memo) => (job, memo),
        Arrival::New(ticket) => admit(app, *caller, (draft, chat::NAMES), ticket, |_| None).await?,
    };
    Ok(Ordered { job, memo, place, streams })
}

//! The handlers that make videos: parse, admit, render. Nothing else.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use filmgate_domain::{Job, Mode};
use filmgate_store::Answer;
use http::{HeaderMap, StatusCode, Uri};

use crate::App;
use crate::auth::Caller;
use crate::dialect::chat::{self, ChatRequest};
use crate::dialect::{Call, Dialect, Draft, Names, admit, openai, xai};
use crate::extract::{Body, Name};
use crate::fields::Fields;
use crate::idempotency::{self, Arrival, Meanwhile, arrive};
use crate::refusal::Refusal;
use crate::serve::Closing;

/// What every handler here is given.
struct Incoming<'a> {
    app: &'a App,
    caller: Caller,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Incoming<'_> {
    fn call(&self) -> Call<'_> {
        Call { caller: self.caller, path: self.uri.path(), headers: self.headers, body: self.body }
    }

    /// Answers a request that makes a video: as before, if it repeats an earlier one.
    async fn create(
        &self,
        dialect: Dialect,
        draft: impl Future<Output = Result<(Draft, Names), Refusal>>,
    ) -> Response {
        let created = async {
            let app = self.app.clone();
            let render = move |job: &Job| Answer {
                status: 200,
                body: dialect.created(&app, job).to_string().into_bytes(),
            };
            let (job, memo) = match arrive(self.app, &self.call(), Meanwhile::ComeBack).await? {
                Arrival::Repeat(job, memo) => (job, memo),
                Arrival::New(ticket) => {
                    let remembered = render.clone();
                    let remembered = move |job: &Job| Some(remembered(job));
                    admit(self.app, self.caller, draft.await?, ticket, remembered).await?
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
pub(crate) async fn create_openai(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    let draft = async {
        let fields = Fields::from_body(&headers, &body).await?;
        Ok((openai::parse(fields, &headers)?, openai::NAMES))
    };
    incoming.create(Dialect::OpenAi, draft).await
}

/// `POST /v1/videos/{id}/remix`: an edit of an earlier video.
pub(crate) async fn remix(
    State(app): State<App>,
    caller: Caller,
    Name(id): Name,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    let draft = async {
        let fields = Fields::from_body(&headers, &body).await?;
        Ok((openai::parse_derived(fields, &headers, Mode::Edit, Some(&id))?, openai::NAMES))
    };
    incoming.create(Dialect::OpenAi, draft).await
}

/// `POST /v1/videos/generations`
pub(crate) async fn create_xai(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    let draft = async { Ok((xai::parse(Fields::from_json_body(&headers, &body)?, &headers)?, xai::NAMES)) };
    incoming.create(Dialect::Xai, draft).await
}

/// `POST /v1/videos/edits`
pub(crate) async fn edit(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    derive(incoming, Mode::Edit).await
}

/// `POST /v1/videos/extensions`
pub(crate) async fn extend(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    derive(incoming, Mode::Extend).await
}

/// Both dialects have these two paths; the body tells which one is meant.
async fn derive(incoming: Incoming<'_>, mode: Mode) -> Response {
    let Incoming { uri, headers, body, .. } = incoming;
    let mount = Dialect::of_mount(uri.path());
    let fields = match Fields::from_body(headers, body).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(mount.unwrap_or(Dialect::OpenAi)),
    };
    let dialect = mount.unwrap_or_else(|| Dialect::of_derivation(&fields));
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
pub(crate) async fn chat(
    State(app): State<App>,
    caller: Caller,
    closing: Closing,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let incoming = Incoming { app: &app, caller, uri: &uri, headers: &headers, body: &body };
    let created = async {
        let ChatRequest { draft, stream } = chat::parse(Fields::from_json_body(&headers, &body)?, &headers)?;
        let (job, memo) = match arrive(&app, &incoming.call(), Meanwhile::Wait).await? {
            Arrival::Repeat(job, memo) => (job, memo),
            Arrival::New(ticket) => admit(&app, caller, (draft, chat::NAMES), ticket, |_| None).await?,
        };
        Ok((job, memo, stream))
    };
    match created.await {
        Ok((job, memo, true)) => chat::stream(&app, job, memo, closing),
        Ok((job, memo, false)) => chat::respond(&app, job, &memo, &closing).await,
        Err(refusal) => Refusal::into_response(refusal, Dialect::OpenAi),
    }
}

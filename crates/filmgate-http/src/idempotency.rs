//! A repeated request never makes a second video.
//!
//! With an `Idempotency-Key`, the first request that is admitted claims the key, for a day, in the commit that
//! admits its job; a repeat gets the same answer, byte for byte. Without a key, the OpenAI SDKs say that they
//! repeat themselves (`X-Stainless-Retry-Count`): such a request joins the job of an identical one. In both
//! cases the requests in between, which are here and not on disk yet, wait their turn.
//!
//! What is refused is not remembered: it may be sent again.

mod turns;

use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse as _, Response};
use filmgate_domain::Job;
use filmgate_engine::Keep;
use filmgate_store::{Answer, Claim, Remembered, Scope};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

use crate::App;
use crate::dialect::Call;
use crate::refusal::{Refusal, SHOULD_RETRY};

pub(crate) use turns::Turns;
use turns::{Identity, Turn};

const KEY: &str = "Idempotency-Key";
const LONGEST_KEY: usize = 255;
/// The standard allows no longer boundary (RFC 2046), and each of many dashes may begin one.
const LONGEST_BOUNDARY: usize = 70;
/// How the OpenAI SDKs count: absent from other clients, 0 in the first request.
const RETRY_COUNT: &str = "x-stainless-retry-count";
/// Says that an answer was given to an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("x-filmgate-replayed");

/// What is known of a request that makes a video when it arrives.
pub(crate) enum Arrival {
    /// Nothing: it is to be admitted.
    New(Ticket),
    /// It repeats an earlier one, which started this job.
    Repeat(Arc<Job>, Memo),
}

/// What a request does while an earlier one with its key is not admitted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// It is told to come back.
    ComeBack,
    /// It waits, for its answer takes long anyway.
    Wait,
}

/// Looks whether a request repeats an earlier one. While the ticket is held, its repeats wait.
pub(crate) async fn arrive(app: &App, call: &Call<'_>, meanwhile: Meanwhile) -> Result<Arrival, Refusal> {
    let fingerprint = fingerprint(call);
    if let Some(key) = key(call.headers)? {
        let scope = Scope { caller: call.caller.0, path: call.path.into(), key: key.into() };
        return arrive_with_key(app, call, scope, fingerprint, meanwhile).await;
    }
    let Some(count) = retry_count(call.headers) else {
        // Nobody will say that it repeats this one.
        return Ok(Arrival::New(Ticket { fingerprint, scope: None, turn: None }));
    };
    let mut joins = count > 0;
    let turn = loop {
        let identity = Identity::Body(call.caller.0, fingerprint);
        let taken = if count == 0 {
            app.turns.share(identity, call.came)
        } else {
            app.turns.take(identity, call.came)
        };
        match taken {
            Ok(turn) => break turn,
            Err(other) => other.closed().await,
        }
        // A first request waits only for a repetition of itself that has overtaken it.
        joins = true;
    };
    if joins && let Some(job) = app.engine.joinable(call.caller.0, fingerprint).await? {
        log(&job, "joined by an identical request");
        return Ok(Arrival::Repeat(job, Memo::default()));
    }
    Ok(Arrival::New(Ticket { fingerprint, scope: None, turn: Some(turn) }))
}

async fn arrive_with_key(
    app: &App,
    call: &Call<'_>,
    scope: Scope,
    fingerprint: [u8; 32],
    meanwhile: Meanwhile,
) -> Result<Arrival, Refusal> {
    let turn = loop {
        if let Some(known) = remembered(app, &scope, fingerprint).await? {
            return Ok(known);
        }
        match app.turns.take(Identity::Key(scope.clone()), call.came) {
            Ok(turn) => break turn,
            // Whether it has the same body does not matter: it may be refused yet, and the key stay free.
            Err(_) if meanwhile == Meanwhile::ComeBack => return Err(in_progress()),
            Err(earlier) => earlier.closed().await,
        }
    };
    // Another may have claimed the key before this one had its turn.
    match remembered(app, &scope, fingerprint).await? {
        Some(known) => Ok(known),
        None => Ok(Arrival::New(Ticket { fingerprint, scope: Some(scope), turn: Some(turn) })),
    }
}

async fn remembered(app: &App, scope: &Scope, fingerprint: [u8; 32]) -> Result<Option<Arrival>, Refusal> {
    let known = app.engine.store().remembered(scope, app.engine.now()).await?;
    let Some(Remembered { fingerprint: earlier, job, answer }) = known else { return Ok(None) };
    if earlier != fingerprint {
        return Err(reused());
    }
    let job = app.engine.job(job).await?.ok_or_else(Refusal::storage)?;
    log(&job, "asked for again with its idempotency key");
    let answer = Arc::new(answer.map_or_else(OnceLock::new, OnceLock::from));
    Ok(Some(Arrival::Repeat(job, Memo { scope: Some(scope.clone()), answer, repeats: true })))
}

fn log(job: &Job, what: &str) {
    let token_id = job.attempt().map(|attempt| attempt.token.to_string()).unwrap_or_default();
    tracing::info!(job = %job.id, token_id, "{what}");
}

/// A request that is to be admitted, and holds up its repeats until it is.
pub(crate) struct Ticket {
    pub(crate) fingerprint: [u8; 32],
    scope: Option<Scope>,
    turn: Option<Turn>,
}

impl Ticket {
    /// What the engine writes down beside the job: the claim to the key, with the answer where `render` knows
    /// it already. It has the turn until that is done.
    pub(crate) fn keep(
        self,
        render: impl Fn(&Job) -> Option<Answer> + Send + 'static,
    ) -> (Option<Keep>, Memo) {
        let Ticket { fingerprint, scope, turn } = self;
        let Some(turn) = turn else { return (None, Memo::default()) };
        let memo = Memo { scope: scope.clone(), ..Memo::default() };
        let said = Arc::clone(&memo.answer);
        let keep = move |job: &Job| {
            let _until_dropped = &turn;
            let scope = scope.clone()?;
            let answer = render(job).map(|answer| said.get_or_init(|| answer).clone());
            Some(Claim { scope, fingerprint, answer })
        };
        (Some(Box::new(keep)), memo)
    }
}

/// What is remembered of the answer to a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo {
    /// The key, if it has one.
    scope: Option<Scope>,
    /// The answer, once there is one on disk.
    answer: Arc<OnceLock<Answer>>,
    /// Whether an earlier request with this key started the job.
    repeats: bool,
}

impl Memo {
    /// The answer that is on disk.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answer.get().cloned()
    }

    /// The answer that stands from now on: the first one that was given to a request with this key. `render`
    /// gives it where there is none yet.
    pub(crate) async fn settle(&self, app: &App, job: &Job, render: impl FnOnce() -> Answer) -> Answer {
        if let Some(answer) = self.answer() {
            return answer;
        }
        let answer = render();
        let Some(scope) = &self.scope else { return answer };
        match app.engine.store().answer(scope, job.id, answer.clone()).await {
            Ok(standing) => standing.unwrap_or(answer),
            Err(error) => {
                // The video is made: its client gets it, although a repeat may get other words.
                tracing::error!(job = %job.id, %error, "an answer could not be remembered");
                answer
            }
        }
    }

    /// Says in the headers of an answer that it repeats an earlier one.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        if self.repeats {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
    }
}

/// An answer on its way out.
pub(crate) fn respond(answer: Answer, mut headers: HeaderMap) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !status.is_success() {
        // There is a job: asking again would not help.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    (status, headers, answer.body).into_response()
}

fn reused() -> Refusal {
    let message = "this Idempotency-Key came with another body before; use a key of its own for each video";
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message).about(KEY)
}

/// For a request whose key another one is about to claim.
pub(crate) fn in_progress() -> Refusal {
    let message = "a request with this Idempotency-Key is being looked at; ask again in a second";
    let mut refusal = Refusal::new(StatusCode::CONFLICT, "idempotency_in_progress", message).about(KEY);
    refusal.retry_after = Some(1);
    refusal
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_key = |key: &[u8]| (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if is_key(key.as_bytes()) && values.next().is_none() => Ok(Some(key)),
        _ => {
            let message = format!(
                "send one `{KEY}` of 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID, or none"
            );
            Err(Refusal::invalid(KEY, message))
        }
    }
}

/// How often the client says that it has sent this before. What is no number counts as not said.
fn retry_count(headers: &HeaderMap) -> Option<u32> {
    headers.get(RETRY_COUNT)?.to_str().ok()?.parse().ok()
}

/// What makes two requests of a caller identical: path and body, apart from a form's boundary, which is random
/// and changes with each retry.
fn fingerprint(call: &Call<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(call.path.as_bytes());
    hash.update([0]);
    match boundary(call.headers) {
        Some(boundary) => without(call.body, format!("--{boundary}").as_bytes(), |part| hash.update(part)),
        None => hash.update(call.body),
    }
    hash.finalize().into()
}

fn boundary(headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (_, rest) = content_type.split_once("boundary=")?;
    let boundary = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(';').next()?.trim(),
    };
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then_some(boundary)
}

/// The pieces of a body between its delimiters, which begin with a dash.
fn without(body: &[u8], delimiter: &[u8], mut piece: impl FnMut(&[u8])) {
    let (mut begin, mut at) = (0, 0);
    while let Some(dash) = body[at..].iter().position(|byte| *byte == b'-') {
        at += dash;
        if body[at..].starts_with(delimiter) {
            piece(&body[begin..at]);
            // So that no two bodies with delimiters in other places are one.
            piece(b"--");
            at += delimiter.len();
            begin = at;
        } else {
            at += 1;
        }
    }
    piece(&body[begin..]);
}

#[cfg(test)]
mod tests {
    use filmgate_domain::CallerId;
    use rstest::rstest;

    use super::*;
    use crate::load::Came;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_boundary_that_is_longer_than_any_is_not_looked_for() {
        let of = |length: usize| {
            let content_type = format!("multipart/form-data; boundary={}", "-".repeat(length));
            boundary(&headers(&[("content-type", &content_type)])).map(str::len)
        };
        assert_eq!((of(LONGEST_BOUNDARY), of(LONGEST_BOUNDARY + 1)), (Some(LONGEST_BOUNDARY), None));
    }

    fn fingerprint_of(path: &str, content_type: &str, body: &[u8]) -> [u8; 32] {
        let headers = headers(&[("content-type", content_type)]);
        let caller = crate::auth::Caller(CallerId(1));
        fingerprint(&Call { caller, path, headers: &headers, body, came: Came(0) })
    }

    fn of_form(boundary: &str, content_type: &str, text: &str) -> [u8; 32] {
        let body = format!("--{boundary}\r\nx-\r\n\r\n{text}\r\n--{boundary}--");
        fingerprint_of("/v1/videos", content_type, body.as_bytes())
    }

    #[rstest]
    #[case("abc", "multipart/form-data; boundary=abc")]
    #[case("123456", "multipart/form-data; boundary=123456")]
    #[case("-----a", "multipart/form-data; boundary=-----a")]
    #[case("quoted b", "multipart/form-data; boundary=\"quoted b\"; charset=utf-8")]
    #[case("last", "multipart/form-data; boundary=last; charset=utf-8")]
    fn forms_that_differ_in_their_boundary_only_are_identical(
        #[case] boundary: &str,
        #[case] content_type: &str,
    ) {
        let usual = of_form("b0undary", "multipart/form-data; boundary=b0undary", "a -- fox");
        assert_eq!(of_form(boundary, content_type, "a -- fox"), usual);
        assert_ne!(of_form(boundary, content_type, "a -  fox"), usual);
        assert_ne!(of_form(boundary, content_type, "a -- fox-"), usual);
    }

    #[test]
    fn other_bodies_and_paths_are_others() {
        let usual = fingerprint_of("/v1/videos", "application/json", b"{}");
        assert_eq!(fingerprint_of("/v1/videos", "text/plain", b"{}"), usual);
        assert_ne!(fingerprint_of("/v1/videos", "application/json", b"{ }"), usual);
        assert_ne!(fingerprint_of("/openai/v1/videos", "application/json", b"{}"), usual);
        assert_ne!(fingerprint_of("/v1/video", "application/json", b"s\0{}"), usual);
    }

    #[rstest]
    #[case(&[], Ok(None))]
    #[case(&[("idempotency-key", "k")], Ok(Some("k")))]
    #[case(&[("idempotency-key", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"")],
           Ok(Some("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"")))]
    #[case(&[("idempotency-key", "")], Err(()))]
    #[case(&[("idempotency-key", "a b")], Err(()))]
    #[case(&[("idempotency-key", "a"), ("idempotency-key", "a")], Err(()))]
    fn keys(#[case] fields: &[(&'static str, &str)], #[case] expected: Result<Option<&str>, ()>) {
        assert_eq!(key(&headers(fields)).map_err(drop), expected);
    }
}

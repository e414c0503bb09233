//! Has the video made that the form describes: the way of every client's request from here on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use filmgate_domain::Job;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::App;
use crate::auth::{By, Caller};
use crate::dialect::{Call, admit, openai};
use crate::extract::Body;
use crate::form;
use crate::idempotency::{Arrival, Meanwhile, arrive};
use crate::refusal::Refusal;

use super::super::session::Visitor;
use super::super::videos::address;
use super::wish::{NAMES, Wish};
use super::{CALLER, render};

pub(super) async fn make(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let sent = async { Wish::of_form(form::read(&headers, &body).await?) };
    let (wish, file) = match sent.await {
        Ok(sent) => sent,
        Err(refusal) => return render(&app, &visitor, &Wish::default(), Some(&refusal), None).await,
    };
    match order(&app, visitor.by(), &wish, file).await {
        Ok(job) => Redirect::to(&format!("{}?done=made", address(job.id))).into_response(),
        Err(refusal) => render(&app, &visitor, &wish, Some(&refusal), None).await,
    }
}

async fn order(app: &App, by: By, wish: &Wish, file: Option<Bytes>) -> Result<Arc<Job>, Refusal> {
    let draft = wish.draft(file.clone())?;
    let (caller, name) = caller(app, wish.caller.trim()).await?;
    // A second click sends the same again, in another envelope: what counts is what is in it.
    let mut body = serde_json::to_vec(&wish.texts()).unwrap_or_default();
    body.extend(file.as_deref().unwrap_or_default());
    let headers = once(&wish.request, &body);
    let call = Call { caller, path: "/admin/studio", headers: &headers, body: &body, came: app.comes() };
    let job = match arrive(app, &call, Meanwhile::Wait).await? {
        Arrival::Repeat(job, _) => job,
        Arrival::New(ticket) => {
            let (job, _) = admit(app, caller, (draft, NAMES), ticket, |_| None).await?;
            app.audit(by, "job.make", &openai::spell(job.id), format!("for {name}")).await;
            job
        }
    };
    Ok(job)
}

/// What says that a request is the same as an earlier one: it comes from the same form, with the same in it. Who
/// goes back and changes something wants another video.
fn once(request: &str, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !request.is_empty() {
        let both = Sha256::new().chain_update(request).chain_update([0]).chain_update(body).finalize();
        let key = HeaderValue::from_str(&hex::encode(both)).expect("hex digits can stand in a header");
        headers.insert(HeaderName::from_static("idempotency-key"), key);
    }
    headers
}

/// The caller of that name. The studio's own comes to be when it is first needed.
async fn caller(app: &App, name: &str) -> Result<(Caller, String), Refusal> {
    let store = app.engine.store();
    let name = if name.is_empty() { CALLER } else { name };
    if name == CALLER {
        let id = store.add_caller(CALLER, app.engine.now()).await?;
        return Ok((Caller(id), CALLER.to_owned()));
    }
    let found = store.callers().await?.into_iter().find(|caller| caller.name == name);
    let found = found.ok_or_else(|| {
        let name: String = name.chars().take(100).collect();
        Refusal::invalid("caller", format!("there is no caller {name:?}"))
    })?;
    Ok((Caller(found.id), found.name))
}

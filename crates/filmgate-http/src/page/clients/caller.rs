//! One caller: what it uses and may use, its keys, what it asked for.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{CallerId, KeyId, Secret, Timestamp};
use filmgate_store::{Asked, KeyRecord, StoreError};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::callers::{self, CallerView};
use crate::admin::keys::LONGEST_NAME;
use crate::extract::Name;
use crate::page::layout::{self, Section};
use crate::page::live::{self, Live};
use crate::page::look::Look;
use crate::page::parts::{self, Tone, badge, maybe_time, note, nothing_here, time};
use crate::page::session::Visitor;
use crate::serve::Closing;

use super::{days, failed, figures, opens_and_lasts, scope_name, setup};

/// For how long the key before can stay valid, in seconds, and what that is called.
pub(super) const KEEPS: [(u64, &str); 4] = [
    (0, "clients-keep-none"),
    (3600, "clients-keep-hour"),
    (86_400, "clients-keep-day"),
    (604_800, "clients-keep-week"),
];

/// What was done before the page is shown.
#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
    #[serde(default)]
    key: String,
}

/// What the page says besides: what went wrong with a form, and what was typed into it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) problem: Option<(StatusCode, String)>,
    pub(super) limits: Option<[String; 3]>,
    pub(super) name: String,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Name(id): Name,
    Query(done): Query<Done>,
) -> Response {
    let key = done.key.parse::<KeyId>().ok();
    let fresh = key.and_then(|key| app.fresh_keys.take(key, visitor.session(), app.engine.now()));
    let told = told(&done, fresh.as_ref(), visitor.look);
    render(&app, &visitor, &id, &told, &Said::default()).await
}

/// What was done, in known words only, and the key that was made.
fn told(done: &Done, fresh: Option<&Secret>, look: Look) -> Markup {
    let said = match &*done.done {
        "created" => "clients-done-created",
        "key" => "clients-done-key",
        "rotated" => "clients-done-rotated",
        "revoked" => "clients-done-revoked",
        "limits" => "clients-done-limits",
        _ => return html! {},
    };
    html! {
        (note(Tone::Good, &look.t(said)))
        @match fresh {
            Some(key) => section.card aria-labelledby="fresh" {
                h2 #fresh { (look.t("clients-fresh-title")) }
                p { code #fresh-key { (key.expose()) } }
                p { (setup::copy(look, "fresh-key", look.t("clients-setup-key"))) }
                p.hint { (look.t("clients-fresh-hint")) }
            }
            None if matches!(&*done.done, "created" | "key" | "rotated") => p.hint { (look.t("clients-fresh-gone")) }
            None => {}
        }
    }
}

/// Everything that the page shows.
struct Shown {
    view: CallerView,
    keys: Vec<KeyRecord>,
    asked: Vec<Asked>,
    webhook: Option<Box<str>>,
}

async fn view(app: &App, id: CallerId) -> Result<Option<CallerView>, StoreError> {
    Ok(callers::views(app).await?.into_iter().find(|view| view.caller.id == id))
}

async fn read(app: &App, id: CallerId) -> Result<Option<Shown>, StoreError> {
    let Some(view) = view(app, id).await? else { return Ok(None) };
    let (store, now) = (app.engine.store(), app.engine.now());
    let mut keys = store.keys().await?;
    keys.retain(|key| key.caller == id);
    let asked = store.asked_by_caller(id, now - days::READ, days::STEP, days::MOST).await?;
    let webhooks = store.webhooks().await?;
    let webhook = webhooks.into_iter().find(|webhook| webhook.caller == id).and_then(|webhook| webhook.url);
    Ok(Some(Shown { view, keys, asked, webhook }))
}

pub(super) async fn render(app: &App, visitor: &Visitor, id: &str, told: &Markup, said: &Said) -> Response {
    let look = visitor.look;
    let shown = match id.parse::<CallerId>() {
        Ok(id) => read(app, id).await,
        Err(_) => Ok(None),
    };
    let (title, (status, body)) = match shown {
        Ok(Some(shown)) => {
            let status = said.problem.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
            (shown.view.caller.name.clone(), (status, body(app, look, &shown, told, said)))
        }
        Ok(None) => (look.t("nav-clients"), nothing_here(look)),
        Err(error) => (look.t("nav-clients"), failed(&error.into(), look)),
    };
    (status, layout::page(visitor, Section::Clients, &title, &body)).into_response()
}

pub(super) async fn updates(
    State(app): State<App>,
    visitor: Visitor,
    Name(id): Name,
    closing: Closing,
) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let (app, id, look) = (own.clone(), id.parse::<CallerId>(), visitor.look);
        async move {
            let Ok(id) = id else { return Live::End };
            match view(&app, id).await {
                Ok(Some(view)) => Live::Html(in_use(&view, look, app.engine.now())),
                Ok(None) => Live::End,
                Err(error) => Live::Html(failed(&error.into(), look).1),
            }
        }
    })
}

fn body(app: &App, look: Look, shown: &Shown, told: &Markup, said: &Said) -> Markup {
    let Shown { view, keys, asked, webhook } = shown;
    let now = app.engine.now();
    let id = view.caller.id;
    html! {
        p { a href="/admin/clients" { (look.t("clients-back")) } }
        @if let Some((_, problem)) = &said.problem { (note(Tone::Bad, problem)) }
        (told)
        div data-live={ "/admin/clients/" (id) "/live" } { (in_use(view, look, now)) }
        (limits(view, said, look))
        (keys_of(id, keys, look, now))
        (new_key(id, &said.name, look))
        section.card {
            h2 #days { (look.t("clients-days-title")) }
            (days::table(asked, now, look))
            p { a href={ "/admin/videos?caller=" (id) } { (look.t("clients-videos")) } }
        }
        section.card aria-labelledby="webhook" {
            h2 #webhook { (look.t("clients-webhook-title")) }
            p {
                @match webhook {
                    Some(url) => { code { (url) } }
                    None => { (look.t("clients-webhook-none")) }
                }
            }
            p { a href="/admin/settings/webhooks" { (look.t("clients-webhook-link")) } }
        }
        (setup::render(app, look))
    }
}

/// The figures that move by themselves.
fn in_use(view: &CallerView, look: Look, now: Timestamp) -> Markup {
    html! {
        section.cards aria-label=(look.t("clients-use")) {
            @for figure in figures::figures(view) {
                article.card {
                    h2 { (look.t(figure.name)) }
                    div.figure { (figure.render(look)) }
                }
            }
        }
        p.hint { (look.t("clients-last-used")) ": " (maybe_time(view.last_used_at, now)) }
    }
}

fn limits(view: &CallerView, said: &Said, look: Look) -> Markup {
    let limits = view.caller.limits;
    let fields = [
        ("max_in_flight", "clients-limit-in-flight", limits.max_in_flight),
        ("requests_per_minute", "clients-limit-minute", limits.requests_per_minute),
        ("units_per_day", "clients-limit-day", limits.units_per_day),
    ];
    let typed = |nth: usize, limit: Option<u32>| match &said.limits {
        Some(typed) => typed[nth].clone(),
        None => limit.map(|limit| limit.to_string()).unwrap_or_default(),
    };
    html! {
        section.card aria-labelledby="limits" {
            h2 #limits { (look.t("clients-limits-title")) }
            p.hint #limits-hint { (look.t("clients-limits-hint")) }
            form.row method="post" action={ "/admin/clients/" (view.caller.id) "/limits" } {
                @for (nth, (name, label, limit)) in fields.into_iter().enumerate() {
                    label { span { (look.t(label)) }
                        input type="number" name=(name) value=(typed(nth, limit)) min="1" max=(u32::MAX) step="1"
                            inputmode="numeric" placeholder=(look.t("clients-no-limit")) aria-describedby="limits-hint";
                    }
                }
                button type="submit" { (look.t("clients-limits-button")) }
            }
        }
    }
}

fn keys_of(caller: CallerId, keys: &[KeyRecord], look: Look, now: Timestamp) -> Markup {
    let (valid, ended): (Vec<&KeyRecord>, Vec<_>) = keys.iter().rev().partition(|key| key.is_valid(now));
    let table = |keys: &[&KeyRecord]| {
        html! {
            table {
                thead { tr {
                    th scope="col" { (look.t("clients-key-name")) }
                    th scope="col" { (look.t("clients-scope")) }
                    th scope="col" { (look.t("clients-key-begins")) }
                    th scope="col" { (look.t("clients-key-made")) }
                    th scope="col" { (look.t("clients-last-used")) }
                    th scope="col" { (look.t("clients-key-state")) }
                    th scope="col" { (look.t("clients-key-actions")) }
                } }
                tbody { @for key in keys { (key_row(caller, key, look, now)) } }
            }
        }
    };
    html! {
        section.card {
            h2 #keys { (look.t("clients-keys-title")) }
            @if valid.is_empty() {
                p { (look.t("clients-keys-none")) }
            } @else {
                (parts::table(&look.t("clients-keys-title"), &table(&valid)))
            }
            @if !ended.is_empty() {
                details #ended-keys {
                    summary { (look.with("clients-keys-ended", [("n", ended.len().into())])) }
                    (parts::table(&look.with("clients-keys-ended", [("n", ended.len().into())]), &table(&ended)))
                }
            }
        }
    }
}

fn key_row(caller: CallerId, key: &KeyRecord, look: Look, now: Timestamp) -> Markup {
    let address = format!("/admin/clients/{caller}/keys/{}", key.id);
    let is_valid = key.is_valid(now);
    html! {
        tr {
            th scope="row" { (key.name) br; span.hint { (key.id) } }
            td { (scope_name(key.scope, look)) }
            td { code { (key.hint) "…" } }
            td { (time(key.created_at, now)) }
            td { (maybe_time(key.last_used_at, now)) }
            td {
                @match key.ends_at() {
                    None => { (badge(Tone::Good, &look.t("clients-key-valid"))) }
                    Some(until) if is_valid => { (badge(Tone::Warn, &look.t("clients-key-until"))) " " (time(until, now)) }
                    Some(since) => { (badge(Tone::Plain, &look.t("clients-key-revoked"))) " " (time(since, now)) }
                }
            }
            td {
                @if is_valid {
                    form.row method="post" action={ (address) "/rotate" } {
                        label { span { (look.t("clients-keep")) }
                            select name="keep" {
                                @for (seconds, name) in KEEPS {
                                    option value=(seconds) selected[seconds == 86_400] { (look.t(name)) }
                                }
                            }
                        }
                        button type="submit" { (look.t("clients-rotate")) }
                        button.danger type="submit" formaction={ (address) "/revoke" }
                            data-confirm=(look.with("clients-revoke-confirm", [("key", key.name.clone().into())])) {
                            (look.t("clients-revoke"))
                        }
                    }
                } @else { "-" }
            }
        }
    }
}

fn new_key(caller: CallerId, name: &str, look: Look) -> Markup {
    html! {
        section.card aria-labelledby="new-key" {
            h2 #new-key { (look.t("clients-new-key-title")) }
            p.hint { (look.t("clients-new-key-hint")) }
            form.row method="post" action={ "/admin/clients/" (caller) "/keys" } {
                label { span { (look.t("clients-key-name")) }
                    input type="text" name="name" value=(name) required maxlength=(LONGEST_NAME) autocomplete="off";
                }
                (opens_and_lasts(look))
                button type="submit" { (look.t("clients-new-key-button")) }
            }
        }
    }
}

//! Settings: what is in effect and where it comes from, webhooks, upstreams, and what operators did.

mod audit;
mod configuration;
mod upstreams;
mod webhooks;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::App;

use super::layout;
use super::layout::Section;
use super::look::Look;
use super::parts::{Tone, note};
use super::session::Visitor;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/settings", get(configuration::page))
        .route("/admin/settings/reload", post(configuration::reload))
        .route("/admin/settings/sign-out-everywhere", post(configuration::sign_out_everywhere))
        .route("/admin/settings/webhooks", get(webhooks::page))
        .route("/admin/settings/webhooks/set", post(webhooks::set))
        .route("/admin/settings/webhooks/remove", post(webhooks::remove))
        .route("/admin/settings/webhooks/rotate", post(webhooks::rotate))
        .route("/admin/settings/webhooks/test", post(webhooks::test))
        .route("/admin/settings/webhooks/retry", post(webhooks::retry))
        .route("/admin/settings/upstreams", get(upstreams::page))
        .route("/admin/settings/upstreams/check", post(upstreams::check))
        .route("/admin/settings/audit", get(audit::page))
}

/// The parts of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Configuration,
    Webhooks,
    Upstreams,
    Audit,
}

impl Part {
    const ALL: [Self; 4] = [Self::Configuration, Self::Webhooks, Self::Upstreams, Self::Audit];

    /// Its address and the text that names it.
    fn link(self, look: Look) -> (&'static str, String) {
        match self {
            Self::Configuration => ("/admin/settings", look.t("settings-configuration")),
            Self::Webhooks => ("/admin/settings/webhooks", look.t("settings-webhooks")),
            Self::Upstreams => ("/admin/settings/upstreams", look.t("settings-upstreams")),
            Self::Audit => ("/admin/settings/audit", look.t("settings-audit")),
        }
    }
}

/// A page of the settings, with a message above where there is one.
fn render(visitor: &Visitor, part: Part, told: Option<(Tone, String)>, body: &Markup) -> Response {
    let look = visitor.look;
    let body = html! {
        nav.parts aria-label=(look.t("settings-parts")) {
            ul {
                @for other in Part::ALL {
                    @let (address, name) = other.link(look);
                    li { a href=(address) aria-current=[(other == part).then_some("page")] { (name) } }
                }
            }
        }
        @if let Some((tone, text)) = &told { (note(*tone, text)) }
        (body)
    };
    layout::page(visitor, Section::Settings, &look.t("nav-settings"), &body).into_response()
}

//! The frame around every page: where one is, where one can go, how it looks.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::locked::lock;
use super::look::{Look, Theme};
use super::session::Visitor;
use super::words::Lang;

/// The parts of the page, in the order of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Tokens,
    Videos,
    Routing,
    Studio,
    Clients,
    Settings,
}

impl Section {
    const ALL: [Self; 7] = [
        Self::Overview,
        Self::Tokens,
        Self::Videos,
        Self::Routing,
        Self::Studio,
        Self::Clients,
        Self::Settings,
    ];

    /// Its address and the text that names it.
    fn link(self, look: Look) -> (&'static str, String) {
        match self {
            Self::Overview => ("/admin", look.t("nav-overview")),
            Self::Tokens => ("/admin/tokens", look.t("nav-tokens")),
            Self::Videos => ("/admin/videos", look.t("nav-videos")),
            Self::Routing => ("/admin/routing", look.t("nav-routing")),
            Self::Studio => ("/admin/studio", look.t("nav-studio")),
            Self::Clients => ("/admin/clients", look.t("nav-clients")),
            Self::Settings => ("/admin/settings", look.t("nav-settings")),
        }
    }
}

/// A page of somebody who is signed in. `body` comes below the heading `title`.
pub(super) fn page(visitor: &Visitor, section: Section, title: &str, body: &Markup) -> Html<String> {
    let look = visitor.look;
    let frame = html! {
        a.skip href="#main" { (look.t("nav-skip")) }
        header.top {
            a.brand href="/admin" { img src="/admin/icon.svg" alt="" width="24" height="24"; "filmgate" }
            nav aria-label=(look.t("nav-label")) {
                ul {
                    @for part in Section::ALL {
                        @let (address, name) = part.link(look);
                        li { a href=(address) aria-current=[(part == section).then_some("page")] { (name) } }
                    }
                }
            }
        }
        main #main tabindex="-1" {
            h1 { (title) }
            @if visitor.is_read_only() { p.note { (look.t("read-only")) } }
            @if visitor.is_read_only() { (lock(&body.0)) } @else { (body) }
        }
        footer {
            (choices(look))
            form method="post" action="/admin/sign-out" { button type="submit" { (look.t("nav-sign-out")) } }
            span.hint { "filmgate " (env!("CARGO_PKG_VERSION")) " · " a href="/docs" { (look.t("nav-api")) } }
        }
    };
    document(look, title, &frame)
}

/// A page for somebody who is not signed in.
pub(super) fn bare(look: Look, title: &str, body: &Markup) -> Html<String> {
    let frame = html! {
        main #main.bare { (body) }
        footer { (choices(look)) }
    };
    document(look, title, &frame)
}

fn document(look: Look, title: &str, frame: &Markup) -> Html<String> {
    let document = html! {
        (DOCTYPE)
        html lang=(look.lang.tag()) data-theme=(look.theme.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · filmgate" }
                link rel="icon" href="/admin/icon.svg";
                link rel="stylesheet" href="/admin/style.css";
                script src="/admin/script.js" defer {}
            }
            body { (frame) }
        }
    };
    Html(document.into_string())
}

/// Language and colours. The script fills in where the reader is.
fn choices(look: Look) -> Markup {
    let theme_name = |theme: Theme| match theme {
        Theme::Auto => look.t("theme-auto"),
        Theme::Light => look.t("theme-light"),
        Theme::Dark => look.t("theme-dark"),
    };
    html! {
        form.choices method="post" action="/admin/look" {
            input type="hidden" name="back" value="/admin" data-here;
            span role="group" aria-label=(look.t("nav-language")) {
                @for lang in Lang::ALL {
                    button type="submit" name="lang" value=(lang.tag()) lang=(lang.tag())
                        aria-pressed=(lang == look.lang) { (lang.own_name()) }
                }
            }
            span role="group" aria-label=(look.t("nav-theme")) {
                @for theme in Theme::ALL {
                    button type="submit" name="theme" value=(theme.as_str())
                        aria-pressed=(theme == look.theme) { (theme_name(theme)) }
                }
            }
        }
    }
}

//! How a reader wants the page: language and colours. Both are chosen by the browser until somebody chooses.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use cookie::{Cookie, SameSite};
use fluent_templates::fluent_bundle::FluentValue;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::Deserialize;

use crate::App;

use super::forms::Form;
use super::words::Lang;

const LANG: &str = "filmgate_lang";
const THEME: &str = "filmgate_theme";

/// How a reader sees the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) lang: Lang,
    pub(super) theme: Theme,
}

/// Which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the browser prefers.
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub(super) const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Look {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie(headers, LANG).and_then(|tag| Lang::of_tag(&tag));
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = chosen.unwrap_or_else(|| Lang::preferred(accepted.unwrap_or_default()));
        let theme = cookie(headers, THEME);
        let theme = Theme::ALL.into_iter().find(|known| theme.as_deref() == Some(known.as_str()));
        Self { lang, theme: theme.unwrap_or(Theme::Auto) }
    }

    /// A text.
    pub(super) fn t(self, key: &str) -> String {
        self.lang.t(key)
    }

    /// A text with values in it.
    pub(super) fn with<const N: usize>(
        self,
        key: &str,
        values: [(&'static str, FluentValue<'_>); N],
    ) -> String {
        self.lang.with(key, values)
    }
}

impl FromRequestParts<App> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The value of a cookie that came with a request.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let sent = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut cookies = sent.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    lang: Option<String>,
    theme: Option<String>,
    /// Where the reader was.
    #[serde(default)]
    back: String,
}

/// Remembers what a reader chose, in the browser.
pub(super) async fn choose(Form(chosen): Form<Chosen>) -> Response {
    let lang = chosen.lang.and_then(|tag| Lang::of_tag(&tag)).map(|lang| (LANG, lang.tag()));
    let theme = chosen.theme.and_then(|word| Theme::ALL.into_iter().find(|theme| theme.as_str() == word));
    let cookies = [lang, theme.map(|theme| (THEME, theme.as_str()))];
    let mut response = Redirect::to(inside(&chosen.back)).into_response();
    for (name, value) in cookies.into_iter().flatten() {
        let year = cookie::time::Duration::days(365);
        let cookie = Cookie::build((name, value)).path("/admin").max_age(year).same_site(SameSite::Lax);
        super::session::set_cookie(&mut response, &cookie.http_only(true).build());
    }
    response
}

/// An address of this page; whatever else is named leads to its start.
pub(super) fn inside(address: &str) -> &str {
    let is_inside = address == "/admin" || address.starts_with("/admin/") || address.starts_with("/admin?");
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_inside && is_plain { address } else { "/admin" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_inside() {
        for inner in ["/admin", "/admin/tokens?pool=ssoSuper&page=2", "/admin?range=1h"] {
            assert_eq!(inside(inner), inner);
        }
        for outer in [
            "",
            "//evil.example",
            "https://evil.example/admin/",
            "/administer",
            "/admin/\r\nx: y",
            "/admin/\\",
        ] {
            assert_eq!(inside(outer), "/admin", "{outer:?}");
        }
    }
}

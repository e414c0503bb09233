//! How a token stands, in words and colours.

use filmgate_domain::{Standing, Timestamp};
use filmgate_engine::TokenView;
use maud::{Markup, html};

use crate::page::look::Look;
use crate::page::parts::{self, Tone};

pub(super) fn word(standing: Standing, look: Look) -> String {
    look.t(&format!("tokens-standing-{}", standing.as_str()))
}

pub(super) fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::Ready => Tone::Good,
        Standing::Busy | Standing::Disabled => Tone::Plain,
        Standing::OutOfQuota | Standing::Cooling => Tone::Warn,
        Standing::Expired | Standing::NoPool => Tone::Bad,
    }
}

/// The badge, and until when it lasts.
pub(super) fn badge(view: &TokenView, look: Look, now: Timestamp) -> Markup {
    let until = view.info.cooling_until.filter(|_| view.standing == Standing::Cooling);
    html! {
        (parts::badge(tone(view.standing), &word(view.standing, look)))
        @if let Some(until) = until { " " span.hint { (look.t("tokens-until")) " " (parts::time(until, now)) } }
    }
}

/// What is left of a token's quota: a figure, and a bar where there is one.
pub(super) fn left(view: &TokenView, look: Look) -> Markup {
    let Some((left, granted)) = view.info.quota.zip(view.granted) else {
        return html! { (look.t("tokens-no-quota")) };
    };
    let tone = match (left, granted) {
        (0, _) => Tone::Bad,
        (left, granted) if left.saturating_mul(5) < granted => Tone::Warn,
        _ => Tone::Good,
    };
    let (left, granted) = (u64::from(left), u64::from(granted));
    let text = format!("{} / {}", parts::number(left), parts::number(granted));
    html! { (text) (parts::bar(left, granted, tone, &text)) }
}

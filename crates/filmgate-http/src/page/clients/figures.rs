//! What callers use, against what they may use.

use maud::{Markup, html};

use crate::admin::callers::CallerView;
use crate::page::look::Look;
use crate::page::parts::{Tone, bar, number};

/// Something that is limited, or may be.
pub(super) struct Figure {
    /// The key of its name.
    pub(super) name: &'static str,
    used: u64,
    limit: Option<u32>,
}

/// The three figures of a caller.
pub(super) fn figures(view: &CallerView) -> [Figure; 3] {
    let (limits, used) = (view.caller.limits, view.used);
    [
        Figure { name: "clients-in-flight", used: used.in_flight, limit: limits.max_in_flight },
        Figure { name: "clients-last-minute", used: used.requests, limit: limits.requests_per_minute },
        Figure { name: "clients-last-day", used: used.spent + used.reserved, limit: limits.units_per_day },
    ]
}

impl Figure {
    /// The number, and a bar where there is a limit.
    pub(super) fn render(&self, look: Look) -> Markup {
        let used = number(self.used);
        let Some(limit) = self.limit.map(u64::from) else {
            return html! { (used) };
        };
        let values = [("used", used.into()), ("limit", number(limit).into())];
        let text = look.with("clients-used-of", values);
        html! {
            span.nowrap { (text) }
            (bar(self.used, limit, self.tone(limit), &text))
        }
    }

    fn tone(&self, limit: u64) -> Tone {
        match self.used.saturating_mul(100) {
            used if used >= limit.saturating_mul(100) => Tone::Bad,
            used if used >= limit.saturating_mul(80) => Tone::Warn,
            _ => Tone::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_says_how_near_the_limit_is() {
        let tone = |used, limit| Figure { name: "", used, limit: None }.tone(limit);
        assert_eq!(tone(0, 1), Tone::Good);
        assert_eq!(tone(79, 100), Tone::Good);
        assert_eq!(tone(80, 100), Tone::Warn);
        assert_eq!([tone(100, 100), tone(130, 100)], [Tone::Bad; 2]);
    }
}

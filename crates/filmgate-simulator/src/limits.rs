//! Headers that tell a client what is left of its token's quota, in units.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::{app::App, config::LimitHeaders, http::authenticate, ledger::Left};

/// Adds them to whatever is answered to a token that is known.
pub(crate) async fn tell(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let owner = authenticate(&app, request.headers()).ok();
    let mut response = next.run(request).await;
    if let Some((style, owner)) = app.config.limit_headers.zip(owner) {
        let now_ms = app.now_ms();
        let left = app.books().ledger.left(owner, now_ms);
        left.into_iter().for_each(|left| write(response.headers_mut(), style, left, now_ms));
    }
    response
}

fn write(headers: &mut HeaderMap, style: LimitHeaders, left: Left, now_ms: u64) {
    let reset = match style {
        LimitHeaders::Seconds => left.more_in_ms.div_ceil(1000).to_string(),
        LimitHeaders::Spelled => spelled(left.more_in_ms),
        LimitHeaders::Epoch => (now_ms + left.more_in_ms).div_ceil(1000).to_string(),
    };
    let values =
        [("limit", left.granted.to_string()), ("remaining", left.remaining.to_string()), ("reset", reset)];
    for (name, value) in values {
        let name = HeaderName::try_from(format!("x-ratelimit-{name}-requests"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// `1h59m58s`
fn spelled(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs() + u64::from(!ms.is_multiple_of(1000));
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let told: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spelled_without_what_is_nothing() {
        let all = [0, 1, 90_000, 7_198_000, 7_200_000].map(spelled);
        assert_eq!(all, ["0s", "1s", "1m30s", "1h59m58s", "2h"]);
    }
}

//! Figures that move by themselves: a region of a page is rendered again and again, and sent when it changed.
//!
//! A page marks the region with `data-live="ADDRESS"`; the handler at that address answers with [`stream`].

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use maud::Markup;

use crate::App;
use crate::serve::Closing;

use super::locked::lock;
use super::session::Visitor;

/// How often a region is rendered.
const EVERY: Duration = Duration::from_secs(2);

/// What a region is to become.
pub(super) enum Live {
    /// This, if it is not that already; later something else.
    Html(Markup),
    /// Something that only the whole page shows: the browser loads it again, and nothing more follows.
    Reload,
    /// It stays as it is for good.
    End,
}

/// Renders a region every two seconds until the browser leaves, the session ends, or filmgate does.
pub(super) fn stream<F, R>(app: App, visitor: Visitor, closing: Closing, render: R) -> Response
where
    R: FnMut() -> F + Send + 'static,
    F: Future<Output = Live> + Send + 'static,
{
    let region = Region { app, visitor, closing, render, shown: None, ended: false };
    let ping = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(events(region)).keep_alive(ping).into_response()
}

struct Region<R> {
    app: App,
    visitor: Visitor,
    closing: Closing,
    render: R,
    shown: Option<String>,
    ended: bool,
}

fn events<F, R>(region: Region<R>) -> impl Stream<Item = Result<Event, Infallible>>
where
    R: FnMut() -> F + Send + 'static,
    F: Future<Output = Live> + Send + 'static,
{
    futures_util::stream::unfold(region, |mut region| async move {
        let event = region.next().await?;
        Some((Ok(event), region))
    })
}

impl<F, R> Region<R>
where
    R: FnMut() -> F,
    F: Future<Output = Live>,
{
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended || !self.visitor.is_signed_in(&self.app) {
                return None;
            }
            match (self.render)().await {
                Live::Html(markup) => {
                    let markup = if self.visitor.is_read_only() { lock(&markup.0) } else { markup };
                    let html = markup.into_string();
                    if self.shown.as_ref() != Some(&html) {
                        self.shown = Some(html.clone());
                        return Some(Event::default().event("html").data(html));
                    }
                }
                Live::Reload => {
                    self.ended = true;
                    return Some(Event::default().event("reload").data("now"));
                }
                Live::End => {
                    // A stream that merely ended would be opened again.
                    self.ended = true;
                    return Some(Event::default().event("end").data("now"));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.closing.begun.cancelled() => return None,
            }
        }
    }
}

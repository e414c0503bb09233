//! What goes on on a connection: how many requests are in progress, of this one and of all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The requests of a connection.
#[derive(Default)]
pub(crate) struct Traffic {
    asked: AtomicUsize,
    open: AtomicUsize,
    heard: AtomicBool,
}

impl Traffic {
    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether none is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Notes bytes that came.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        self.heard.fetch_or(!bytes.is_empty(), Ordering::Relaxed);
    }

    /// Whether anything came since a request began or ended: with HTTP/1, a part of the next one.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Counts a request, if `all` has room for one more of all connections.
    pub(crate) fn enter(self: &Arc<Self>, all: &Arc<Semaphore>) -> Option<InProgress> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let place = Arc::clone(all).try_acquire_owned().ok()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        self.heard.store(false, Ordering::Relaxed);
        Some(InProgress { traffic: Arc::clone(self), _place: place })
    }
}

/// A request in progress: until its answer is sent, or nobody wants it any more.
pub(crate) struct InProgress {
    traffic: Arc<Traffic>,
    _place: OwnedSemaphorePermit,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.traffic.heard.store(false, Ordering::Relaxed);
        self.traffic.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which keeps its request in progress.
pub(crate) struct Answering {
    body: Body,
    _request: Option<InProgress>,
}

impl Answering {
    pub(crate) fn new(body: Body, request: InProgress) -> Self {
        Self { body, _request: Some(request) }
    }
}

/// What a request is told that finds no room.
pub(crate) fn full() -> Response<Answering> {
    let mut response = Response::new(Answering { body: Body::from(TOO_MANY), _request: None });
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What a connection is told that finds no room.
pub(crate) fn turned_away() -> String {
    let length = TOO_MANY.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: text/plain\r\n\
         content-length: {length}\r\n\r\n{TOO_MANY}"
    )
}

const TOO_MANY: &str = "filmgate has as many connections as it may (server.max_connections)\n";

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_progress_until_its_answer_is_dropped() {
        let (traffic, all) = (Arc::new(Traffic::default()), Arc::new(Semaphore::new(1)));
        let request = traffic.enter(&all).unwrap();
        let answer = Answering::new(Body::from("x"), request);
        assert!(!traffic.is_idle() && traffic.enter(&all).is_none());
        assert_eq!(answer.size_hint().exact(), Some(1), "its length is known all the same");
        drop(answer);
        assert!(traffic.is_idle() && traffic.enter(&all).is_some());
        assert_eq!(traffic.asked(), 3);
    }
}

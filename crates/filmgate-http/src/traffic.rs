//! What goes on on a connection: how many requests are in progress, of this one and of all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The requests of a connection.
#[derive(Default)]
pub(crate) struct Traffic {
    asked: AtomicUsize,
    asks: Notify,
    open: AtomicUsize,
    /// Something came since a request began or ended.
    has_heard: AtomicBool,
    /// Something that was said waits for the client to take it.
    is_stuck: AtomicBool,
}

impl Traffic {
    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns when there is one that nobody was told of.
    pub(crate) async fn asks(&self) {
        self.asks.notified().await;
    }

    /// Whether none is in progress, and everything that was answered is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && !self.is_stuck.load(Ordering::Relaxed)
    }

    /// Notes that something came.
    pub(crate) fn hear(&self) {
        self.has_heard.store(true, Ordering::Relaxed);
    }

    /// Whether anything came since a request began or ended: with HTTP/1, a part of the next one.
    pub(crate) fn has_heard(&self) -> bool {
        self.has_heard.load(Ordering::Relaxed)
    }

    /// Counts a request, if `all` has room for one more of all connections.
    pub(crate) fn enter(self: &Arc<Self>, all: &Arc<Semaphore>) -> Option<InProgress> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.asks.notify_one();
        let place = Arc::clone(all).try_acquire_owned().ok()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        self.has_heard.store(false, Ordering::Relaxed);
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
        self.traffic.has_heard.store(false, Ordering::Relaxed);
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

/// A connection of which is known whether its client takes what it is sent: the end of an answer is written down here
/// long before a slow client has it.
pub(crate) struct Watched<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic }
    }

    fn note<T>(&self, went: Poll<T>) -> Poll<T> {
        self.traffic.is_stuck.store(went.is_pending(), Ordering::Relaxed);
        went
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let came = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.traffic.hear();
        }
        came
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let went = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(went)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let went = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(went)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let went = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(went)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_connection_is_not_idle_while_its_client_takes_nothing() {
        let traffic = Arc::new(Traffic::default());
        let (stream, mut client) = tokio::io::duplex(8);
        let mut stream = Watched::new(stream, Arc::clone(&traffic));
        let telling = tokio::spawn(async move { stream.write_all(b"a long answer").await.map(|()| stream) });
        let mut answer = [0; 13];
        client.read_exact(&mut answer[..1]).await.unwrap();
        tokio::task::yield_now().await;
        assert!(!traffic.is_idle());
        client.read_exact(&mut answer[1..]).await.unwrap();
        let _stream = telling.await.unwrap().unwrap();
        assert!(traffic.is_idle());
        assert_eq!(&answer, b"a long answer");
    }

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

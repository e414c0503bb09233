//! Reads what is left of a request's body before a refusal goes out: a client that is still writing when the
//! connection ends never sees why it was refused.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Buf as _, Bytes};
use http::header;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::extract::READ_ON;

/// How long is read at most.
const LONGEST: Duration = Duration::from_secs(5);

/// Passes a request on and keeps a hand on its body.
pub(crate) async fn drain(request: Request, next: Next) -> Response {
    // Who expects `100 Continue` has not sent its body, and will not after a refusal.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(parts, Body::new(shared.clone()))).await;
    if response.status().is_client_error() {
        // What does not come in time is not waited for.
        let _ = tokio::time::timeout(LONGEST, read_on(shared)).await;
    }
    response
}

async fn read_on(body: Shared) {
    let mut read = 0;
    let mut body = pin!(body);
    while read < READ_ON {
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.remaining()),
            Some(Err(_)) | None => return,
        }
    }
}

/// A body that the handler reads and that is still here afterwards.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Body) -> T) -> T {
        look(&mut self.0.lock().expect("no panic under this lock"))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

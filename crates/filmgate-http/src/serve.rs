//! Accepts connections: with a time limit for headers, which `axum::serve` does not have, and a clean end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a client may take to send its request's headers.
    pub header_timeout: Duration,
    /// How long requests in progress may take to end after a stop.
    pub grace: Duration,
}

/// Tells requests that wait for something that they have to end now, because filmgate does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing(pub(crate) CancellationToken);

impl<S: Sync> FromRequestParts<S> for Closing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A request that did not come over a socket (the command line's own) is never hurried.
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl<S: Sync> OptionalFromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

/// How long the answers to hurried requests may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until `stop`; then takes no more connections and lets those in progress end.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    let (open, closing) = (GracefulShutdown::new(), Closing::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: it passes when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are small and urgent; failing to say so is no reason to refuse a client.
        let _ = stream.set_nodelay(true);
        let asked = Arc::new(AtomicBool::new(false));
        let service = router.clone().map_request({
            let (asked, closing) = (Arc::clone(&asked), closing.clone());
            move |mut request: http::Request<hyper::body::Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(closing.clone());
                request.extensions_mut().insert(Peer(from));
                request
            }
        });
        let service = TowerToHyperService::new(service);
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let watched = open.watch(connection);
        tokio::spawn(async move {
            let mut watched = std::pin::pin!(watched);
            // hyper limits the time for headers only once it knows which HTTP the client speaks: one that
            // says nothing, or half a preface of HTTP/2, would stay for ever.
            let ended = match tokio::time::timeout(limits.header_timeout, &mut watched).await {
                Ok(ended) => ended,
                Err(_) if asked.load(Ordering::Relaxed) => watched.await,
                Err(_) => return tracing::debug!("a connection without a request ended"),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    let mut ended = std::pin::pin!(open.shutdown());
    if tokio::time::timeout(limits.grace, &mut ended).await.is_err() {
        closing.0.cancel();
        if tokio::time::timeout(LAST_WORDS, ended).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
    }
}

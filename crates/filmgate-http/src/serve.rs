//! Accepts connections: with a time limit for headers, which `axum::serve` does not have, and a clean end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::patience::Patience;
use crate::tls::Tls;
use crate::traffic::{Answering, Traffic, Watched, full, turned_away};

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a client may take to send its request's headers, and to begin with its first.
    pub header_timeout: Duration,
    /// How long a connection is kept on which nothing more is asked.
    pub keep_alive_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub stall_timeout: Duration,
    /// Connections at once, and requests in progress.
    pub max_connections: usize,
    /// How long requests in progress may take to end after a stop.
    pub grace: Duration,
}

/// Tells requests that wait for something that filmgate ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing {
    /// It has begun to: whoever can ask again, and go on where they were, is to do that now. Nobody is let in until
    /// the last has left.
    pub(crate) begun: CancellationToken,
    /// It does: everybody has to end now.
    pub(crate) due: CancellationToken,
}

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

/// How long a connection that was taken just before a stop may take to ask what it came for, and one on which nothing
/// goes on, to end.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// Where connections come in. With a certificate, TLS is spoken on every one.
pub struct Door {
    /// Where it is.
    pub listener: TcpListener,
    /// The certificate that it shows.
    pub tls: Option<Tls>,
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// What a client of HTTP/2 may do at once on a connection, and how much of it is kept: streams, bytes on their way
/// in, bytes on their way out for each stream. (hyper limits headers, resets and continuations by itself.)
const STREAMS: u32 = 100;
const WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// The most of a request's headers, in bytes, with HTTP/1.
const HEADERS: usize = 64 * 1024;

/// Connections that are told at once that there is no room; others are merely ended.
const TURNED_AWAY: usize = 64;

/// Serves until `stop`; then takes no more connections and lets those in progress end.
pub async fn serve(door: impl Into<Door>, router: Router, limits: Limits, stop: CancellationToken) {
    let Door { listener, tls } = door.into();
    let server = Arc::new(Server {
        tls,
        builder: builder(&limits),
        router,
        limits,
        closing: Closing { begun: stop, due: CancellationToken::new() },
        requests: Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS))),
    });
    let mut hall = Hall::of(Arc::clone(&server));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.closing.begun.cancelled() => break,
        };
        match accepted {
            Ok((stream, from)) => hall.let_in(stream, from),
            Err(error) => {
                // Out of file descriptors, most likely: it passes when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    hall.let_in_the_last(listener);
    let connections = hall.connections;
    connections.close();
    if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
        server.closing.due.cancel();
        if tokio::time::timeout(LAST_WORDS, connections.wait()).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
    }
}

/// Where connections are that came in, and how many may.
struct Hall {
    server: Arc<Server>,
    places: Arc<Semaphore>,
    leaving: Arc<Semaphore>,
    connections: TaskTracker,
    is_full: bool,
}

impl Hall {
    fn of(server: Arc<Server>) -> Self {
        let allowed = server.limits.max_connections.min(Semaphore::MAX_PERMITS);
        Self {
            server,
            places: Arc::new(Semaphore::new(allowed)),
            leaving: Arc::new(Semaphore::new(TURNED_AWAY)),
            connections: TaskTracker::new(),
            is_full: false,
        }
    }

    fn let_in(&mut self, stream: TcpStream, from: SocketAddr) {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        if self.is_full != place.is_none() {
            self.is_full = place.is_none();
            let allowed = self.server.limits.max_connections;
            match self.is_full {
                true => {
                    tracing::warn!("connections are turned away: {allowed} are open (server.max_connections)")
                }
                false => tracing::info!("connections are taken again"),
            }
        }
        match place {
            Some(place) => {
                drop(self.connections.spawn(Arc::clone(&self.server).converse(stream, from, place)));
            }
            None if self.server.tls.is_some() => {}
            None => turn_away(stream, &self.leaving),
        }
    }

    /// Whoever the system has let in already believes to be connected, and may have asked: they are served, and then
    /// the door is shut.
    fn let_in_the_last(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        // It does not block: without anybody there, that is an error.
        while let Ok((stream, from)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.let_in(stream, from);
            }
        }
    }
}

/// A connection, with TLS or without.
type Secured = Either<TcpStream, TlsStream<TcpStream>>;

/// One whose client is not waited for for ever.
type Patient = Pin<Box<TimeoutStream<Secured>>>;

/// The connection in the form in which HTTP is spoken on it. A client that does not get there in time is left.
async fn secured(stream: TcpStream, tls: Option<Tls>, within: Duration) -> io::Result<Secured> {
    match tls {
        None => Ok(Either::Left(stream)),
        Some(tls) => Ok(Either::Right(tokio::time::timeout(within, tls.accept(stream)).await??)),
    }
}

/// What every connection needs.
struct Server {
    tls: Option<Tls>,
    builder: Builder<TokioExecutor>,
    router: Router,
    limits: Limits,
    closing: Closing,
    /// Bounds the requests in progress: one connection of HTTP/2 carries many.
    requests: Arc<Semaphore>,
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    // For hyper, the time between two requests belongs to the headers of the second: `Patience` tells them apart.
    let headers = limits.keep_alive_timeout.saturating_add(limits.header_timeout.saturating_mul(2));
    server.http1().timer(TokioTimer::new()).header_read_timeout(headers).max_buf_size(HEADERS);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    server
}

impl Server {
    /// Serves one connection to its end, or until it is of no use: it never asks anything, or nothing any more.
    ///
    /// hyper limits the time for headers only once it knows which HTTP the client speaks, and with HTTP/2 not at
    /// all: one that says nothing, or half a preface, or merely answers pings, would stay for ever.
    async fn converse(self: Arc<Self>, stream: TcpStream, from: SocketAddr, _place: OwnedSemaphorePermit) {
        // Answers are small and urgent; failing to say so is no reason to refuse a client.
        let _ = stream.set_nodelay(true);
        let traffic = Arc::new(Traffic::default());
        let secured = tokio::select! {
            secured = secured(stream, self.tls.clone(), self.limits.header_timeout) => secured,
            () = self.is_to_leave(&traffic) => return,
        };
        let stream = match secured {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "a connection did not come to speak TLS"),
        };
        let service = service_fn(|mut request: http::Request<Incoming>| {
            let in_progress = traffic.enter(&self.requests);
            request.extensions_mut().insert(self.closing.clone());
            request.extensions_mut().insert(Peer(from));
            let router = self.router.clone();
            async move {
                let Some(in_progress) = in_progress else { return Ok(full()) };
                let response: Result<_, Infallible> = router.oneshot(request).await;
                response.map(|response| response.map(|body| Answering::new(body, in_progress)))
            }
        });
        let mut connection = pin!(self.builder.serve_connection(self.patient(stream, &traffic), service));
        let mut ending = false;
        let mut patience = Patience::new(self.limits.header_timeout, self.limits.keep_alive_timeout);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    return ended.unwrap_or_else(|error| tracing::debug!(%error, "connection ended"));
                }
                () = self.is_to_leave(&traffic), if !ending => {
                    ending = true;
                    patience.hurry(FIRST_WORDS);
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(patience.between_looks()) => if patience.is_over(&traffic) {
                    if ending || traffic.asked() == 0 {
                        return tracing::debug!("a connection of no use ended");
                    }
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Returns when a connection has to end because filmgate does. One that has only just been taken may ask first:
    /// its request is on its way, and would be lost.
    async fn is_to_leave(&self, traffic: &Traffic) {
        self.closing.begun.cancelled().await;
        if traffic.asked() == 0 {
            // With its first request it has what it came for.
            let _ = tokio::time::timeout(FIRST_WORDS, traffic.asks()).await;
        }
    }

    /// A connection that fails when its client takes nothing for too long.
    fn patient(&self, stream: Secured, traffic: &Arc<Traffic>) -> TokioIo<Watched<Patient>> {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.stall_timeout));
        TokioIo::new(Watched::new(Box::pin(stream), Arc::clone(traffic)))
    }
}

/// Tells a client that there is no room for it, if it can be told without waiting.
fn turn_away(stream: TcpStream, leaving: &Arc<Semaphore>) {
    let Ok(place) = Arc::clone(leaving).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let _place = place;
        let mut stream = stream;
        let said = async {
            stream.write_all(turned_away().as_bytes()).await?;
            stream.shutdown().await?;
            // A connection that is closed with something unread is reset, and what was said is lost.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        // Whether it was heard makes no difference.
        let _ = tokio::time::timeout(Duration::from_secs(1), said).await;
    });
}

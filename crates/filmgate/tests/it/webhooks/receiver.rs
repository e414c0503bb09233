//! Whoever is told that videos ended: a server that keeps what it is sent, and answers as a test wants.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

/// A server on a thread of its own, so that a test which waits for a process does not halt it.
#[derive(Clone)]
pub(crate) struct Receiver {
    addr: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    received: Mutex<Vec<Received>>,
    answers: Mutex<VecDeque<Answer>>,
}

/// How a webhook is answered.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// With this status.
    Status(u16),
    /// Not at all.
    Silence,
}

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Receiver {
    /// Answers the first webhooks so, and all later ones with 204.
    pub(crate) fn start(answers: &[Answer]) -> Self {
        let inner =
            Arc::new(Inner { answers: Mutex::new(answers.iter().copied().collect()), ..Inner::default() });
        let (told, address) = std::sync::mpsc::channel();
        let state = Arc::clone(&inner);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let router = axum::Router::new().fallback(take).with_state(state);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { addr: address.recv().unwrap(), inner }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// Waits until so many have come, and no more; returns them.
    pub(crate) async fn gets(&self, count: usize) -> Vec<Received> {
        for _ in 0..1200 {
            let received = self.received();
            if received.len() >= count {
                assert_eq!(received.len(), count, "{received:#?}");
                return received;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} of {count} webhooks came", self.received().len());
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let received = Received {
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    inner.received.lock().unwrap().push(received);
    let answer = inner.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
    match answer {
        Answer::Status(301) => (StatusCode::MOVED_PERMANENTLY, [("location", "/elsewhere")]).into_response(),
        Answer::Status(status) => {
            (StatusCode::from_u16(status).unwrap(), "as the test wants").into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn signatures(&self) -> Vec<&str> {
        self.header("webhook-signature").split(' ').collect()
    }

    /// Whether the reference implementation takes it for genuine.
    pub(crate) fn is_genuine(&self, secret: &str) -> bool {
        Webhook::new(secret).unwrap().verify(self.body.as_bytes(), &self.headers).is_ok()
    }

    /// The three headers of Standard Webhooks.
    pub(crate) fn standard_headers(&self) -> Value {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        names.into_iter().map(|name| (name.to_owned(), json!(self.header(name)))).collect()
    }
}

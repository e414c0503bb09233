//! A receiver of OTLP over HTTP, which reads the JSON form as its specification says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde_json::Value;
use tokio::sync::watch;

/// A receiver. What it hangs on to is never answered, nor kept.
pub(crate) struct Receiver {
    addr: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    requests: Mutex<Vec<Received>>,
    hanging: watch::Sender<bool>,
}

/// A request that was answered.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: String,
}

/// A span as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it has none.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// In nanoseconds since 1970.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) events: Vec<String>,
    /// The message of its status, when that is an error.
    pub(crate) error: Option<String>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner { requests: Mutex::default(), hanging: watch::Sender::new(false) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inner));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { addr, inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Whether what comes from now on is left without an answer.
    pub(crate) fn hang(&self, hang: bool) {
        self.inner.hanging.send_replace(hang);
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// The first request, once it is there.
    pub(crate) async fn first(&self) -> Received {
        self.until(|| self.requests().into_iter().next()).await
    }

    /// The spans of a trace, once they are there.
    pub(crate) async fn trace(&self, id: &str) -> Vec<Span> {
        self.until(|| Some(self.spans_of(id)).filter(|spans| !spans.is_empty())).await
    }

    pub(crate) fn spans_of(&self, trace: &str) -> Vec<Span> {
        let requests = self.requests();
        requests.iter().flat_map(Received::spans).filter(|span| span.trace == trace).collect()
    }

    async fn until<T>(&self, there: impl Fn() -> Option<T>) -> T {
        for _ in 0..400 {
            if let Some(found) = there() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it never came; there are {:?}", self.requests().iter().map(|r| &r.body).collect::<Vec<_>>());
    }
}

async fn receive(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, raw: Bytes) -> &'static str {
    if *inner.hanging.borrow() {
        std::future::pending::<()>().await;
    }
    let (path, body) = (uri.path().to_owned(), String::from_utf8_lossy(&raw).into_owned());
    inner.requests.lock().unwrap().push(Received { path, headers, raw, body });
    "{}"
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The name of who speaks.
    pub(crate) fn service(&self) -> String {
        attributes(&self.json()["resourceSpans"][0]["resource"])["service.name"].clone()
    }

    fn spans(&self) -> Vec<Span> {
        let json = self.json();
        let resources = json["resourceSpans"].as_array().unwrap();
        let scopes = resources.iter().flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
        scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).map(Span::read).collect()
    }
}

impl Span {
    /// Ids are in hexadecimal, 64-bit integers are texts, and a status of 2 is an error.
    fn read(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let nanos = |name: &str| text(name).parse().unwrap_or_else(|_| panic!("{name} of {json:#}"));
        let events = json["events"].as_array().into_iter().flatten();
        let status = &json["status"];
        let is_error = status["code"] == 2;
        Self {
            trace: text("traceId"),
            id: text("spanId"),
            parent: text("parentSpanId"),
            name: text("name"),
            from: nanos("startTimeUnixNano"),
            to: nanos("endTimeUnixNano"),
            attributes: attributes(json),
            events: events.map(|event| event["name"].as_str().unwrap().to_owned()).collect(),
            error: is_error.then(|| status["message"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

fn attributes(of: &Value) -> HashMap<String, String> {
    let value = |value: &Value| match value.as_object().and_then(|kinds| kinds.values().next()) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let pairs = of["attributes"].as_array().into_iter().flatten();
    pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), value(&pair["value"]))).collect()
}

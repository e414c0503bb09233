//! Sends traces: jobs that ended wait in a bounded queue, and one task sends what has gathered. Whatever the receiver
//! does, no job waits for it; what does not find room is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, bail};
use filmgate_domain::Job;
use filmgate_engine::OnEnd;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{spans, variable};

/// Videos that may wait to be sent: some minutes of a busy gateway.
const QUEUE: usize = 4096;

/// Videos that are sent together, at most.
const TOGETHER: usize = 200;

/// How long the last ones may take once filmgate is stopped.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A video that ended, and the span of the client's that it belongs to.
struct Ended {
    job: Arc<Job>,
    traceparent: Option<Box<str>>,
}

/// The task that sends traces.
pub(super) struct Exporting {
    worker: JoinHandle<()>,
    stop: CancellationToken,
}

impl Exporting {
    /// Starts it. How to send, and under which name, is read from the environment by the library.
    ///
    /// # Errors
    /// When that makes no sense.
    pub(super) fn start(endpoint: &str) -> anyhow::Result<(Self, OnEnd)> {
        // Another part of the program may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let to = host(endpoint)?;
        let mut exporter = SpanExporter::builder().with_http().with_protocol(protocol(variable)?).build()?;
        exporter.set_resource(&resource());
        tracing::info!("traces are exported to {to}, one for each video");
        let (sender, queue) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let worker =
            Worker { exporter, queue, missed: Arc::clone(&missed), failing: false, stop: stop.clone() };
        let on_end = move |job: &Arc<Job>, traceparent: Option<&str>| {
            let ended = Ended { job: Arc::clone(job), traceparent: traceparent.map(Box::from) };
            if sender.try_send(ended).is_err() {
                missed.fetch_add(1, Relaxed);
            }
        };
        Ok((Self { worker: tokio::spawn(worker.run()), stop }, Box::new(on_end)))
    }

    /// Sends what is left, as far as there is time.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(LAST_WORDS, &mut self.worker).await.is_err() {
            self.worker.abort();
            tracing::warn!("the last traces were not exported: their receiver does not answer");
        }
    }
}

/// The form of what is sent: protobuf, unless the environment says otherwise. (The library would take JSON.)
fn protocol(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Protocol> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    match names.into_iter().find_map(variable).as_deref() {
        None | Some("http/protobuf") => Ok(Protocol::HttpBinary),
        Some("http/json") => Ok(Protocol::HttpJson),
        Some(other) => bail!("the protocol is {other:?}; filmgate has http/protobuf and http/json"),
    }
}

/// Who speaks. The environment may give it another name.
fn resource() -> Resource {
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|list| list.contains("service.name="));
    if is_named { resource.build() } else { resource.with_service_name("filmgate").build() }
}

/// The server of an address; the rest may hold secrets.
fn host(endpoint: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(endpoint.trim()).context("the endpoint is no URL")?;
    let host = url.host_str().context("the endpoint names no server")?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}", url.scheme()))
}

struct Worker {
    exporter: SpanExporter,
    queue: mpsc::Receiver<Ended>,
    /// Videos that were dropped since that was told last.
    missed: Arc<AtomicU64>,
    failing: bool,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        let mut ended = Vec::with_capacity(TOGETHER);
        loop {
            let received = tokio::select! {
                received = self.queue.recv_many(&mut ended, TOGETHER) => received,
                () = self.stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            if received == 0 {
                return;
            }
            self.send(&mut ended).await;
        }
    }

    async fn send(&mut self, ended: &mut Vec<Ended>) {
        let videos = ended.len() as u64;
        let spans: Vec<_> =
            ended.drain(..).flat_map(|e| spans::of(&e.job, e.traceparent.as_deref())).collect();
        if spans.is_empty() {
            return;
        }
        let sent = self.exporter.export(spans).await;
        // Told when it begins and when it ends, not for each of them.
        match sent {
            Err(error) => {
                self.missed.fetch_add(videos, Relaxed);
                if !self.failing {
                    tracing::warn!(
                        "traces cannot be exported: {error}; they are dropped until that works again"
                    );
                }
                self.failing = true;
            }
            Ok(()) => {
                let missed = self.missed.swap(0, Relaxed);
                if missed > 0 {
                    tracing::warn!("traces are exported again; those of {missed} videos are lost");
                }
                self.failing = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_the_usual_form() {
        let of = |value: Option<&str>| {
            protocol(|name| value.filter(|_| name.contains("TRACES")).map(str::to_owned))
        };
        assert_eq!(of(None).unwrap(), Protocol::HttpBinary);
        assert_eq!(of(Some("http/json")).unwrap(), Protocol::HttpJson);
        assert!(of(Some("grpc")).unwrap_err().to_string().contains("http/protobuf"));
    }

    #[test]
    fn only_the_server_of_an_endpoint_is_told() {
        assert_eq!(
            host("https://user:key@collector.example:4318/x?key=1").unwrap(),
            "https://collector.example:4318"
        );
        assert!(host("collector:4318").is_err());
        assert!(host("4318").is_err());
    }
}

//! The spans of a video's trace, from what its job remembers. Nothing is measured for traces: the job is on disk with
//! the time of each step, so the trace is whole also when filmgate was started anew in between.
//!
//! ```text
//! make video                          created, finished
//! ├─ choose                           until a token was reserved (the wait for one included)
//! ├─ attempt                          as long as the token was held
//! │  ├─ submit                        until the upstream answered
//! │  └─ poll                          until the upstream was done
//! ├─ choose, attempt …                again, where a submission was refused
//! └─ deliver                          fetching and measuring the file
//! ```

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use filmgate_domain::{Attempt, Job, Outcome, Timestamp};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Event, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// The trace of a job that ended. It joins the client's trace, where the request named one; else its id is that of
/// the job. None when the client's trace is not recorded.
pub(super) fn of(job: &Job, traceparent: Option<&str>) -> Vec<SpanData> {
    let client = traceparent.map(span_of).filter(SpanContext::is_valid);
    if client.as_ref().is_some_and(|client| !client.is_sampled()) {
        return Vec::new();
    }
    let ended = job.finished_at.unwrap_or(job.created_at);
    let mut trace = Trace::new(job, client);
    trace.root(job, ended);
    let mut free_since = job.created_at;
    for attempt in &job.attempts {
        trace.choose(attempt, free_since);
        trace.attempt(attempt, ended);
        free_since = attempt.settled_at.unwrap_or(ended);
    }
    match job.attempts.last().map(|last| last.outcome) {
        Some(Some(Outcome::Done)) => trace.deliver(job, free_since, ended),
        // Refused, or never served: it waited for a token until its end.
        None | Some(Some(Outcome::Refused)) if free_since < ended => {
            trace.choose_in_vain(job, free_since, ended)
        }
        _ => {}
    }
    trace.spans
}

/// The span that a `traceparent` names; an invalid one where it makes no sense.
fn span_of(traceparent: &str) -> SpanContext {
    let headers = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract(&headers).span().span_context().clone()
}

struct Trace {
    id: TraceId,
    root: SpanId,
    /// The client's span.
    parent: Option<SpanId>,
    scope: InstrumentationScope,
    spans: Vec<SpanData>,
}

/// A span that is not finished.
struct Draft {
    name: &'static str,
    kind: SpanKind,
    from: Timestamp,
    to: Timestamp,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Draft {
    fn new(name: &'static str, from: Timestamp, to: Timestamp) -> Self {
        // The system's clock may have been set back.
        let to = to.max(from);
        Self { name, kind: SpanKind::Internal, from, to, attributes: Vec::new(), status: Status::Unset }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.attributes.push(KeyValue::new(key, value.to_string()));
        self
    }

    fn with_some(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn count(mut self, key: &'static str, value: impl Into<i64>) -> Self {
        self.attributes.push(KeyValue::new(key, value.into()));
        self
    }

    /// `error.type` is the key of the semantic conventions.
    fn failed(self, code: &str, message: impl Into<String>) -> Self {
        let status = Status::error(message.into());
        Self { status, ..self.with("error.type", code) }
    }
}

impl Trace {
    fn new(job: &Job, client: Option<SpanContext>) -> Self {
        let bytes = job.id.as_bytes();
        // The second half of a UUID of version 7 is chance, and never zero.
        let mut root = [0; 8];
        root.copy_from_slice(&bytes[8..]);
        Self {
            id: client.as_ref().map_or(TraceId::from_bytes(*bytes), SpanContext::trace_id),
            root: SpanId::from_bytes(root),
            parent: client.as_ref().map(SpanContext::span_id),
            scope: InstrumentationScope::builder("filmgate").with_version(env!("CARGO_PKG_VERSION")).build(),
            spans: Vec::new(),
        }
    }

    /// The same job has the same ids whenever it is exported.
    fn next_id(&self) -> SpanId {
        let root = u64::from_be_bytes(self.root.to_bytes());
        let step = (self.spans.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        SpanId::from_bytes(root.wrapping_add(step).to_be_bytes())
    }

    fn add(&mut self, parent: Option<SpanId>, draft: Draft) -> SpanId {
        let id = self.next_id();
        let Draft { name, kind, from, to, attributes, status } = draft;
        let (events, links) = (SpanEvents::default(), SpanLinks::default());
        self.spans.push(SpanData {
            span_context: SpanContext::new(self.id, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: id == self.root && parent.is_some(),
            span_kind: kind,
            name: name.into(),
            start_time: time(from),
            end_time: time(to),
            attributes,
            dropped_attributes_count: 0,
            events,
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        });
        id
    }

    fn root(&mut self, job: &Job, ended: Timestamp) {
        let attempt = job.attempt();
        let mut draft = Draft::new("make video", job.created_at, ended)
            .with("filmgate.job.id", job.id)
            .with("filmgate.caller.id", job.caller)
            .with("filmgate.model", &job.spec.model)
            .with("filmgate.mode", job.spec.mode)
            .with("filmgate.asked", job.spec.shape)
            .with("filmgate.state", job.state)
            .with_some("filmgate.pool", attempt.map(|a| &a.pool))
            .with_some("filmgate.route", attempt.map(|a| a.route))
            .with_some("filmgate.sent", attempt.map(|a| a.sent))
            .with_some("filmgate.delivered", job.delivered.as_ref())
            .with_some("filmgate.verdict", job.verdict())
            .count("filmgate.attempts", job.attempts.len() as i64);
        // Its request was answered long before: it is work that somebody ordered.
        draft.kind = SpanKind::Consumer;
        if let Some(failure) = &job.failure {
            draft = draft.failed(&failure.code, &failure.message);
        }
        self.add(self.parent, draft);
    }

    fn choose(&mut self, attempt: &Attempt, since: Timestamp) {
        let reason = Some(&attempt.reason).filter(|reason| !reason.is_empty());
        let draft = Draft::new("choose", since, attempt.reserved_at)
            .with("filmgate.pool", &attempt.pool)
            .with("filmgate.route", attempt.route)
            .with("filmgate.token.id", attempt.token)
            .with_some("filmgate.reason", reason);
        self.add(Some(self.root), draft);
    }

    fn choose_in_vain(&mut self, job: &Job, since: Timestamp, ended: Timestamp) {
        let mut draft = Draft::new("choose", since, ended);
        if let Some(failure) = &job.failure {
            draft = draft.failed(&failure.code, &failure.message);
        }
        self.add(Some(self.root), draft);
    }

    fn attempt(&mut self, attempt: &Attempt, ended: Timestamp) {
        let settled = attempt.settled_at.unwrap_or(ended);
        let problem = attempt.outcome.filter(|outcome| *outcome != Outcome::Done);
        let words = attempt.error.as_deref().unwrap_or_default();
        let failed = |draft: Draft| match problem {
            Some(outcome) => draft.failed(outcome.as_str(), words),
            None => draft,
        };
        let draft = Draft::new("attempt", attempt.reserved_at, settled)
            .count("filmgate.attempt", attempt.n)
            .with("filmgate.pool", &attempt.pool)
            .with("filmgate.token.id", attempt.token)
            .with("filmgate.upstream", &attempt.upstream)
            .with("filmgate.upstream.model", &attempt.model)
            .with("filmgate.sent", attempt.sent)
            .with_some("filmgate.outcome", attempt.outcome)
            .count("filmgate.units", attempt.units)
            .with("filmgate.charged", attempt.charged);
        let this = self.add(Some(self.root), failed(draft));
        let Some(sent) = attempt.sent_at else { return };
        let call = |name, from, to| {
            let draft = Draft::new(name, from, to).with("filmgate.upstream", &attempt.upstream);
            Draft { kind: SpanKind::Client, ..draft }
        };
        let submit = call("submit", sent, attempt.answered_at.unwrap_or(settled));
        match (&attempt.upstream_id, attempt.answered_at) {
            (Some(video), Some(answered)) => {
                self.add(Some(this), submit);
                let poll = call("poll", answered, settled).with("filmgate.upstream.video_id", video);
                self.add(Some(this), failed(poll));
            }
            _ => drop(self.add(Some(this), failed(submit))),
        }
    }

    /// The bytes are measured as soon as they are there: that takes no time of its own.
    fn deliver(&mut self, job: &Job, since: Timestamp, ended: Timestamp) {
        let mut draft =
            Draft::new("deliver", since, ended).count("filmgate.failed_fetches", i64::from(job.fetches));
        if let Some(failure) = &job.failure {
            draft = draft.failed(&failure.code, &failure.message);
        }
        self.add(Some(self.root), draft);
        if let (Some(delivered), Some(span)) = (&job.delivered, self.spans.last_mut()) {
            let attributes = vec![
                KeyValue::new("filmgate.width", i64::from(delivered.width)),
                KeyValue::new("filmgate.height", i64::from(delivered.height)),
                KeyValue::new("filmgate.duration_ms", delivered.duration_ms as i64),
                KeyValue::new("filmgate.bytes", delivered.bytes as i64),
                KeyValue::new("filmgate.codec", delivered.codec.to_string()),
            ];
            span.events.events.push(Event::new("measured", time(ended), attributes, 0));
        }
    }
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests;

//! The trees that traces make of jobs.

use filmgate_domain::{
    AspectRatio, CallerId, Delivered, Fault, JobFailure, JobId, JobState, LostAnswer, Resolution, Route,
    Seconds, Shape, TokenId, VideoSpec,
};

use super::*;

const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + seconds * 1000)
}

fn job() -> Job {
    let seconds = Seconds::new(6).unwrap();
    let shape = Shape { resolution: Resolution::P720, seconds, aspect_ratio: AspectRatio::R16x9 };
    let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
    let id = "0193e5a2-7b1c-7def-8a90-1234567890ab".parse::<JobId>().unwrap();
    Job::new(id, CallerId(7), spec, [0; 32], (at(0), at(900)))
}

fn attempt(n: u32, reserved: i64) -> Attempt {
    Attempt {
        n,
        token: TokenId(i64::from(n)),
        pool: "ssoSuper".into(),
        upstream: "xai".into(),
        model: "grok".into(),
        route: Route::Upgrade,
        reason: "".into(),
        sent: job().spec.shape,
        units: 4,
        reserved_at: at(reserved),
        sent_at: Some(at(reserved + 1)),
        lost_answer: LostAnswer::GiveUp,
        lost_at: None,
        answered_at: Some(at(reserved + 2)),
        upstream_id: None,
        video_url: None,
        cost_ticks: None,
        outcome: None,
        error: None,
        settled_at: None,
        charged: false,
        slot_until: None,
    }
}

/// Refused once, then made, and delivered at another length.
fn completed() -> Job {
    let refused = Attempt {
        outcome: Some(Outcome::Refused),
        error: Some("401 go away".into()),
        settled_at: Some(at(12)),
        ..attempt(1, 10)
    };
    let made = Attempt {
        upstream_id: Some("up-1".into()),
        outcome: Some(Outcome::Done),
        settled_at: Some(at(50)),
        charged: true,
        reason: "ssoBasic: 2 tokens cooling".into(),
        ..attempt(2, 20)
    };
    let (codec, sha256) = ("h264".into(), "".into());
    let delivered = Delivered { width: 1280, height: 720, duration_ms: 3000, codec, bytes: 9, sha256 };
    Job {
        state: JobState::Completed,
        attempts: vec![refused, made],
        finished_at: Some(at(53)),
        delivered: Some(delivered),
        ..job()
    }
}

/// `parent > name from..to`, in seconds since the job was created, and `!` where the status is an error.
fn tree(spans: &[SpanData]) -> Vec<String> {
    let second = |at: SystemTime| at.duration_since(time(super::tests::at(0))).unwrap().as_secs();
    let name = |id: SpanId| spans.iter().find(|s| s.span_context.span_id() == id).map_or("", |s| &*s.name);
    let line = |span: &SpanData| {
        let bad = if matches!(span.status, Status::Error { .. }) { "!" } else { "" };
        let (parent, from, to) = (name(span.parent_span_id), second(span.start_time), second(span.end_time));
        format!("{parent} > {} {from}..{to}{bad}", span.name)
    };
    spans.iter().map(line).collect()
}

fn value(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|a| a.key.as_str() == key);
    found.map(|a| a.value.to_string()).unwrap_or_default()
}

#[test]
fn a_trace_is_the_whole_life_of_a_video() {
    let spans = of(&completed(), None);
    assert_eq!(
        tree(&spans),
        [
            " > make video 0..53",
            "make video > choose 0..10",
            "make video > attempt 10..12!",
            "attempt > submit 11..12!",
            "make video > choose 12..20",
            "make video > attempt 20..50",
            "attempt > submit 21..22",
            "attempt > poll 22..50",
            "make video > deliver 50..53",
        ]
    );
    let root = &spans[0];
    assert_eq!(root.span_context.trace_id().to_string(), job().id.simple());
    assert_eq!(value(root, "filmgate.asked"), job().spec.shape.to_string());
    assert_eq!(value(root, "filmgate.verdict"), "downgraded");
    assert_eq!(value(root, "filmgate.route"), "upgrade");
    assert_eq!(value(&spans[2], "filmgate.token.id"), "tok_1");
    assert_eq!(value(&spans[2], "error.type"), "refused");
    assert_eq!(value(&spans[1], "filmgate.reason"), "", "no other pool was passed over");
    assert_eq!(value(&spans[4], "filmgate.reason"), "ssoBasic: 2 tokens cooling");
    assert_eq!(spans[8].events[0].name, "measured");
    let ids: std::collections::HashSet<_> = spans.iter().map(|s| s.span_context.span_id()).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    assert_eq!(of(&completed(), None), spans, "exported again, it is the same trace");
    assert!(!format!("{spans:?}").contains("red fox"), "no trace holds a prompt");
}

#[test]
fn a_trace_joins_that_of_the_client() {
    let spans = of(&completed(), Some(CLIENT));
    let root = &spans[0];
    assert_eq!(root.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(root.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(root.parent_span_is_remote && !spans[1].parent_span_is_remote);
    assert!(spans.iter().all(|s| s.span_context.trace_id() == root.span_context.trace_id()));
}

#[test]
fn what_the_client_does_not_record_is_not_exported() {
    assert!(of(&completed(), Some(&CLIENT.replace("-01", "-00"))).is_empty());
}

#[test]
fn nonsense_in_the_header_is_left_aside() {
    for nonsense in ["", "00-0-0-01", &CLIENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32))] {
        assert_eq!(of(&completed(), Some(nonsense)), of(&completed(), None), "{nonsense}");
    }
}

#[test]
fn a_video_that_never_got_a_token_waited_in_vain() {
    let failure = JobFailure::new("no_token_available", Fault::Gateway, "ask later");
    let (state, finished_at) = (JobState::Failed, Some(at(30)));
    let spans = of(&Job { state, failure: Some(failure), finished_at, ..job() }, None);
    assert_eq!(tree(&spans), [" > make video 0..30!", "make video > choose 0..30!"]);
    assert_eq!(spans[0].status, Status::error("ask later"));
    assert_eq!(value(&spans[0], "error.type"), "no_token_available");
}

#[test]
fn an_answer_that_never_came_ends_the_submission_in_error() {
    let unknown = Attempt {
        answered_at: None,
        outcome: Some(Outcome::Unknown),
        settled_at: Some(at(70)),
        ..attempt(1, 0)
    };
    let failure = Some(JobFailure::outcome_unknown("no answer"));
    let finished_at = Some(at(70));
    let spans =
        of(&Job { state: JobState::Failed, attempts: vec![unknown], failure, finished_at, ..job() }, None);
    let expected = [
        " > make video 0..70!",
        "make video > choose 0..0",
        "make video > attempt 0..70!",
        "attempt > submit 1..70!",
    ];
    assert_eq!(tree(&spans), expected);
}

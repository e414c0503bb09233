//! Every fault that is played, at every stage at which it makes sense.

use super::meddler::{Deed, Play, Stage};
use super::mp4;

/// A table of `docs/faults.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Connect,
    Submit,
    /// Submissions to an upstream that takes an idempotency key.
    Repeat,
    /// Submissions to an upstream that lists its videos.
    LookUp,
    Poll,
    Fetch,
}

impl Section {
    /// Its heading in the page.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Section::Connect => "Connecting",
            Section::Submit => "Submitting",
            Section::Repeat => "Submitting, with `lost_answer = \"repeat\"`",
            Section::LookUp => "Submitting, with `lost_answer = \"look_up\"`",
            Section::Poll => "Polling",
            Section::Fetch => "Fetching",
        }
    }

    /// Every fault that is played there, in the order of the page.
    pub(crate) fn faults(self) -> Vec<Fault> {
        match self {
            Section::Connect => connect().into_iter().map(Fault::always).collect(),
            Section::Submit => submit(),
            Section::Repeat => lost(true),
            Section::LookUp => lost(false),
            Section::Poll => {
                both(Stage::Poll, answers(TWO_SECONDS).into_iter().chain(wire()).chain(states()))
            }
            Section::Fetch => {
                both(Stage::Fetch, answers(TWO_SECONDS).into_iter().chain(wire()).chain(files()))
            }
        }
    }
}

/// One fault, once or always.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) always: bool,
    /// `None` where no meddler is reached.
    pub(crate) play: Option<Play>,
}

impl Fault {
    fn always(name: &str) -> Self {
        Self { name: name.to_owned(), always: true, play: None }
    }

    fn played(name: &str, stage: Stage, always: bool, script: Vec<Deed>, passed_on: bool) -> Self {
        let play = Play { stage, script, always, passed_on };
        Self { name: name.to_owned(), always, play: Some(play) }
    }

    /// As the page has it.
    pub(crate) fn how_often(&self) -> &'static str {
        if self.always { "always" } else { "once" }
    }
}

type Kind = (&'static str, Vec<Deed>);

/// What the upstream says in each answer that has words.
pub(crate) const WORDS: &str = "the zebra crossing is closed";

fn status(status: u16) -> Deed {
    more(status, "")
}

/// An answer that quotes the credential, as careless servers do.
fn more(status: u16, headers: &'static str) -> Deed {
    let body = format!(r#"{{"error":{{"message":"{WORDS} to {{token}}","code":"closed"}}}}"#);
    Deed::Answer(status, headers, body)
}

/// How long the upstream wants to be left alone, in seconds and as a date by its own clock.
type Pauses = [&'static str; 2];

const TWENTY_MINUTES: Pauses = [
    "retry-after: 1200\r\n",
    "date: Sun, 06 Nov 2005 08:30:00 GMT\r\nretry-after: Sun, 06 Nov 2005 08:50:00 GMT\r\n",
];

const TWO_SECONDS: Pauses = [
    "retry-after: 2\r\n",
    "date: Sun, 06 Nov 2005 08:30:00 GMT\r\nretry-after: Sun, 06 Nov 2005 08:30:02 GMT\r\n",
];

fn connect() -> [&'static str; 6] {
    ["refused", "time-out", "reset", "closed at once", "no TLS", "no such name"]
}

/// Answers that are no good.
fn answers([seconds, date]: Pauses) -> Vec<Kind> {
    vec![
        ("400", vec![status(400)]),
        ("401", vec![status(401)]),
        ("403", vec![status(403)]),
        ("404", vec![status(404)]),
        ("408", vec![status(408)]),
        ("409", vec![status(409)]),
        ("422", vec![status(422)]),
        ("429", vec![status(429)]),
        ("429, Retry-After in seconds", vec![more(429, seconds)]),
        ("429, Retry-After as a date", vec![more(429, date)]),
        ("500", vec![status(500)]),
        (
            "502",
            vec![Deed::Answer(502, "", format!("<html><title>{WORDS}</title><h1>Bad gateway</h1></html>"))],
        ),
        ("503", vec![status(503)]),
        ("503, Retry-After in seconds", vec![more(503, seconds)]),
        ("empty body", vec![Deed::Answer(200, "", String::new())]),
        ("wrong JSON", vec![Deed::Answer(200, "", format!(r#"{{"message":"{WORDS}","items":[null]}}"#))]),
        ("HTML page", vec![Deed::Answer(200, "", format!("<!doctype html><title>{WORDS}</title><p>Log in"))]),
        ("huge body", vec![Deed::Answer(200, "", format!("[{}]", "[],".repeat(1 << 20)))]),
        ("redirect", vec![Deed::Answer(307, "location: http://{addr}/elsewhere\r\n", String::new())]),
        (
            "redirect inside",
            vec![Deed::Answer(302, "location: http://169.254.169.254/latest\r\n", String::new())],
        ),
    ]
}

/// What goes wrong on the wire.
fn wire() -> Vec<Kind> {
    let head = "HTTP/1.1 200 OK\r\n";
    vec![
        ("reset", vec![Deed::Reset]),
        ("time-out", vec![Deed::Hang]),
        ("slow body", vec![Deed::Drip("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")]),
        ("body cut off", vec![Deed::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec())]),
        ("endless body", vec![Deed::Flood("HTTP/1.1 200 OK\r\n\r\n", vec![b'['; 1 << 16])]),
        ("endless headers", vec![Deed::Flood(head, b"x-more: and more\r\n".repeat(1 << 10))]),
        (
            "endless interim answers",
            vec![Deed::Flood("", b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1 << 8))],
        ),
        ("no HTTP", vec![Deed::Raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec())]),
    ]
}

fn ids() -> Vec<Kind> {
    vec![
        ("wrong id", vec![Deed::Answer(200, "", r#"{"request_id":".."}"#.to_owned())]),
        ("another job's id", vec![Deed::Answer(200, "", r#"{"request_id":"{other}"}"#.to_owned())]),
    ]
}

fn submit() -> Vec<Fault> {
    let mut all = Vec::new();
    for (name, script) in answers(TWENTY_MINUTES).into_iter().chain(wire()).chain(ids()) {
        // Where it may have been taken, it was.
        let refused = matches!(script[0], Deed::Answer(300..=407 | 410..=499, ..));
        let throttled = ["401", "403", "429"].iter().any(|status| name.starts_with(status));
        if throttled {
            all.push(Fault::played(name, Stage::Submit, false, script.clone(), false));
        }
        all.push(Fault::played(name, Stage::Submit, true, script, !refused));
    }
    all
}

/// Answers that get lost, where that can be found out; whether the upstream took the submission or not.
fn lost(repeat: bool) -> Vec<Fault> {
    let open = ["408", "409", "500", "502", "503", "empty", "wrong JSON", "HTML", "huge"];
    let answers =
        answers(TWO_SECONDS).into_iter().filter(|(name, _)| open.iter().any(|word| name.starts_with(word)));
    // Whose id is whose, the meddler only knows in xAI's dialect.
    let ids = ids().into_iter().take(if repeat { 2 } else { 1 });
    let mut all = Vec::new();
    for (name, script) in answers.chain(wire()).chain(ids) {
        let word = if repeat { "request_id" } else { "id" };
        let script: Vec<Deed> = script.into_iter().map(|deed| renamed(deed, word)).collect();
        for passed_on in [true, false] {
            let name = format!("{name}, {}", if passed_on { "taken" } else { "not taken" });
            all.push(Fault::played(&name, Stage::Submit, false, script.clone(), passed_on));
        }
    }
    if repeat {
        for then in [400, 401, 429] {
            let (name, script) = (format!("reset, then {then}"), vec![Deed::Reset, status(then)]);
            all.push(Fault::played(&name, Stage::Submit, false, script, true));
        }
        let used = Deed::Answer(422, "", r#"{"error":"the idempotency key was used before"}"#.to_owned());
        let script = vec![Deed::Reset, used];
        all.push(Fault::played("reset, then 422 about the key", Stage::Submit, false, script, true));
    }
    all
}

fn renamed(deed: Deed, word: &str) -> Deed {
    match deed {
        Deed::Answer(status, headers, body) => {
            Deed::Answer(status, headers, body.replace("request_id", word))
        }
        deed => deed,
    }
}

fn pending(progress: u8) -> Deed {
    Deed::Answer(202, "", format!(r#"{{"status":"pending","progress":{progress}}}"#))
}

fn done(file: &str) -> Deed {
    let body = r#"{"status":"done","video":{"url":"http://{addr}/files/FILE.mp4"}}"#.replace("FILE", file);
    Deed::Answer(200, "", body)
}

/// Answers to a poll that make sense by themselves, but not after the one before.
fn states() -> Vec<Kind> {
    let failed = Deed::Answer(200, "", format!(r#"{{"status":"failed","error":"{WORDS}"}}"#));
    let early = || done("00000000-0000-0000-0000-000000000000");
    vec![
        ("failed", vec![failed.clone()]),
        ("expired", vec![Deed::Answer(200, "", r#"{"status":"expired"}"#.to_owned())]),
        ("unknown state", vec![Deed::Answer(200, "", r#"{"status":"dreaming"}"#.to_owned())]),
        ("done without a file", vec![Deed::Answer(200, "", r#"{"status":"done"}"#.to_owned())]),
        ("progress backwards", vec![pending(80), pending(10), pending(250)]),
        ("done, then pending", vec![early(), pending(10)]),
        ("done, then failed", vec![early(), failed]),
        ("another job's video", vec![done("{other}")]),
    ]
}

/// Files that are no good.
fn files() -> Vec<Kind> {
    vec![
        ("redirects without end", vec![Deed::Answer(302, "location: #\r\n", String::new())]),
        (
            "too large, and says so",
            vec![Deed::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec())],
        ),
        ("another job's video", vec![Deed::OthersFile]),
        ("cut-off MP4", vec![Deed::Spoil(mp4::cut_off)]),
        ("MP4 bomb: a part of 2^62 bytes", vec![Deed::Spoil(mp4::endless_part)]),
        ("MP4 bomb: a million parts", vec![Deed::Spoil(mp4::many_parts)]),
        ("MP4 bomb: an index of 17 MiB", vec![Deed::Spoil(mp4::large_index)]),
        ("MP4 bomb: four billion frames", vec![Deed::Spoil(mp4::many_frames)]),
        ("MP4 bomb: a picture of a century", vec![Deed::Spoil(mp4::long_frames)]),
    ]
}

fn both(stage: Stage, kinds: impl IntoIterator<Item = Kind>) -> Vec<Fault> {
    let mut all = Vec::new();
    for (name, script) in kinds {
        let sequence = script.len() > 1;
        all.push(Fault::played(name, stage, false, script.clone(), false));
        // What has an end ends by itself; a sequence is one already.
        if !sequence {
            all.push(Fault::played(name, stage, true, script, false));
        }
    }
    // A file that is changed has to be there.
    for play in all.iter_mut().filter_map(|fault| fault.play.as_mut()) {
        play.passed_on = matches!(play.script[0], Deed::Spoil(_));
    }
    all
}

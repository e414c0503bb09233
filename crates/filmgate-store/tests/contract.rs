//! What every store has to keep, as small stories told through the public API.
//!
//! Each story runs on every database that [`stores`] gives. A second database joins by adding a line there.

#[path = "contract/accounts.rs"]
mod accounts;
#[path = "contract/answers.rs"]
mod answers;
#[path = "contract/attempts.rs"]
mod attempts;
#[path = "contract/callers.rs"]
mod callers;
#[path = "contract/durability.rs"]
mod durability;
#[path = "contract/jobs.rs"]
mod jobs;
#[path = "contract/minutes.rs"]
mod minutes;
#[path = "contract/rotation.rs"]
mod rotation;
#[path = "contract/tokens.rs"]
mod tokens;
#[path = "contract/webhooks.rs"]
mod webhooks;

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{Added, MasterKey, Store};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A place for a database of some kind, empty at first.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    key: MasterKey,
}

impl Place {
    /// A SQLite file.
    fn sqlite() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), key: MasterKey::generate() }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.directory.path().join("filmgate.db"), &self.key).unwrap()
    }

    /// The place as it would be found had the process been killed just now.
    pub(crate) fn as_after_a_kill(&self) -> Self {
        let copy = tempfile::tempdir().unwrap();
        for name in ["filmgate.db", "filmgate.db-wal"] {
            let from = self.directory.path().join(name);
            if from.exists() {
                std::fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        Self { directory: copy, key: self.key.clone() }
    }
}

/// Every database that the stories run on.
pub(crate) fn stores() -> Vec<Place> {
    vec![Place::sqlite()]
}

/// A moment, `seconds` after the stories begin.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000) + Duration::from_secs(seconds)
}

/// A caller and a token to admit jobs with.
pub(crate) async fn people(store: &Store) -> (CallerId, TokenId) {
    let caller = store.add_caller("default", at(0)).await.unwrap();
    (caller, token(store, "ssoBasic", "the-first-token").await)
}

/// A new token in the store.
pub(crate) async fn token(store: &Store, pool: &str, secret: &str) -> TokenId {
    let info = TokenInfo::new(TokenId(0), pool, Secret::new(secret), at(0));
    match store.add_tokens(vec![info]).await.unwrap()[..] {
        [Added::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

pub(crate) fn shape(resolution: Resolution) -> Shape {
    Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 }
}

/// A job without an attempt, created at `created_at`; the seed makes its id.
pub(crate) fn queued(caller: CallerId, created_at: Timestamp, seed: u64) -> Job {
    let id = JobId::new(created_at, &mut StdRng::seed_from_u64(seed));
    let shape = shape(Resolution::P480);
    let spec = VideoSpec::new("grok-imagine-video", "a red fox in the snow", shape).unwrap();
    let deadline = created_at + Duration::from_secs(900);
    Job::new(id, caller, spec, [seed as u8; 32], (created_at, deadline))
}

/// A fresh attempt: an open reservation.
pub(crate) fn reserved(n: u32, token: TokenId, reserved_at: Timestamp) -> Attempt {
    Attempt {
        n,
        token,
        pool: "ssoBasic".into(),
        upstream: "xai".into(),
        model: "grok-imagine-video".into(),
        route: Route::Primary,
        reason: "".into(),
        sent: shape(Resolution::P480),
        units: 4,
        reserved_at,
        sent_at: None,
        lost_answer: LostAnswer::LookUp,
        lost_at: None,
        answered_at: None,
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

/// A job with one open attempt, as it is when its client gets an answer.
pub(crate) fn admitted(caller: CallerId, token: TokenId, now: Timestamp, seed: u64) -> Job {
    let mut job = queued(caller, now, seed);
    happen(&mut job, Event::Reserved(Box::new(reserved(1, token, now))), now);
    job
}

/// Lets something happen to the job, by the domain's own rules.
pub(crate) fn happen(job: &mut Job, event: Event, now: Timestamp) {
    let _effects = step(job, event, now, &Rules::default()).expect("it concerns the job");
}

/// A job that has gone all the way.
pub(crate) fn completed(caller: CallerId, token: TokenId, now: Timestamp, seed: u64) -> Job {
    let mut job = delivering(caller, token, now, seed);
    happen(&mut job, Event::Fetched(file(1000)), now);
    job
}

/// A job whose video is made and not fetched yet: its attempt is settled.
pub(crate) fn delivering(caller: CallerId, token: TokenId, now: Timestamp, seed: u64) -> Job {
    let mut job = admitted(caller, token, now, seed);
    happen(&mut job, Event::Sending, now);
    happen(&mut job, Event::Accepted { upstream_id: "up-1".into() }, now);
    let url = "https://vidgen.example/1.mp4".into();
    happen(&mut job, Event::Polled(Polled::Done { url, cost_ticks: Some(3_000_000_000) }), now);
    job
}

/// A job that ended without a file and without an attempt.
pub(crate) fn failed(caller: CallerId, now: Timestamp, seed: u64) -> Job {
    let mut job = queued(caller, now, seed);
    happen(&mut job, Event::Cancelled, now);
    job
}

pub(crate) fn file(bytes: u64) -> Delivered {
    Delivered {
        width: 752,
        height: 416,
        duration_ms: 6042,
        codec: "h264".into(),
        bytes,
        sha256: "ab".repeat(32).into(),
    }
}

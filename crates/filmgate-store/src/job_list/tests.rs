//! Lists against the plan that SQLite makes, and against a list that is filtered by hand.

use filmgate_domain::*;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;
use crate::{Added, MasterKey};

fn reader() -> (tempfile::TempDir, Db) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("filmgate.db");
    drop(Store::open(&path, &MasterKey::generate()).unwrap());
    let db = Db::reader(&path).unwrap();
    (directory, db)
}

#[test]
fn lists_go_along_an_index() {
    let (_directory, db) = reader();
    let after = Some(JobId::from_bytes([1; 16]));
    let plan = |filter: JobFilter| {
        let filter = JobFilter { after, ..filter };
        db.plan(&Plan::new(&filter, &filter.bounds()).select(1).0)[0].clone()
    };
    let (caller, any) = (Some(CallerId(1)), JobFilter::default());
    let by_id = "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id<?)";
    let by_caller = "SEARCH jobs USING INDEX jobs_by_caller (caller=? AND id<?)";
    let failed = "SEARCH jobs USING INDEX jobs_failed (id<?)";
    assert_eq!(plan(any.clone()), by_id);
    assert_eq!(plan(JobFilter { caller, ..any.clone() }), by_caller);
    let state = Some(JobState::Failed);
    assert_eq!(plan(JobFilter { state, ..any.clone() }), failed);
    assert_eq!(plan(JobFilter { state, caller, ..any.clone() }), failed);
    let running = plan(JobFilter { state: Some(JobState::Running), ..any.clone() });
    assert_eq!(running, "SEARCH jobs USING INDEX jobs_unfinished (id<?)");
    let state = Some(JobState::Completed);
    assert_eq!(plan(JobFilter { state, ..any.clone() }), by_id);
    assert_eq!(plan(JobFilter { state, caller, ..any.clone() }), by_caller);
    let odd = JobFilter { pool: Some("p".into()), verdict: Some(Verdict::Downgraded), ..any.clone() };
    assert_eq!(plan(odd.clone()), by_id);
    let from = Some(Timestamp::from_millis(7));
    assert_eq!(plan(JobFilter { from, to: from, ..odd }), by_id.replace("(id<?)", "(id>? AND id<?)"));
}

#[test]
fn how_far_to_look_is_told_by_the_index_alone() {
    let (_directory, db) = reader();
    let plan = |filter: JobFilter| db.plan(&Plan::new(&filter, &filter.bounds()).last_of(9).0)[0].clone();
    let any = JobFilter { pool: Some("p".into()), ..JobFilter::default() };
    assert_eq!(plan(any.clone()), "SCAN jobs USING COVERING INDEX sqlite_autoindex_jobs_1");
    let caller = plan(JobFilter { caller: Some(CallerId(1)), ..any.clone() });
    assert_eq!(caller, "SEARCH jobs USING COVERING INDEX jobs_by_caller (caller=?)");
    let failed = plan(JobFilter { state: Some(JobState::Failed), ..any });
    assert_eq!(failed, "SCAN jobs USING COVERING INDEX jobs_failed");
}

#[test]
fn the_first_id_of_a_moment_is_not_larger_than_any_of_it() {
    let at = Timestamp::from_millis(1_764_000_000_123);
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        assert!(JobId::new(at - std::time::Duration::from_millis(1), &mut rng) < first_of(at));
        assert!(first_of(at) <= JobId::new(at, &mut rng));
    }
}

#[test]
fn of_two_limits_the_narrower_one_counts() {
    let at = |millis| Some(Timestamp::from_millis(millis));
    let id = |millis| first_of(Timestamp::from_millis(millis));
    let filter = JobFilter { from: at(10), to: at(20), ..JobFilter::default() };
    let bounds = |after, ascending| {
        let Bounds { lower, upper } =
            JobFilter { after: Some(id(after)), ascending, ..filter.clone() }.bounds();
        (lower.unwrap(), upper.unwrap())
    };
    assert_eq!(bounds(15, false), (id(10), id(15)));
    assert_eq!(bounds(25, false), (id(10), id(20)));
    assert_eq!(bounds(15, true), (successor(id(15)), id(20)));
    assert_eq!(bounds(5, true), (id(10), id(20)));
}

const POOLS: [&str; 2] = ["ssoBasic", "ssoSuper"];

/// So many jobs of two callers, of all kinds, a second apart.
async fn some_jobs(store: &Store, jobs: usize) -> Vec<Job> {
    let at = |seconds: usize| Timestamp::from_millis(1_764_000_000_000 + seconds as i64 * 1000);
    let mut callers = Vec::new();
    for name in ["one", "two"] {
        callers.push(store.add_caller(name, at(0)).await.unwrap());
    }
    let info = TokenInfo::new(TokenId(0), POOLS[0], Secret::new("secret"), at(0));
    let [Added::New(token)] = store.add_tokens(vec![info]).await.unwrap()[..] else { panic!() };
    let mut rng = StdRng::seed_from_u64(4);
    let mut all = Vec::new();
    for nth in 0..jobs {
        let resolution = Resolution::ALL[rng.random_range(0..2)];
        let shape = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
        let spec = VideoSpec::new("m", "a fox", shape).unwrap();
        let caller = callers[rng.random_range(0..2)];
        let mut job =
            Job::new(JobId::new(at(nth), &mut rng), caller, spec, [0; 32], (at(nth), at(nth + 900)));
        go_on(&mut job, token, at(nth), &mut rng);
        if job.state.is_final() && rng.random_bool(0.1) {
            job.deleted_at = Some(at(nth));
        }
        store.admit(&job).await.unwrap();
        all.push(job);
    }
    all
}

/// Lets a job go as far as chance has it.
fn go_on(job: &mut Job, token: TokenId, now: Timestamp, rng: &mut StdRng) {
    let shape = job.spec.shape;
    let refused = || Failure {
        cause: Cause::RateLimited,
        certainty: Certainty::Refused,
        status: Some(429),
        retry_after: None,
        message: String::new(),
    };
    let file = Delivered {
        width: 752,
        height: 416,
        duration_ms: 6000,
        codec: "h264".into(),
        bytes: 1,
        sha256: "".into(),
    };
    let mut attempt = |n| {
        let route = [Route::Primary, Route::Upgrade, Route::Fallback][rng.random_range(0..3)];
        let pool = POOLS[rng.random_range(0..2)];
        Event::Reserved(Box::new(attempt(n, token, (pool, route), shape, now)))
    };
    let life = [
        attempt(1),
        Event::Sending,
        Event::SubmitFailed(refused()),
        attempt(2),
        Event::Sending,
        Event::Accepted { upstream_id: "up".into() },
        Event::Polled(Polled::Done { url: "https://vidgen.example/1".into(), cost_ticks: None }),
        Event::Fetched(file),
    ];
    // Most get to the end.
    for event in life.into_iter().take(rng.random_range(0..20)) {
        let _ = step(job, event, now, &Rules::default()).unwrap();
    }
    if rng.random_bool(0.2) && !job.state.is_final() {
        let _ = step(job, Event::Cancelled, now, &Rules::default()).unwrap();
    }
}

fn attempt(n: u32, token: TokenId, (pool, route): (&str, Route), sent: Shape, now: Timestamp) -> Attempt {
    Attempt {
        n,
        token,
        pool: pool.into(),
        upstream: "xai".into(),
        model: "m".into(),
        route,
        reason: "".into(),
        sent,
        units: 4,
        reserved_at: now,
        sent_at: None,
        lost_answer: LostAnswer::GiveUp,
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

/// Filters of all kinds.
fn filters(jobs: &[Job], rng: &mut StdRng) -> Vec<JobFilter> {
    let mut any = |mut odds: f64| {
        odds *= 0.5;
        rng.random_bool(odds).then(|| rng.next_u32() as usize)
    };
    let one = |filter: &mut dyn FnMut(f64) -> Option<usize>| JobFilter {
        caller: filter(0.6).map(|n| jobs[n % jobs.len()].caller),
        state: filter(0.8).map(|n| JobState::ALL[n % 7]),
        pool: filter(0.8).map(|n| POOLS[n % 2].into()),
        route: filter(0.8).map(|n| [Route::Primary, Route::Upgrade, Route::Fallback][n % 3]),
        verdict: filter(0.8).map(|n| [Verdict::AsAsked, Verdict::Downgraded][n % 2]),
        from: filter(0.8).map(|n| jobs[n % jobs.len()].created_at),
        to: filter(0.8).map(|n| jobs[n % jobs.len()].created_at),
        after: filter(0.5).map(|n| jobs[n % jobs.len()].id),
        limit: 5,
        ascending: filter(1.0).is_some(),
        deleted: filter(0.3).is_some(),
    };
    (0..300).map(|_| one(&mut any)).collect()
}

/// What a filter means, in other words than those of the database.
fn fits(filter: &JobFilter, job: &Job) -> bool {
    let last = job.attempts.last();
    filter.caller.is_none_or(|caller| job.caller == caller)
        && filter.state.is_none_or(|state| job.state == state)
        && filter.pool.as_ref().is_none_or(|pool| last.is_some_and(|last| last.pool == *pool))
        && filter.route.is_none_or(|route| last.is_some_and(|last| last.route == route))
        && filter.verdict.is_none_or(|verdict| job.verdict() == Some(verdict))
        && filter.from.is_none_or(|from| job.created_at >= from)
        && filter.to.is_none_or(|to| job.created_at < to)
        && filter.after.is_none_or(|after| if filter.ascending { job.id > after } else { job.id < after })
        && (filter.deleted || job.deleted_at.is_none())
}

#[tokio::test]
async fn pages_together_are_what_a_filter_means_however_few_jobs_are_looked_at_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("filmgate.db");
    let store = Store::open(&path, &MasterKey::generate()).unwrap();
    let jobs = some_jobs(&store, 200).await;
    let db = Db::reader(&path).unwrap();
    let mut found_some = 0;
    for filter in filters(&jobs, &mut StdRng::seed_from_u64(5)) {
        let mut expected: Vec<&Job> = jobs.iter().filter(|job| fits(&filter, job)).collect();
        if !filter.ascending {
            expected.reverse();
        }
        found_some += usize::from(expected.len() > 5);
        let (mut found, mut paged, mut pages) = (Vec::new(), filter.clone(), 0);
        loop {
            let JobPage { jobs, next } = page(&db, &paged, 17).unwrap();
            assert!(jobs.len() <= 5, "{filter:?}");
            found.extend(jobs);
            pages += 1;
            let Some(next) = next else { break };
            paged.after = Some(next);
        }
        assert!(pages <= 2 + jobs.len() / 17 + expected.len() / 5, "{pages} pages: {filter:?}");
        assert!(found.iter().eq(expected.iter().copied()), "{filter:?}");

        let whole = store.count_jobs(&filter, 1000).await.unwrap();
        assert_eq!(whole, JobCount { jobs: expected.len() as u64, all: true }, "{filter:?}");
        let first = store.jobs(&filter).await.unwrap();
        assert!(first.iter().eq(expected.iter().copied().take(5)), "{filter:?}");
    }
    assert!(found_some > 50, "{found_some} of the filters find more than a page");
    let any = JobFilter { deleted: true, ..JobFilter::default() };
    assert_eq!(store.count_jobs(&any, 50).await.unwrap(), JobCount { jobs: 50, all: false });
}

//! What callers may use: each limit alone, all from many threads, and what comes back.

use std::thread;

use super::*;

const ME: CallerId = CallerId(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + seconds * 1000)
}

fn limited(change: impl FnOnce(&mut CallerLimits)) -> Limits {
    let limits = Limits::default();
    let mut allowed = CallerLimits::default();
    change(&mut allowed);
    limits.set(ME, allowed);
    limits
}

fn in_use(limits: &Limits, now: Timestamp) -> CallerUse {
    limits.in_use(now)[&ME]
}

fn admitted(limits: &Limits, now: Timestamp) -> Pass {
    let mut pass = limits.pass(ME, now).unwrap();
    pass.admitted();
    pass
}

/// A pass, or which limit is reached and when to ask again.
fn refusal(limits: &Limits, now: Timestamp) -> (Limited, Option<Timestamp>) {
    let reached = limits.pass(ME, now).err().unwrap();
    (reached.limited, reached.again_at)
}

#[test]
fn unfinished_videos_are_counted_until_they_end() {
    let limits = limited(|allowed| allowed.max_in_flight = Some(2));
    let first = admitted(&limits, at(0));
    let _second = admitted(&limits, at(0));
    assert_eq!(refusal(&limits, at(1)), (Limited::InFlight, None));
    drop(first);
    let third = limits.pass(ME, at(1));
    assert!(third.is_ok());
    drop(limits.pass(CallerId(2), at(1)).expect("another caller has no limit"));
}

#[test]
fn requests_count_for_a_minute_whatever_becomes_of_their_videos() {
    let limits = limited(|allowed| allowed.requests_per_minute = Some(2));
    drop(admitted(&limits, at(0)));
    drop(admitted(&limits, at(20)));
    assert_eq!(refusal(&limits, at(30)), (Limited::Requests, Some(at(61))));
    assert_eq!(refusal(&limits, at(60)), (Limited::Requests, Some(at(61))));
    drop(admitted(&limits, at(61)));
    assert_eq!(refusal(&limits, at(61)), (Limited::Requests, Some(at(81))));
}

#[test]
fn what_is_not_admitted_does_not_count() {
    let limits = limited(|allowed| {
        allowed.requests_per_minute = Some(1);
        allowed.max_in_flight = Some(1);
        allowed.units_per_day = Some(4);
    });
    for _ in 0..3 {
        let mut pass = limits.pass(ME, at(0)).unwrap();
        pass.reserve(4, at(0)).unwrap();
    }
    assert_eq!(in_use(&limits, at(0)), CallerUse::default());
}

#[test]
fn units_are_reserved_spent_and_come_back_after_a_day() {
    let limits = limited(|allowed| allowed.units_per_day = Some(10));
    let mut first = admitted(&limits, at(0));
    first.reserve(8, at(0)).unwrap();
    let mut second = admitted(&limits, at(0));
    let reached = second.reserve(4, at(0)).unwrap_err();
    assert_eq!((reached.used, reached.wanted, reached.again_at), (8, 4, None));
    assert_eq!(
        reached.to_string(),
        "this key may use 10 units in 24 hours (units_per_day); 8 are used or reserved, and this video costs 4; \
         ask again later, or have the operator raise the limit"
    );
    second.reserve(2, at(0)).unwrap();

    let open = job(8, None);
    first.note(&open, &job(8, Some(true)), at(100));
    drop(first);
    second.note(&job(2, None), &job(2, Some(false)), at(100));
    drop(second);
    assert_eq!(in_use(&limits, at(100)), CallerUse { spent: 8, requests: 0, in_flight: 0, reserved: 0 });
    let mut third = admitted(&limits, at(100));
    let reached = third.reserve(3, at(100)).unwrap_err();
    let again = reached.again_at.unwrap();
    assert!(again > at(100 + 86_400) && again <= at(100 + 86_400 + 300), "{again}");
    assert!(third.reserve(3, again - std::time::Duration::from_millis(1)).is_err());
    third.reserve(3, again).unwrap();
    let reached = admitted(&limits, again).reserve(11, again).unwrap_err();
    assert_eq!(reached.again_at, None, "that never fits");
    assert!(reached.to_string().contains("this video costs 11 units"), "{reached}");
}

#[test]
fn a_second_try_holds_what_the_first_one_held_until_it_has_a_token() {
    let limits = limited(|allowed| allowed.units_per_day = Some(10));
    let mut pass = admitted(&limits, at(0));
    pass.reserve(4, at(0)).unwrap();
    let refused = job(4, Some(false));
    pass.note(&job(4, None), &refused, at(1));
    assert_eq!(in_use(&limits, at(1)).reserved, 4);
    let mut again = refused.clone();
    again.attempts.push(attempt(7, None));
    pass.note(&refused, &again, at(2));
    assert_eq!(in_use(&limits, at(2)).reserved, 7);
    drop(pass);
    assert_eq!(in_use(&limits, at(2)).reserved, 0);
}

#[test]
fn a_lower_limit_takes_nothing_away_and_lets_nothing_in() {
    let limits = Limits::default();
    let passes: Vec<_> = (0..5).map(|_| admitted(&limits, at(0))).collect();
    limits.set(ME, CallerLimits { max_in_flight: Some(3), ..CallerLimits::default() });
    assert_eq!(in_use(&limits, at(0)).in_flight, 5);
    let mut passes = passes.into_iter();
    passes.by_ref().take(2).for_each(drop);
    assert_eq!(refusal(&limits, at(0)).0, Limited::InFlight);
    passes.by_ref().take(1).for_each(drop);
    assert!(limits.pass(ME, at(0)).is_ok());
}

#[test]
fn a_restart_forgets_nothing() {
    let limits = limited(|allowed| allowed.units_per_day = Some(10));
    let mut running = job(4, None);
    running.created_at = at(0);
    limits.restore_spent(ME, at(-3600), 5, at(10));
    limits.restore_request(&running, at(10));
    let pass = limits.restore(ME, 4);
    let all = CallerUse { in_flight: 1, requests: 1, reserved: 4, spent: 5 };
    assert_eq!(in_use(&limits, at(10)), all);
    assert!(limits.pass(ME, at(10)).unwrap().reserve(2, at(10)).is_err());
    drop(pass);
    let after = CallerUse { in_flight: 0, reserved: 0, ..all };
    assert_eq!(in_use(&limits, at(10)), after);
}

#[test]
fn many_threads_never_get_more_than_there_is() {
    let limits = limited(|allowed| {
        allowed.max_in_flight = Some(50);
        allowed.requests_per_minute = Some(40);
        allowed.units_per_day = Some(100);
    });
    let ask = || {
        let mut pass = limits.pass(ME, at(0)).ok()?;
        pass.reserve(4, at(0)).ok()?;
        pass.admitted();
        Some(pass)
    };
    let got: Vec<Pass> = thread::scope(|scope| {
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    // A refused request holds its place for a moment: fewer may get in than there is room for, never more.
    assert!(got.len() <= 25, "{}", got.len());
    let used = in_use(&limits, at(0));
    let count = got.len() as u64;
    assert_eq!(used, CallerUse { in_flight: count, requests: count, reserved: 4 * count, spent: 0 });
    drop(got);
    assert_eq!(in_use(&limits, at(0)), CallerUse { requests: count, ..CallerUse::default() });
}

fn attempt(units: u32, charged: Option<bool>) -> filmgate_domain::Attempt {
    let shape = shape();
    let settled_at = charged.map(|_| at(100));
    filmgate_domain::Attempt {
        n: 1,
        token: filmgate_domain::TokenId(1),
        pool: "p".into(),
        upstream: "u".into(),
        model: "m".into(),
        route: filmgate_domain::Route::Primary,
        reason: "".into(),
        sent: shape,
        units,
        reserved_at: at(0),
        sent_at: Some(at(0)),
        lost_answer: filmgate_domain::LostAnswer::GiveUp,
        lost_at: None,
        answered_at: settled_at,
        upstream_id: None,
        video_url: None,
        cost_ticks: None,
        outcome: charged.map(|_| filmgate_domain::Outcome::Done),
        error: None,
        settled_at,
        charged: charged == Some(true),
        slot_until: None,
    }
}

fn shape() -> filmgate_domain::Shape {
    filmgate_domain::Shape {
        resolution: filmgate_domain::Resolution::P480,
        seconds: filmgate_domain::Seconds::DEFAULT,
        aspect_ratio: filmgate_domain::AspectRatio::R16x9,
    }
}

/// A job with one attempt: open, or settled and charged or not.
fn job(units: u32, charged: Option<bool>) -> Job {
    let spec = VideoSpec::new("m", "a fox", shape()).unwrap();
    let id = filmgate_domain::JobId::from_bytes([1; 16]);
    let job = Job::new(id, ME, spec, [0; 32], (at(0), at(900)));
    Job { attempts: vec![attempt(units, charged)], ..job }
}

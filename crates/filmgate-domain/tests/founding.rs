//! The founding document, F1 to F10, as far as it is the domain's: each test carries its number.
//!
//! The log lines (F8) and the order of the pools (F3, F4) are tested beside the policy; `log_fallback_warning`
//! (F7) is read by the engine.

use std::time::Duration;

use filmgate_domain::{
    AspectRatio, Blame, Catalog, Grant, NoToken, Reason, Resolution, Route, RoutingSettings, Seconds, Secret,
    Settlement, Shape, Timestamp, TokenId, TokenInfo, TokenManager, TokenStatus, Wanted,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MODEL: &str = "grok-video";

/// A manager with the default pools: Basic tokens are numbered from 1, Super tokens from 101.
struct Gateway {
    manager: TokenManager,
    rng: StdRng,
}

impl Gateway {
    fn new(basic: i64, sup: i64) -> Self {
        Self::with(basic, sup, RoutingSettings::default())
    }

    fn with(basic: i64, sup: i64, switches: RoutingSettings) -> Self {
        let mut manager = TokenManager::new(Catalog::founding(), switches);
        (1..=basic).for_each(|n| manager.add(token(n, "ssoBasic"), NOW));
        (101..=100 + sup).for_each(|n| manager.add(token(n, "ssoSuper"), NOW));
        Self { manager, rng: StdRng::seed_from_u64(9) }
    }

    /// Pool, route and what is sent; the token stays reserved.
    fn routed(&mut self, asked: Shape) -> Result<(String, Route, String), NoToken> {
        let grant = self.reserve(asked)?;
        let pool = self.manager.catalog().pools()[grant.pool].name.to_string();
        Ok((pool, grant.route, grant.sent.to_string()))
    }

    fn reserve(&mut self, asked: Shape) -> Result<Grant, NoToken> {
        self.manager.reserve(&Wanted::new(MODEL, asked), NOW, &mut self.rng)
    }

    /// The pool that the founding call chooses.
    fn pool_for(&mut self, asked: Shape) -> String {
        let Shape { resolution, seconds, .. } = asked;
        let chosen = self.manager.token_for_video(resolution, seconds, NOW, &mut self.rng);
        chosen.expect("there is a token").0.pool.into()
    }
}

fn token(n: i64, pool: &str) -> TokenInfo {
    TokenInfo::new(TokenId(n), pool, Secret::new(format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.{n}")), NOW)
}

/// `video("720p", 6)`
fn video(resolution: &str, seconds: u32) -> Shape {
    let resolution: Resolution = resolution.parse().expect("a resolution");
    Shape { resolution, seconds: Seconds::new(seconds).expect("a length"), aspect_ratio: AspectRatio::R16x9 }
}

fn went_to(pool: &str, route: Route, sent: &str) -> Result<(String, Route, String), NoToken> {
    Ok((pool.to_owned(), route, sent.to_owned()))
}

// ---- F9: the four scenarios ----

#[test]
fn f9_1_480p_6s_uses_basic() {
    assert_eq!(Gateway::new(3, 3).pool_for(video("480p", 6)), "ssoBasic");
    assert_eq!(
        Gateway::new(3, 3).routed(video("480p", 6)),
        went_to("ssoBasic", Route::Primary, "480p 6s 16:9")
    );
}

#[test]
fn f9_2_720p_6s_uses_super() {
    assert_eq!(Gateway::new(3, 3).pool_for(video("720p", 6)), "ssoSuper");
    assert_eq!(
        Gateway::new(3, 3).routed(video("720p", 6)),
        went_to("ssoSuper", Route::Primary, "720p 6s 16:9")
    );
}

#[test]
fn f9_3_480p_10s_uses_super() {
    assert_eq!(Gateway::new(3, 3).pool_for(video("480p", 10)), "ssoSuper");
    assert_eq!(
        Gateway::new(3, 3).routed(video("480p", 10)),
        went_to("ssoSuper", Route::Primary, "480p 10s 16:9")
    );
}

#[test]
fn f9_4_720p_without_super_falls_back_to_basic() {
    assert_eq!(Gateway::new(3, 0).pool_for(video("720p", 6)), "ssoBasic");
    assert_eq!(
        Gateway::new(3, 0).routed(video("720p", 6)),
        went_to("ssoBasic", Route::Fallback, "480p 6s 16:9")
    );
}

// ---- F1, F2: the two calls ----

#[test]
fn f1_token_info_is_the_whole_record_of_the_fullest_token() {
    let mut manager = Gateway::new(0, 0).manager;
    let spent = |n, units| TokenInfo { opening: Some((NOW, units)), ..token(n, "ssoSuper") };
    manager.add(spent(1, 40), NOW);
    manager.add(TokenInfo { tags: vec!["team a".into()], note: "from May".into(), ..spent(2, 20) }, NOW);
    manager.add(spent(3, 60), NOW);

    let info = manager.token_info("ssoSuper", NOW).expect("there are tokens");
    assert_eq!((info.id, &*info.pool, info.status), (TokenId(2), "ssoSuper", TokenStatus::Active));
    assert_eq!(info.token.expose(), "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.2");
    assert_eq!((info.quota, &*info.tags, &*info.note), (Some(120), &["team a".to_owned()][..], "from May"));
}

#[test]
fn f1_token_info_is_none_where_no_token_is_to_be_had() {
    let mut manager = Gateway::new(1, 0).manager;
    assert!(manager.token_info("ssoSuper", NOW).is_none(), "an empty pool");
    assert!(manager.token_info("ssoUltra", NOW).is_none(), "an unknown pool");
    manager.add(TokenInfo { opening: Some((NOW, 140)), ..token(101, "ssoSuper") }, NOW);
    assert!(manager.token_info("ssoSuper", NOW).is_none(), "nothing is left");
    let two_hours_later = NOW + Duration::from_secs(2 * 3600);
    assert!(manager.token_info("ssoSuper", two_hours_later).is_some(), "everything came back");
}

#[test]
fn f2_token_for_video_gives_the_token_and_a_reservation() {
    let mut gateway = Gateway::new(1, 1);
    let (resolution, length) = (Resolution::P720, Seconds::DEFAULT);
    let (info, reservation) =
        gateway.manager.token_for_video(resolution, length, NOW, &mut gateway.rng).expect("there is a token");
    assert_eq!((info.id, info.quota), (TokenId(101), Some(136)), "four units are set aside at once");
    assert_eq!((reservation.token, reservation.units), (info.id, 4));

    gateway.manager.release(reservation, NOW);
    assert_eq!(gateway.manager.get(info.id).and_then(|info| info.quota), Some(140));
}

// ---- F5: the fallback ----

#[test]
fn f5_a_fallback_asks_for_what_basic_delivers() {
    let mut gateway = Gateway::new(1, 0);
    assert_eq!(
        gateway.routed(video("720p", 10)),
        went_to("ssoBasic", Route::Fallback, "480p 6s 16:9"),
        "720p 10 s becomes 480p 6 s"
    );
    assert_eq!(gateway.routed(video("720p", 3)), went_to("ssoBasic", Route::Fallback, "480p 3s 16:9"));
}

#[test]
fn f5_super_counts_as_unavailable_for_whatever_reason() {
    type Happens = fn(&mut TokenManager);
    let spent: Happens = |manager| {
        manager.remove(TokenId(101), NOW);
        manager.add(TokenInfo { opening: Some((NOW, 137)), ..token(102, "ssoSuper") }, NOW);
    };
    let refused: Happens = |manager| {
        manager.blame(TokenId(101), &Blame::Unauthorized { reason: "401".into() }, NOW);
    };
    let reasons: [(&str, Happens); 4] = [
        ("cooling until 2023-11-14T22:14:20Z", refused),
        ("disabled", |manager| assert!(manager.disable(TokenId(101), NOW))),
        ("out of quota until 2023-11-15T00:13:20Z", spent),
        ("no tokens", |manager| assert!(manager.remove(TokenId(101), NOW))),
    ];
    for (reason, unavailable) in reasons {
        let mut gateway = Gateway::new(1, 1);
        unavailable(&mut gateway.manager);
        let grant = gateway.reserve(video("720p", 6)).expect("Basic makes it");
        assert_eq!(grant.route, Route::Fallback, "{reason}");
        let why = gateway.manager.why_not_before(grant.pool, &Wanted::new(MODEL, video("720p", 6)), NOW);
        assert!(why.starts_with("ssoSuper: ") && why.ends_with(reason), "{why:?} does not say {reason:?}");
        gateway.manager.release(grant.reservation, NOW);
    }
}

#[test]
fn f5_nothing_anywhere_is_an_error_that_says_why() {
    let error = Gateway::new(0, 0).reserve(video("720p", 6)).expect_err("no tokens");
    assert_eq!(
        error.to_string(),
        "no token is available for 720p 6s 16:9: ssoSuper: no tokens; ssoBasic: no tokens"
    );
    assert_eq!(error.expected(), None);
}

// ---- F7: the switches ----

#[test]
fn f7_the_defaults_are_those_of_the_document() {
    let switches = RoutingSettings::default();
    assert!(
        switches.smart_token_routing && switches.allow_fallback_to_basic && switches.log_fallback_warning
    );
}

#[test]
fn f7_without_smart_token_routing_the_old_loop_runs() {
    let switches = RoutingSettings { smart_token_routing: false, ..RoutingSettings::default() };
    let mut gateway = Gateway::with(1, 1, switches);
    let pool_and_sent = |gateway: &mut Gateway, asked| {
        let (pool, _, sent) = gateway.routed(asked).expect("there is a token");
        (pool, sent)
    };
    let expected = ("ssoBasic".to_owned(), "720p 10s 16:9".to_owned());
    assert_eq!(pool_and_sent(&mut gateway, video("720p", 10)), expected, "the first pool, nothing changed");
    gateway.manager.disable(TokenId(1), NOW);
    let expected = ("ssoSuper".to_owned(), "480p 6s 16:9".to_owned());
    assert_eq!(pool_and_sent(&mut gateway, video("480p", 6)), expected, "the next that has a token");
}

#[test]
fn f7_without_allow_fallback_a_shortage_says_when_super_is_back() {
    let switches = RoutingSettings { allow_fallback_to_basic: false, ..RoutingSettings::default() };
    let mut gateway = Gateway::with(3, 0, switches);
    let spent_at = NOW - Duration::from_secs(600);
    gateway.manager.add(TokenInfo { opening: Some((spent_at, 140)), ..token(101, "ssoSuper") }, NOW);

    let error = gateway.reserve(video("720p", 6)).expect_err("Super has nothing left");
    assert_eq!(error.expected(), Some(spent_at + Duration::from_secs(2 * 3600)));
    let NoToken::Shortage(decision) = error else { panic!("{error:?} is no shortage") };
    let barred = |class: &filmgate_domain::TokenClass| class.reason == Reason::FallbackNotAllowed;
    assert!(decision.passed_over.iter().any(|p| &*p.pool == "ssoBasic" && p.classes.iter().any(barred)));

    gateway.manager.remove(TokenId(101), NOW);
    let error = gateway.reserve(video("720p", 6)).expect_err("Super is empty");
    assert_eq!(error.expected(), None, "nobody knows when");
}

#[test]
fn f7_without_allow_fallback_what_basic_delivers_still_goes_there() {
    let switches = RoutingSettings { allow_fallback_to_basic: false, ..RoutingSettings::default() };
    assert_eq!(Gateway::with(1, 0, switches).pool_for(video("480p", 6)), "ssoBasic");
}

// ---- F10: what the original did badly ----

#[test]
fn f10_what_only_super_can_make_keeps_its_reserve() {
    let mut gateway = Gateway::new(0, 1);
    let mut upgrades = 0;
    while let Ok(grant) = gateway.reserve(video("480p", 6)) {
        assert_eq!(grant.route, Route::Upgrade);
        upgrades += 1;
    }
    // 140 units; a fifth of them, 28, stays: each video takes 4 while 28 or more are left.
    assert_eq!(upgrades, 29);
    assert_eq!(gateway.routed(video("720p", 6)), went_to("ssoSuper", Route::Primary, "720p 6s 16:9"));
}

#[test]
fn f10_a_burst_spreads_over_all_tokens() {
    let mut gateway = Gateway::new(5, 0);
    for _ in 0..50 {
        gateway.pool_for(video("480p", 6));
    }
    let in_flight: Vec<u32> = gateway.manager.tokens().map(|(.., in_flight)| in_flight).collect();
    assert_eq!(in_flight, [10; 5], "every reservation counts before the next choice");
}

#[test]
fn f10_a_dead_token_is_not_chosen_again_and_again() {
    let mut gateway = Gateway::new(0, 2);
    let mut now = NOW;
    for refusal in 1..=5 {
        gateway.manager.advance(now);
        assert_eq!(gateway.manager.get(TokenId(101)).map(|info| info.status), Some(TokenStatus::Active));
        gateway.manager.blame(TokenId(101), &Blame::Unauthorized { reason: "401".into() }, now);
        let chosen = gateway.manager.token_info("ssoSuper", now).map(|info| info.id);
        assert_eq!(chosen, Some(TokenId(102)), "after refusal {refusal}");
        now = now + Duration::from_secs(3600);
    }
    gateway.manager.advance(now);
    assert_eq!(gateway.manager.get(TokenId(101)).map(|info| info.status), Some(TokenStatus::Expired));
}

#[test]
fn f10_a_success_in_flight_does_not_undo_disabled() {
    let mut gateway = Gateway::new(1, 0);
    let grant = gateway.reserve(video("480p", 6)).expect("there is a token");
    gateway.manager.disable(TokenId(1), NOW);
    gateway.manager.record_use(TokenId(1), NOW);
    gateway.manager.settle(grant.reservation, Settlement { spent_at: Some(NOW), slot_until: None }, NOW);
    gateway.manager.blame(TokenId(1), &Blame::RateLimited { until: None, reason: "429".into() }, NOW);
    gateway.manager.reset(TokenId(1), NOW);
    assert_eq!(gateway.manager.get(TokenId(1)).map(|info| info.status), Some(TokenStatus::Disabled));
    assert!(gateway.reserve(video("480p", 6)).is_err());
}

#[test]
fn f10_what_no_pool_delivers_is_refused_and_not_downgraded() {
    let error = Gateway::new(3, 3).reserve(video("1080p", 6)).expect_err("no pool delivers 1080p");
    assert!(matches!(error, NoToken::Undeliverable(_)), "{error}");
}

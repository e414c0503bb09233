//! What would be: where a video would go if pools had no token, and where past videos would have gone under other
//! pools, models and switches.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::Rng;

use crate::{
    Candidate, Catalog, Decision, NoToken, Reservation, Route, RoutingSettings, Secret, Settlement, Shape,
    Timestamp, TokenId, TokenInfo, TokenManager, Wanted,
};

/// Where a video would go, and which pools there are for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// Where it would go, and what was passed over on the way.
    pub decision: Decision,
    /// Every pool that may make it, in the order in which they are tried, switches left aside; also those after
    /// the chosen one.
    pub order: Vec<Candidate>,
}

/// Pools, models and switches.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Pools and models.
    pub catalog: Arc<Catalog>,
    /// The switches of `[video]`.
    pub routing: RoutingSettings,
}

/// A video that was asked for some time ago.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// What was asked for.
    pub wanted: Wanted<'a>,
    /// When.
    pub at: Timestamp,
    /// Until when it kept a slot of its token.
    pub until: Timestamp,
}

/// Where a video would have gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// To a token of a pool.
    Made {
        /// The pool.
        pool: Box<str>,
        /// How the pool relates to what was asked.
        route: Route,
        /// What its upstream would have been asked for.
        sent: Shape,
    },
    /// Nowhere at once: no token that may make it was free.
    NoToken,
    /// Nowhere: no pool delivers such a video.
    Undeliverable,
    /// Nowhere: there is no such model.
    NoModel,
}

impl TokenManager {
    /// How a video of this form would be routed now if the pools named by `short` had no token. Nothing is
    /// reserved.
    ///
    /// # Errors
    /// When the model is unknown or no pool delivers such a video.
    pub fn what_if(
        &mut self,
        wanted: &Wanted<'_>,
        short: &[&str],
        now: Timestamp,
    ) -> Result<WhatIf, NoToken> {
        self.advance(now);
        let question = self.question(wanted)?;
        question.check()?;
        let order = question.candidates().collect();
        Ok(WhatIf { decision: self.explain_without(&question, short), order })
    }
}

/// Routes past videos (oldest first) again, one after the other at the time of each, from these tokens (with
/// the pool of each), which are all active and have their whole quota when it begins. Each video charges what
/// its pool asks and keeps its slot until [`Past::until`]. Nobody waits: what has no token at once is
/// [`Fate::NoToken`].
pub fn route_again<'a>(
    policy: &Policy,
    tokens: impl IntoIterator<Item = (TokenId, &'a str)>,
    videos: &[Past<'_>],
    rng: &mut impl Rng,
) -> Vec<Fate> {
    let mut manager = TokenManager::new(Arc::clone(&policy.catalog), policy.routing);
    let begin = videos.first().map_or(Timestamp::default(), |first| first.at);
    for (id, pool) in tokens {
        manager.add(TokenInfo::new(id, pool, Secret::new(""), begin), begin);
    }
    let mut open = Open::default();
    let mut fates = Vec::with_capacity(videos.len());
    for video in videos {
        open.settle_until(video.at, &mut manager);
        let fate = match manager.try_reserve(&video.wanted, video.at, rng) {
            Ok(Some(grant)) => {
                let pool = manager.catalog.pools()[grant.pool].name.clone();
                open.add(video, grant.reservation);
                Fate::Made { pool, route: grant.route, sent: grant.sent }
            }
            Ok(None) => match manager.question(&video.wanted).and_then(|question| question.check()) {
                Ok(()) => Fate::NoToken,
                Err(_) => Fate::Undeliverable,
            },
            Err(_) => Fate::NoModel,
        };
        fates.push(fate);
    }
    fates
}

/// The videos in the making.
#[derive(Default)]
struct Open {
    /// When each ends, and its place in `videos`.
    ends: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// When each was asked for, and its claim until it is settled.
    videos: Vec<(Timestamp, Option<Reservation>)>,
}

impl Open {
    fn add(&mut self, video: &Past<'_>, reservation: Reservation) {
        self.ends.push(Reverse((video.until, self.videos.len())));
        self.videos.push((video.at, Some(reservation)));
    }

    fn settle_until(&mut self, now: Timestamp, manager: &mut TokenManager) {
        while let Some(Reverse((until, place))) =
            self.ends.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.ends.pop();
            let (at, reservation) = &mut self.videos[place];
            if let Some(reservation) = reservation.take() {
                manager.settle(reservation, Settlement { spent_at: Some(*at), slot_until: None }, until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::{AspectRatio, Pool, Reason, Resolution, Seconds};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn wanted(resolution: Resolution) -> Wanted<'static> {
        let shape = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
        Wanted::new("grok-video", shape)
    }

    /// A video a minute, each of which takes two.
    fn videos(resolution: Resolution, count: u32) -> Vec<Past<'static>> {
        let wanted = wanted(resolution);
        let video = |nth| Past { wanted, at: NOW + MINUTE * nth, until: NOW + MINUTE * (nth + 2) };
        (0..count).map(video).collect()
    }

    fn founding() -> Policy {
        Policy { catalog: Arc::new(Catalog::founding()), routing: RoutingSettings::default() }
    }

    /// The founding policy with other pools.
    fn with_pools(change: impl Fn(&mut Pool)) -> Policy {
        let founding = Catalog::founding();
        let mut pools: Vec<Pool> = founding.pools().iter().map(|pool| (**pool).clone()).collect();
        pools.iter_mut().for_each(change);
        let catalog = Catalog::new(pools, founding.models().to_vec()).unwrap();
        Policy { catalog: Arc::new(catalog), ..self::founding() }
    }

    const TOKENS: [(TokenId, &str); 2] = [(TokenId(1), "ssoBasic"), (TokenId(2), "ssoSuper")];

    /// The fates in short: `ssoSuper primary`, with how often each follows the one before.
    fn told(
        policy: &Policy,
        tokens: &[(TokenId, &'static str)],
        videos: &[Past<'_>],
    ) -> Vec<(String, usize)> {
        let fates = route_again(policy, tokens.iter().copied(), videos, &mut StdRng::seed_from_u64(1));
        let words = fates.iter().map(|fate| match fate {
            Fate::Made { pool, route, sent } => format!("{pool} {route} {sent}"),
            other => format!("{other:?}"),
        });
        let words: Vec<String> = words.collect();
        let runs = words.chunk_by(|a, b| a == b);
        runs.map(|run| (run[0].clone(), run.len())).collect()
    }

    #[test]
    fn the_quota_lasts_as_long_as_it_would_have() {
        let all = videos(Resolution::P720, 60);
        let expected =
            [("ssoSuper primary 720p 6s 16:9", 35), ("ssoBasic fallback 480p 6s 16:9", 20), ("NoToken", 5)];
        assert_eq!(told(&founding(), &TOKENS, &all), expected.map(|(fate, n)| (fate.to_owned(), n)));
    }

    #[test]
    fn units_come_back_with_their_window() {
        // 35 in the first 35 minutes; the first unit is back two hours after it was spent.
        let tokens = [(TokenId(2), "ssoSuper")];
        let fates = told(&founding(), &tokens, &videos(Resolution::P720, 130));
        let counts: Vec<_> = fates.iter().map(|(fate, n)| (fate.starts_with("ssoSuper"), *n)).collect();
        assert_eq!(counts, [(true, 35), (false, 85), (true, 10)]);
    }

    #[test]
    fn slots_are_kept_as_long_as_the_videos_took() {
        let one_at_once = with_pools(|pool| pool.max_in_flight = Some(1));
        let fates = told(&one_at_once, &[(TokenId(2), "ssoSuper")], &videos(Resolution::P720, 4));
        assert_eq!(
            fates.iter().map(|(fate, _)| &fate[..7]).collect::<Vec<_>>(),
            ["ssoSupe", "NoToken", "ssoSupe", "NoToken"]
        );
    }

    #[test]
    fn switches_and_abilities_of_the_policy_count() {
        let all = videos(Resolution::P720, 40);
        let routing = RoutingSettings { allow_fallback_to_basic: false, ..RoutingSettings::default() };
        let strict = Policy { routing, ..founding() };
        let fates = told(&strict, &TOKENS, &all);
        assert_eq!(fates, [("ssoSuper primary 720p 6s 16:9".to_owned(), 35), ("NoToken".to_owned(), 5)]);
        let weak = with_pools(|pool| pool.delivers.retain(|part| part.resolution == Resolution::P480));
        assert_eq!(told(&weak, &TOKENS, &all), [("Undeliverable".to_owned(), 40)]);
        let stranger = Past { wanted: Wanted { model: "sora-9", ..all[0].wanted }, ..all[0] };
        assert_eq!(told(&weak, &TOKENS, &[stranger]), [("NoModel".to_owned(), 1)]);
    }

    #[test]
    fn a_pool_that_is_treated_as_short_is_passed_over() {
        let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
        for (id, pool) in TOKENS {
            manager.add(TokenInfo::new(id, pool, Secret::new("secret"), NOW), NOW);
        }
        let mut ask = |short: &[&str]| manager.what_if(&wanted(Resolution::P720), short, NOW).unwrap();
        let as_it_is = ask(&[]);
        assert_eq!(
            as_it_is.decision.to_string(),
            "720p 6s 16:9 -> ssoSuper (primary, sends 720p 6s 16:9); ssoBasic: cannot deliver 720p 6s"
        );
        assert_eq!(
            as_it_is.order.iter().map(|c| c.route).collect::<Vec<_>>(),
            [Route::Primary, Route::Fallback]
        );
        let short = ask(&["ssoSuper"]);
        assert_eq!(short.decision.chosen.as_ref().unwrap().route, Route::Fallback);
        assert_eq!(short.decision.passed_over[0].classes[0].reason, Reason::NoTokens);
        assert_eq!(ask(&["ssoSuper", "ssoBasic"]).decision.chosen, None);
        let refused = manager.what_if(&wanted(Resolution::P1080), &[], NOW);
        assert!(matches!(refused, Err(NoToken::Undeliverable(_))));
    }
}

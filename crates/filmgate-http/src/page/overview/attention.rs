//! What needs attention: which of the figures are a trouble, and where each is mended.

use std::time::Duration;

use filmgate_domain::{Course, Forecast, Timestamp};
use maud::{Markup, html};

use super::super::look::Look;
use super::super::parts::{Tone, badge, bytes, number, span};
use super::clock;
use super::watch::{Glance, PoolNow};

/// A pool that runs out sooner than this is a trouble.
const SOON: Duration = Duration::from_secs(3600);

/// From this share on failures are a trouble, and from this number on.
const FAILING_SHARE: f64 = 0.1;
const FAILING_AT_LEAST: u64 = 3;

/// Who waits for longer than this waits long; so many are many, however short they wait.
const WAITS_LONG: Duration = Duration::from_secs(60);
const MANY_WAIT: u64 = 100;

/// From this share of what may be kept on, the disk is nearly full.
const NEARLY_FULL: f64 = 0.9;

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// Nobody can ask for a video.
    NoClientKey,
    /// A pool has no tokens at all.
    NoTokens { pool: &'a str },
    /// A pool has tokens, and none that is active.
    NoneActive { pool: &'a str },
    /// A pool's units do not pay for a video.
    Out { pool: &'a str, until: Option<Timestamp> },
    /// A pool runs out soon.
    RunsOut { pool: &'a str, at: Timestamp },
    /// Many videos fail.
    Failing { failed: u64, of: u64 },
    /// Nobody knows whether an upstream took these.
    Unknown { videos: u64 },
    /// Upstreams refused these tokens too often.
    Expired { pool: &'a str, tokens: u32 },
    /// These tokens do not come back soon.
    CoolingLong { pool: &'a str, tokens: u32 },
    /// Videos wait for tokens, the first for that long.
    Waiting { videos: u64, longest: Duration },
    /// A pool's upstream delivers less than it is asked for.
    BelowSent { pool: &'a str, videos: u64 },
    /// Videos that came out as less than asked, unannounced.
    Downgraded { videos: u64 },
    /// Videos that a lesser pool made.
    FallenBack { videos: u64 },
    /// These settings were changed, and take effect with the next start.
    Restart { keys: &'a [String] },
    /// Nobody could be told the end of these.
    GivenUp { webhooks: usize },
    /// Kept videos soon go before their time.
    NearlyFull { kept: u64, of: u64 },
}

/// What needs attention, the worst first.
pub(super) fn attention(glance: &Glance) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    if glance.client_keys == 0 {
        items.push(Item::NoClientKey);
    }
    items.extend(glance.pools.iter().filter_map(cannot_make));
    let (failed, of) = (glance.hour.of(Course::Failed), glance.hour.total());
    if failed >= FAILING_AT_LEAST && failed as f64 >= FAILING_SHARE * of as f64 {
        items.push(Item::Failing { failed, of });
    }
    let unknown = glance.hour.unknown;
    items.extend((unknown > 0).then_some(Item::Unknown { videos: unknown }));
    items.extend(glance.pools.iter().filter_map(|pool| runs_out(pool, glance.now)));
    for pool in &glance.pools {
        let (name, expired) = (&*pool.name, tokens(pool, "expired"));
        items.extend((expired > 0).then_some(Item::Expired { pool: name, tokens: expired }));
        let cooling = pool.cooling_long;
        items.extend((cooling > 0).then_some(Item::CoolingLong { pool: name, tokens: cooling }));
    }
    let longest = glance.making.waits_since.map_or(Duration::ZERO, |since| glance.now.since(since));
    let videos = glance.making.waiting;
    let waits = videos >= MANY_WAIT || (videos > 0 && longest > WAITS_LONG);
    items.extend(waits.then_some(Item::Waiting { videos, longest }));
    items.extend(glance.pools.iter().filter_map(|pool| {
        let videos = pool.hour.below_sent;
        (videos > 0).then_some(Item::BelowSent { pool: &pool.name, videos })
    }));
    let videos = glance.hour.of(Course::Downgraded);
    items.extend((videos > 0).then_some(Item::Downgraded { videos }));
    let videos = glance.hour.of(Course::FallenBack);
    items.extend((videos > 0).then_some(Item::FallenBack { videos }));
    items.extend((glance.given_up > 0).then_some(Item::GivenUp { webhooks: glance.given_up }));
    let keys = &*glance.pending;
    items.extend((!keys.is_empty()).then_some(Item::Restart { keys }));
    let (kept, of) = (glance.kept_bytes, glance.max_bytes);
    let full = kept as f64 > NEARLY_FULL * of as f64;
    items.extend(full.then_some(Item::NearlyFull { kept, of }));
    items
}

/// Why a pool makes no videos now.
fn cannot_make(pool: &PoolNow) -> Option<Item<'_>> {
    let name = &*pool.name;
    if pool.tokens.iter().all(|(_, count)| *count == 0) {
        return Some(Item::NoTokens { pool: name });
    }
    if tokens(pool, "active") == 0 {
        return Some(Item::NoneActive { pool: name });
    }
    match pool.forecast {
        Some(Forecast::Out { until }) => Some(Item::Out { pool: name, until }),
        _ => None,
    }
}

fn runs_out(pool: &PoolNow, now: Timestamp) -> Option<Item<'_>> {
    match pool.forecast {
        Some(Forecast::RunsOut { at }) if at.since(now) <= SOON => {
            Some(Item::RunsOut { pool: &pool.name, at })
        }
        _ => None,
    }
}

fn tokens(pool: &PoolNow, status: &str) -> u32 {
    pool.tokens.iter().find(|(name, _)| *name == status).map_or(0, |(_, count)| *count)
}

/// The part of the page that says what needs attention.
pub(super) fn section(glance: &Glance, look: Look) -> Markup {
    let items = attention(glance);
    html! {
        section.card aria-labelledby="attention" {
            h2 #attention { (look.t("attention-title")) }
            @if items.is_empty() {
                p { (badge(Tone::Good, &look.t("attention-good"))) " " (look.t("attention-nothing")) }
            } @else {
                ul.attention {
                    @for item in &items {
                        li { (line(item, look, glance.now)) }
                    }
                }
            }
        }
    }
}

fn line(item: &Item<'_>, look: Look, now: Timestamp) -> Markup {
    let tone = item.tone();
    let word = if tone == Tone::Bad { look.t("attention-bad") } else { look.t("attention-warn") };
    let (address, action) = item.action(look);
    html! {
        (badge(tone, &word))
        span { (item.text(look, now)) }
        a.button href=(address) { (action) }
    }
}

impl Item<'_> {
    fn tone(&self) -> Tone {
        match self {
            Self::NoClientKey
            | Self::NoTokens { .. }
            | Self::NoneActive { .. }
            | Self::Out { .. }
            | Self::Failing { .. }
            | Self::Unknown { .. } => Tone::Bad,
            _ => Tone::Warn,
        }
    }

    fn text(&self, look: Look, now: Timestamp) -> String {
        let of_pool = |key: &str, pool: &str, n: u64| {
            look.with(key, [("pool", pool.into()), ("n", n.into()), ("count", number(n).into())])
        };
        let of_all = |key: &str, n: u64| look.with(key, [("n", n.into()), ("count", number(n).into())]);
        let at = |key: &str, pool: &str, at: Timestamp| {
            look.with(key, [("pool", pool.into()), ("time", clock(at, now).into())])
        };
        match *self {
            Self::NoClientKey => look.t("attention-no-client-key"),
            Self::NoTokens { pool } => look.with("attention-no-tokens", [("pool", pool.into())]),
            Self::NoneActive { pool } => look.with("attention-none-active", [("pool", pool.into())]),
            Self::Out { pool, until: Some(until) } => at("attention-out-until", pool, until),
            Self::Out { pool, until: None } => look.with("attention-out", [("pool", pool.into())]),
            Self::RunsOut { pool, at: time } => at("attention-runs-out", pool, time),
            Self::Failing { failed, of } => {
                let share = format!("{:.0}", failed as f64 * 100.0 / of.max(1) as f64);
                let (failed, of) = (number(failed), number(of));
                let values = [("failed", failed.into()), ("of", of.into()), ("share", share.into())];
                look.with("attention-failing", values)
            }
            Self::Unknown { videos } => of_all("attention-unknown", videos),
            Self::Expired { pool, tokens } => of_pool("attention-expired", pool, tokens.into()),
            Self::CoolingLong { pool, tokens } => of_pool("attention-cooling", pool, tokens.into()),
            Self::Waiting { videos, longest } => {
                let (count, time) = (number(videos).into(), span(longest).into());
                look.with("attention-waiting", [("n", videos.into()), ("count", count), ("time", time)])
            }
            Self::BelowSent { pool, videos } => of_pool("attention-below-sent", pool, videos),
            Self::Downgraded { videos } => of_all("attention-downgraded", videos),
            Self::FallenBack { videos } => of_all("attention-fallen-back", videos),
            Self::Restart { keys } => look.with("attention-restart", [("keys", keys.join(", ").into())]),
            Self::GivenUp { webhooks } => of_all("attention-given-up", webhooks as u64),
            Self::NearlyFull { kept, of } => {
                look.with("attention-nearly-full", [("kept", bytes(kept).into()), ("of", bytes(of).into())])
            }
        }
    }

    /// Where it is mended, and what is done there.
    fn action(&self, look: Look) -> (String, String) {
        let tokens = |pool: &str, status: Option<&str>| super::tokens_at(pool, status);
        let videos = |filter: &str| format!("/admin/videos?{filter}&since=1h");
        match self {
            Self::NoClientKey => ("/admin/clients".to_owned(), look.t("attention-make-key")),
            Self::NoneActive { pool } => (tokens(pool, None), look.t("attention-see-tokens")),
            Self::NoTokens { .. } | Self::Out { .. } | Self::RunsOut { .. } => {
                ("/admin/tokens/add".to_owned(), look.t("attention-add-tokens"))
            }
            Self::Failing { .. } | Self::Unknown { .. } => {
                (videos("state=failed"), look.t("attention-see-videos"))
            }
            Self::Expired { pool, .. } => (tokens(pool, Some("expired")), look.t("attention-see-expired")),
            Self::CoolingLong { pool, .. } => {
                (tokens(pool, Some("cooling")), look.t("attention-see-cooling"))
            }
            Self::Waiting { .. } => {
                ("/admin/videos?state=queued".to_owned(), look.t("attention-see-waiting"))
            }
            Self::BelowSent { .. } => ("/admin/routing".to_owned(), look.t("attention-change-pool")),
            Self::Downgraded { .. } => (videos("verdict=downgraded"), look.t("attention-see-videos")),
            Self::FallenBack { .. } => (videos("route=fallback"), look.t("attention-see-videos")),
            Self::Restart { .. } => ("/admin/settings".to_owned(), look.t("attention-see-settings")),
            Self::GivenUp { .. } => {
                ("/admin/settings/webhooks?state=given_up".to_owned(), look.t("attention-see-webhooks"))
            }
            Self::NearlyFull { .. } => ("/admin/settings".to_owned(), look.t("attention-change-limit")),
        }
    }
}

#[cfg(test)]
mod tests {
    use filmgate_domain::Minute;
    use filmgate_engine::Making;
    use rstest::rstest;

    use super::super::super::look::Theme;
    use super::super::super::words::Lang;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    fn tokens(active: u32, cooling: u32, expired: u32, disabled: u32) -> [(&'static str, u32); 4] {
        [("active", active), ("cooling", cooling), ("expired", expired), ("disabled", disabled)]
    }

    fn pool() -> PoolNow {
        let (units, forecast) = (Some((700, 1400)), Some(Forecast::Lasts));
        PoolNow { name: "p".into(), tokens: tokens(10, 0, 0, 0), units, forecast, ..PoolNow::default() }
    }

    fn good() -> Glance {
        Glance {
            now: NOW,
            pools: vec![pool()],
            hour: Minute { courses: [95, 3, 0, 0, 2], ..Minute::default() },
            client_keys: 1,
            max_bytes: 1000,
            kept_bytes: 900,
            ..Glance::default()
        }
    }

    /// A change that makes everything well.
    type Change = fn(&mut Glance);

    #[rstest]
    #[case::all_is_well(|_: &mut Glance| {}, &[])]
    #[case::no_client_key(|g: &mut Glance| g.client_keys = 0, &[Item::NoClientKey])]
    #[case::no_tokens(|g: &mut Glance| g.pools[0].tokens = tokens(0, 0, 0, 0), &[Item::NoTokens { pool: "p" }])]
    #[case::all_disabled(|g: &mut Glance| g.pools[0].tokens = tokens(0, 0, 0, 3), &[Item::NoneActive { pool: "p" }])]
    #[case::all_cooling(|g: &mut Glance| g.pools[0].tokens = tokens(0, 2, 0, 0), &[Item::NoneActive { pool: "p" }])]
    #[case::some_expired(
        |g: &mut Glance| g.pools[0].tokens = tokens(9, 1, 2, 0),
        &[Item::Expired { pool: "p", tokens: 2 }],
    )]
    #[case::all_expired(
        |g: &mut Glance| g.pools[0].tokens = tokens(0, 0, 2, 0),
        &[Item::NoneActive { pool: "p" }, Item::Expired { pool: "p", tokens: 2 }],
    )]
    #[case::cooling_for_long(
        |g: &mut Glance| g.pools[0].cooling_long = 4,
        &[Item::CoolingLong { pool: "p", tokens: 4 }],
    )]
    #[case::out(
        |g: &mut Glance| g.pools[0].forecast = Some(Forecast::Out { until: None }),
        &[Item::Out { pool: "p", until: None }],
    )]
    #[case::runs_out_soon(
        |g: &mut Glance| g.pools[0].forecast = Some(Forecast::RunsOut { at: NOW + minutes(60) }),
        &[Item::RunsOut { pool: "p", at: NOW + minutes(60) }],
    )]
    #[case::runs_out_later(
        |g: &mut Glance| g.pools[0].forecast = Some(Forecast::RunsOut { at: NOW + minutes(61) }),
        &[],
    )]
    #[case::a_few_failures_of_many(|g: &mut Glance| g.hour.courses = [91, 0, 0, 0, 9], &[])]
    #[case::a_tenth_fails(|g: &mut Glance| g.hour.courses = [90, 0, 0, 0, 10], &[Item::Failing { failed: 10, of: 100 }])]
    #[case::two_failures_are_chance(|g: &mut Glance| g.hour.courses = [0, 0, 0, 0, 2], &[])]
    #[case::three_are_not(|g: &mut Glance| g.hour.courses = [0, 0, 0, 0, 3], &[Item::Failing { failed: 3, of: 3 }])]
    #[case::unknown(|g: &mut Glance| g.hour.unknown = 1, &[Item::Unknown { videos: 1 }])]
    #[case::somebody_waits_a_moment(|g: &mut Glance| g.making = waiting(99, 60), &[])]
    #[case::somebody_waits_long(
        |g: &mut Glance| g.making = waiting(1, 61),
        &[Item::Waiting { videos: 1, longest: Duration::from_secs(61) }],
    )]
    #[case::many_wait(
        |g: &mut Glance| g.making = waiting(100, 1),
        &[Item::Waiting { videos: 100, longest: Duration::from_secs(1) }],
    )]
    #[case::less_than_sent(
        |g: &mut Glance| g.pools[0].hour.below_sent = 5,
        &[Item::BelowSent { pool: "p", videos: 5 }],
    )]
    #[case::downgraded(|g: &mut Glance| g.hour.courses[3] = 1, &[Item::Downgraded { videos: 1 }])]
    #[case::fallen_back(|g: &mut Glance| g.hour.courses[2] = 7, &[Item::FallenBack { videos: 7 }])]
    #[case::given_up(|g: &mut Glance| g.given_up = 2, &[Item::GivenUp { webhooks: 2 }])]
    #[case::a_restart_waits(
        |g: &mut Glance| g.pending = vec!["server.listen".to_owned()],
        &[Item::Restart { keys: &["server.listen".to_owned()] }],
    )]
    #[case::nearly_full(|g: &mut Glance| g.kept_bytes = 901, &[Item::NearlyFull { kept: 901, of: 1000 }])]
    #[case::the_worst_first(
        |g: &mut Glance| {
            g.given_up = 1;
            g.hour.unknown = 1;
            g.pools.push(PoolNow { name: "q".into(), tokens: tokens(0, 0, 0, 0), ..PoolNow::default() });
        },
        &[Item::NoTokens { pool: "q" }, Item::Unknown { videos: 1 }, Item::GivenUp { webhooks: 1 }],
    )]
    fn what_needs_attention(#[case] change: Change, #[case] expected: &[Item<'_>]) {
        let mut glance = good();
        change(&mut glance);
        let items = attention(&glance);
        assert_eq!(items, expected);
        for lang in Lang::ALL {
            let look = Look { lang, theme: Theme::Auto };
            let html = section(&glance, look).into_string();
            assert_eq!(html.matches("<li>").count(), expected.len(), "{html}");
            assert_eq!(
                html.matches("href=\"/admin/").count(),
                expected.len(),
                "each with its action: {html}"
            );
            assert_eq!(html.contains("class=\"badge good\""), expected.is_empty(), "{html}");
            let bad = items.iter().position(|item| item.tone() != Tone::Bad).unwrap_or(items.len());
            assert!(items[bad..].iter().all(|item| item.tone() != Tone::Bad), "the worst first: {items:?}");
        }
    }

    fn waiting(videos: u64, seconds: u64) -> Making {
        let waits_since = Some(NOW - Duration::from_secs(seconds));
        Making { waiting: videos, waits_since, making: 3 }
    }
}

//! The pools now: their tokens, what is left of their quota and for how long, and how fast they are.

use filmgate_domain::Forecast;
use maud::{Markup, html};

use super::super::chart::figure;
use super::super::look::Look;
use super::super::parts::{Tone, bar, number, span};
use super::watch::{Glance, PoolNow};
use super::{clock, tokens_at};

/// With less than this share left, the bar warns.
const LITTLE: f64 = 0.2;

pub(super) fn section(glance: &Glance, look: Look) -> Markup {
    html! {
        section aria-labelledby="pools" {
            h2 #pools { (look.t("pools-title")) }
            div.cards { @for pool in &glance.pools { (card(pool, glance, look)) } }
        }
    }
}

fn card(pool: &PoolNow, glance: &Glance, look: Look) -> Markup {
    let hour = &pool.hour;
    let quantile = |share| hour.latency.quantile(share).map_or_else(|| "-".to_owned(), span);
    html! {
        article.card {
            h3 { a href=(tokens_at(&pool.name, None)) { (pool.name) } }
            ul.statuses aria-label=(look.t("pools-tokens")) {
                @for (status, count) in pool.tokens {
                    li { a href=(tokens_at(&pool.name, Some(status))) {
                        strong { (number(count.into())) } " " (look.t(&format!("pools-status-{status}")))
                    } }
                }
            }
            @match pool.units {
                Some((left, granted)) => {
                    @let values = [("left", number(left).into()), ("granted", number(granted).into())];
                    @let label = look.with("pools-left", values);
                    (bar(left, granted, tone(pool, left, granted), &label))
                    p { (label) }
                }
                None => p { (look.t("pools-no-quota")) },
            }
            @if let Some(forecast) = pool.forecast { p.forecast { (outlook(pool, forecast, glance, look)) } }
            dl {
                dt { (look.t("pools-in-flight")) } dd { (number(pool.in_flight)) }
                @if pool.units.is_some() {
                    dt { (look.t("pools-pace")) }
                    dd { (look.with("pools-a-minute", [("units", figure(pool.pace * 60.0).into())])) }
                }
                dt { (look.t("pools-hour")) } dd { (number(hour.total())) }
                dt { (look.t("pools-latency")) }
                dd { (look.with("pools-quantiles", [("half", quantile(0.5).into()), ("most", quantile(0.95).into())])) }
            }
        }
    }
}

fn tone(pool: &PoolNow, left: u64, granted: u64) -> Tone {
    match pool.forecast {
        Some(Forecast::Out { .. }) => Tone::Bad,
        _ if (left as f64) < LITTLE * granted as f64 => Tone::Warn,
        _ => Tone::Good,
    }
}

fn outlook(pool: &PoolNow, forecast: Forecast, glance: &Glance, look: Look) -> String {
    let name = || &*pool.name;
    match forecast {
        Forecast::Lasts if pool.pace <= 0.0 => look.t("forecast-idle"),
        Forecast::Lasts => look.with("forecast-lasts", [("pool", name().into())]),
        Forecast::RunsOut { at } => {
            let values = [("pool", name().into()), ("time", clock(at, glance.now).into())];
            look.with("forecast-runs-out", values)
        }
        Forecast::Out { until: Some(until) } => {
            let values = [("pool", name().into()), ("time", clock(until, glance.now).into())];
            look.with("forecast-out-until", values)
        }
        Forecast::Out { until: None } => look.with("forecast-out", [("pool", name().into())]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use filmgate_domain::Timestamp;
    use rstest::rstest;

    use super::super::super::look::Theme;
    use super::super::super::words::Lang;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[rstest]
    #[case(Forecast::Lasts, 0.0, "Nothing was spent lately.")]
    #[case(Forecast::Lasts, 1.0, "a&b lasts for the next 24 hours at this pace.")]
    #[case(Forecast::RunsOut { at: NOW + Duration::from_secs(60) }, 1.0, "a&b runs out at ")]
    #[case(Forecast::Out { until: Some(NOW + Duration::from_secs(60)) }, 1.0, "a&b has too little left for a video until ")]
    #[case(Forecast::Out { until: None }, 1.0, "a&b has too little left for a video.")]
    fn a_card_says_how_long_its_pool_lasts(
        #[case] forecast: Forecast,
        #[case] pace: f64,
        #[case] said: &str,
    ) {
        let tokens = [("active", 100_000), ("cooling", 0), ("expired", 1), ("disabled", 0)];
        let units = Some((1, 14_000_000));
        let pool = PoolNow {
            name: "a&b".into(),
            tokens,
            units,
            pace,
            forecast: Some(forecast),
            ..PoolNow::default()
        };
        let glance = Glance { now: NOW, pools: vec![pool], ..Glance::default() };
        let html = section(&glance, Look { lang: Lang::English, theme: Theme::Auto }).into_string();
        assert!(html.contains(&said.replace('&', "&amp;")), "{html}");
        assert!(html.contains("href=\"/admin/tokens?pool=a%26b&amp;status=expired\""), "{html}");
        assert!(html.contains("<strong>100,000</strong> active"), "{html}");
        assert!(html.contains("1 of 14,000,000 units left"), "{html}");
    }
}

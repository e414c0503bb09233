//! Gathers what the overview shows, once for all who watch.
//!
//! Nothing here looks at a single video: sums are kept by the engine and the store. However many watch, the books
//! are read every other second at most, and what takes longer less often.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{Coming, Forecast, Minute, Pool, Stock, Timestamp, pace};
use filmgate_engine::{Making, PoolView};
use filmgate_store::{DeliveryFilter, DeliveryState, MinuteRow, StoreError};
use tokio::sync::Mutex;

use crate::App;
use crate::admin::Restart;

/// How far back the overview looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Hour,
    Day,
    Week,
}

impl Range {
    pub(super) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// The word in addresses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The range of this name; an hour where it names none.
    pub(super) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|range| range.as_str() == word).unwrap_or(Self::Hour)
    }

    /// The length of a bar, and how many there are.
    pub(super) fn spans(self) -> (Duration, u32) {
        match self {
            Self::Hour => (MINUTE, 60),
            Self::Day => (MINUTE * 15, 96),
            Self::Week => (MINUTE * 60, 168),
        }
    }

    /// How long it is shown before it is read anew.
    fn good_for(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(5),
            Self::Day => Duration::from_secs(30),
            Self::Week => MINUTE,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(10);

/// The time over which "videos a minute" is taken.
const RECENT: u32 = 5;

/// Webhooks are counted up to here.
const MOST_WEBHOOKS: u32 = 100;

/// What is so now.
#[derive(Clone, Debug, Default)]
pub(super) struct Glance {
    pub(super) now: Timestamp,
    pub(super) pools: Vec<PoolNow>,
    pub(super) making: Making,
    /// Videos that ended, a minute, over the last few.
    pub(super) per_minute: f64,
    /// All that ended within the last hour.
    pub(super) hour: Minute,
    pub(super) client_keys: usize,
    /// Webhooks that were given up within a day, up to a hundred.
    pub(super) given_up: usize,
    /// Settings that were changed and wait for the next start.
    pub(super) pending: Vec<String>,
    pub(super) kept_bytes: u64,
    pub(super) max_bytes: u64,
}

/// A pool now.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolNow {
    pub(super) name: Box<str>,
    /// Tokens by status.
    pub(super) tokens: [(&'static str, u32); 4],
    /// Units left, and units in a full window; where there is a quota.
    pub(super) units: Option<(u64, u64)>,
    pub(super) in_flight: u64,
    /// Units spent in a second.
    pub(super) pace: f64,
    /// Where there is a quota.
    pub(super) forecast: Option<Forecast>,
    /// Tokens that cool for more than another half hour.
    pub(super) cooling_long: u32,
    /// What ended within the last hour.
    pub(super) hour: Minute,
}

/// How videos went over a range.
#[derive(Debug)]
pub(super) struct History {
    pub(super) range: Range,
    pub(super) from: Timestamp,
    pub(super) now: Timestamp,
    /// By span and pool, in the order of time.
    pub(super) rows: Vec<MinuteRow>,
}

/// What takes longer to find out.
struct Slow {
    coming: Vec<(Arc<Pool>, Coming)>,
    client_keys: usize,
    given_up: usize,
    pending: Vec<String>,
}

/// What all who watch share. Cloning shares it, too.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    glance: Kept<Glance>,
    slow: Kept<Slow>,
    histories: [Kept<History>; 3],
}

impl Watch {
    /// What is so now, or was two seconds ago.
    pub(super) async fn glance(&self, app: &App) -> Result<Arc<Glance>, StoreError> {
        let now = app.engine.now();
        let make = async {
            let slow = self.0.slow.get(now, SLOW, slow(app, now)).await?;
            let hour = app.engine.minutes(begin(now, MINUTE) - MINUTE * 59, MINUTE).await?;
            Ok(glance(app, &slow, &hour, now))
        };
        self.0.glance.get(now, GLANCE, make).await
    }

    /// How videos went over a range.
    pub(super) async fn history(&self, app: &App, range: Range) -> Result<Arc<History>, StoreError> {
        let now = app.engine.now();
        let make = async {
            let (step, count) = range.spans();
            let from = begin(now, step) - step * (count - 1);
            Ok(History { range, from, now, rows: app.engine.minutes(from, step).await? })
        };
        self.0.histories[range as usize].get(now, range.good_for(), make).await
    }
}

fn glance(app: &App, slow: &Slow, hour: &[MinuteRow], now: Timestamp) -> Glance {
    let pools = app.engine.pools().into_iter().map(|view| pool_now(view, slow, hour, now)).collect();
    let from = begin(now, MINUTE) - MINUTE * (RECENT - 1);
    let recent: u64 = hour.iter().filter(|row| row.at >= from).map(|row| row.counted.total()).sum();
    Glance {
        now,
        pools,
        making: app.engine.making(),
        per_minute: recent as f64 / (now.since(from).as_secs_f64() / 60.0).max(1.0),
        hour: sum(hour),
        client_keys: slow.client_keys,
        given_up: slow.given_up,
        pending: slow.pending.clone(),
        kept_bytes: app.engine.kept_bytes(),
        max_bytes: app.engine.settings().max_bytes,
    }
}

fn pool_now(view: PoolView, slow: &Slow, hour: &[MinuteRow], now: Timestamp) -> PoolNow {
    let PoolView { pool, summary } = view;
    let own = || hour.iter().filter(|row| row.pool == pool.name);
    let pace = pace(own().map(|row| (row.at, row.counted.units)), now);
    let nothing = Coming::default();
    let coming = slow.coming.iter().find(|(other, _)| other.name == pool.name);
    let coming = coming.map_or(&nothing, |(_, coming)| coming);
    let units = summary.left.zip(summary.granted);
    let forecast = units.zip(pool.quota).map(|((left, _), quota)| {
        let cost = u64::from(pool.cheapest());
        Stock { left, cost, returns: &coming.returns, pace, window: quota.window }.forecast(now)
    });
    PoolNow {
        name: pool.name.clone(),
        tokens: summary.tokens,
        units,
        in_flight: summary.in_flight,
        pace,
        forecast,
        cooling_long: coming.cooling_long,
        hour: sum(own()),
    }
}

async fn slow(app: &App, now: Timestamp) -> Result<Slow, StoreError> {
    let store = app.engine.store();
    let keys = store.keys().await?;
    let state = Some(DeliveryState::GivenUp);
    let filter = DeliveryFilter { state, limit: MOST_WEBHOOKS, ..DeliveryFilter::default() };
    let given_up = store.deliveries(&filter).await?;
    let values = app.configuration.values().into_iter();
    let pending = values.filter(|value| value.restart == Restart::Pending);
    let day_ago = now - MINUTE * (24 * 60);
    Ok(Slow {
        coming: app.engine.coming().await,
        client_keys: keys.iter().filter(|key| key.is_valid(now)).count(),
        given_up: given_up.iter().filter(|delivery| delivery.given_up_at > Some(day_ago)).count(),
        pending: pending.map(|value| value.key).collect(),
    })
}

/// Everything in these rows together.
pub(super) fn sum<'a>(rows: impl IntoIterator<Item = &'a MinuteRow>) -> Minute {
    let mut sum = Minute::default();
    rows.into_iter().for_each(|row| sum += &row.counted);
    sum
}

/// When the span of this length began that a time is in.
fn begin(at: Timestamp, step: Duration) -> Timestamp {
    let step = step.as_millis() as i64;
    Timestamp::from_millis(at.as_millis().div_euclid(step) * step)
}

/// Something that was made a while ago and is still good. Whoever comes while it is made waits for it.
struct Kept<T>(Mutex<Option<(Timestamp, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    async fn get<E>(
        &self,
        now: Timestamp,
        good_for: Duration,
        make: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut kept = self.0.lock().await;
        if let Some((at, good)) = &*kept
            && *at + good_for > now
            // The clock may have been set back.
            && now >= *at - good_for
        {
            return Ok(Arc::clone(good));
        }
        let made = Arc::new(make.await?);
        *kept = Some((now, Arc::clone(&made)));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_made_anew_when_it_is_old() {
        let kept = Kept::<u32>::default();
        let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1000);
        let mut said = Vec::new();
        for (n, seconds) in [0, 1, 2, 3, -100, -99].into_iter().enumerate() {
            let make = async { Ok::<_, Infallible>(n as u32) };
            said.push(*kept.get(at(seconds), GLANCE, make).await.unwrap());
        }
        assert_eq!(said, [0, 0, 2, 2, 4, 4]);
        let failed = kept.get(at(0), GLANCE, async { Err::<u32, _>("unreadable") }).await;
        assert_eq!(failed, Err("unreadable"), "a failure is told, and not kept");
        let made = kept.get(at(0), GLANCE, async { Ok::<_, Infallible>(7) }).await;
        assert_eq!(made.map(|made| *made), Ok(7));
    }
}

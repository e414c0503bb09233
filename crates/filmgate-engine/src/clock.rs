//! Real time. It enters filmgate here and nowhere else.
//!
//! The system's clock may be set at any moment, forward or back. Deadlines, quota windows, pauses and the order of ids
//! must not notice, so filmgate's own time goes on steadily from what the clock showed at the start. Where the two
//! differ it comes closer to the clock by a tenth of the time that passes, and never goes back.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use filmgate_domain::{Clock, Timestamp};

/// Its own time comes closer to the system's clock by this part of the time that passes.
const APPROACH: i128 = 10;

/// A clock that is further off than this was set: that is worth a line in the log.
const WAS_SET: Duration = Duration::from_secs(5);

/// A clock that can also be waited for.
pub trait Timer: Clock {
    /// Returns once the clock shows `at`.
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// What other machines' clocks show: for what they compare with theirs, such as the time in a signature.
    fn elsewhere(&self) -> Timestamp {
        self.now()
    }
}

/// Time that goes on steadily, whatever a clock is set to.
#[derive(Debug, Default)]
pub struct Steady(Mutex<Option<Shown>>);

/// What was shown last, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Shown {
    /// Since 1970.
    time: i128,
    /// How long the machine ran then.
    uptime: Duration,
    /// It was told that the clock was set.
    told: bool,
}

impl Steady {
    /// The time, when a clock shows `clock` and the machine has run for `uptime`, which nobody can set.
    pub fn show(&self, clock: Timestamp, uptime: Duration) -> Timestamp {
        let clock = i128::from(clock.as_millis()) * 1_000_000;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = last.unwrap_or(Shown { time: clock, uptime, told: false });
        let passed = uptime.saturating_sub(shown.uptime).as_nanos().cast_signed();
        let (time, most) = (shown.time + passed, passed / APPROACH);
        let off = clock - time;
        shown.time = time + off.clamp(-most, most);
        shown.uptime = shown.uptime.max(uptime);
        let was_set = off.unsigned_abs() > WAS_SET.as_nanos();
        let is_news = was_set && !shown.told;
        shown.told = was_set;
        *last = Some(shown);
        drop(last);
        if is_news {
            let seconds = off / 1_000_000_000;
            tracing::warn!(
                "the system's clock differs from filmgate's by {seconds} s: it was set; filmgate's follows slowly, and \
                 at once when it is started anew"
            );
        }
        Timestamp::from_millis(i64::try_from(shown.time / 1_000_000).unwrap_or(i64::MAX))
    }
}

/// The time of this process.
static STEADY: Steady = Steady(Mutex::new(None));

/// The system's clock, as steady as it may be.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        STEADY.show(system(), uptime())
    }
}

impl Timer for SystemClock {
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let left = at.since(self.now());
                if left.is_zero() {
                    return;
                }
                // The machine may be asleep meanwhile: look again every now and then.
                tokio::time::sleep(left.min(Duration::from_secs(30))).await;
            }
        })
    }

    fn elsewhere(&self) -> Timestamp {
        system()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where real time comes from")]
fn system() -> Timestamp {
    let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Timestamp::from_millis(millis)
}

/// How long the machine runs, with the time that it slept.
#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Since the first call: whether that counts the time that a machine sleeps is up to the system.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this is the one place where real time comes from")]
fn uptime() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// What is shown after each of these: what the clock shows, and how long the machine ran, in milliseconds.
    fn shown(readings: &[(i64, u64)]) -> Vec<i64> {
        let steady = Steady::default();
        let show = |(clock, uptime): &(i64, u64)| {
            steady.show(Timestamp::from_millis(*clock), Duration::from_millis(*uptime)).as_millis()
        };
        readings.iter().map(show).collect()
    }

    #[test]
    fn it_shows_what_the_clock_shows_as_long_as_nobody_sets_that() {
        assert_eq!(shown(&[(5000, 10), (6000, 1010), (6000, 1010), (9000, 4010)]), [5000, 6000, 6000, 9000]);
    }

    #[test]
    fn a_clock_that_is_set_is_followed_by_a_tenth_of_the_time_and_never_back() {
        for set in [HOUR, 8760 * HOUR] {
            assert_eq!(
                shown(&[(0, 0), (set, 0), (set + 1000, 1000), (set + 2000, 2000)]),
                [0, 0, 1100, 2200]
            );
        }
        let set = -HOUR;
        assert_eq!(shown(&[(0, 0), (set, 0), (set + 1000, 1000), (set + 2000, 2000)]), [0, 0, 900, 1800]);
    }

    #[test]
    fn it_arrives_and_stays() {
        let minutes = (0..1000_u64).map(|minute| (HOUR + minute.cast_signed() * 60_000, minute * 60_000));
        let mut readings = vec![(0, 0)];
        readings.extend(minutes);
        let shown = shown(&readings);
        assert_eq!(shown.last(), Some(&(HOUR + 999 * 60_000)));
        assert!(shown.is_sorted());
    }

    #[test]
    fn the_machine_goes_on() {
        assert!(uptime() > Duration::ZERO || cfg!(not(target_os = "linux")));
        assert!(uptime() <= uptime());
        assert!(SystemClock.now() <= SystemClock.now());
    }
}

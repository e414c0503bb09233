//! Counts how finished videos went, minute by minute, and writes that down once a minute.
//!
//! It is for charts. What a token spent is in the attempts, which are on disk before anything is counted here: a
//! kill loses what was counted since the last full minute, and nothing of the books. A clean stop loses nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use filmgate_domain::{Job, Minute, Timestamp};
use filmgate_store::{MinuteRow, StoreError};

use crate::Engine;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts in memory, at most: days of a usual setup. Beyond that, while nothing can be written, the oldest go.
const MOST: usize = 10_000;

/// What is counted and not on disk yet.
#[derive(Default)]
pub(crate) struct Minutes {
    counted: Mutex<BTreeMap<(Timestamp, Box<str>), Minute>>,
    /// Held while counts are on their way to disk: whoever adds up disk and memory sees each of them once.
    moving: tokio::sync::Mutex<()>,
}

impl Minutes {
    pub(crate) fn is_broken(&self) -> bool {
        self.counted.is_poisoned()
    }

    /// Counts a job that has just come to its end.
    pub(crate) fn note(&self, job: &Job, now: Timestamp) {
        if !job.state.is_final() {
            return;
        }
        let at = begin(now, MINUTE);
        let last = job.attempt().map(|attempt| attempt.pool.clone()).unwrap_or_default();
        let mut counted = self.counted();
        counted.entry((at, last)).or_default().count(job);
        for attempt in job.attempts.iter().filter(|attempt| attempt.charged) {
            counted.entry((at, attempt.pool.clone())).or_default().units += u64::from(attempt.units);
        }
        while counted.len() > MOST {
            counted.pop_first();
        }
    }

    fn take(&self) -> Vec<MinuteRow> {
        rows(std::mem::take(&mut *self.counted()))
    }

    fn put_back(&self, rows: Vec<MinuteRow>) {
        let mut counted = self.counted();
        for MinuteRow { at, pool, counted: more } in rows {
            *counted.entry((at, pool)).or_default() += &more;
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<(Timestamp, Box<str>), Minute>> {
        self.counted.lock().expect("no panic under this lock")
    }
}

impl Engine {
    /// How videos went from `from` on, in spans of `step` and by pool, in the order of time; with what is not on
    /// disk yet. A kept minute is whole in one span if `step` is a number of minutes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn minutes(&self, from: Timestamp, step: Duration) -> Result<Vec<MinuteRow>, StoreError> {
        let minutes = &self.inner.minutes;
        let _still = minutes.moving.lock().await;
        let end = Timestamp::from_millis(i64::MAX);
        let known = self.inner.store.minutes(from, end, step).await?;
        let known = known.into_iter().map(|MinuteRow { at, pool, counted }| ((at, pool), counted));
        let mut spans: BTreeMap<(Timestamp, Box<str>), Minute> = known.collect();
        for ((at, pool), more) in minutes.counted().range((from, "".into())..) {
            *spans.entry((begin(*at, step), pool.clone())).or_default() += more;
        }
        Ok(rows(spans))
    }

    /// Writes down what was counted at the end of each minute, until the engine stops.
    pub(crate) async fn run_minutes(self) {
        loop {
            let next = begin(self.now(), MINUTE) + MINUTE;
            tokio::select! {
                biased;
                () = self.inner.timer.sleep_until(next) => self.save_minutes().await,
                () = self.inner.stopping.cancelled() => return,
            }
        }
    }

    /// Writes down what was counted. What cannot be written is kept for the next time.
    pub(crate) async fn save_minutes(&self) {
        let minutes = &self.inner.minutes;
        let _moving = minutes.moving.lock().await;
        let rows = minutes.take();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.inner.store.add_minutes(rows.clone()).await {
            tracing::error!(%error, "how the last minute went could not be written; trying again");
            minutes.put_back(rows);
        }
    }
}

fn rows(counted: BTreeMap<(Timestamp, Box<str>), Minute>) -> Vec<MinuteRow> {
    counted.into_iter().map(|((at, pool), counted)| MinuteRow { at, pool, counted }).collect()
}

/// When the span of this length began that a time is in.
fn begin(at: Timestamp, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_millis(at.as_millis().div_euclid(step) * step)
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{
        AspectRatio, Attempt, CallerId, Course, JobId, JobState, LostAnswer, Resolution, Route, Seconds,
        Shape, TokenId, VideoSpec,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_041_000);

    fn failed(attempts: &[(&str, u32, bool)]) -> Job {
        let (resolution, seconds) = (Resolution::P480, Seconds::DEFAULT);
        let shape = Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 };
        let spec = VideoSpec::new("m", "a red fox", shape).unwrap();
        let job = Job::new(JobId::from_bytes([1; 16]), CallerId(1), spec, [0; 32], (NOW, NOW));
        let attempt = |(pool, units, charged): &(&str, u32, bool)| Attempt {
            n: 1,
            token: TokenId(1),
            pool: (*pool).into(),
            upstream: "u".into(),
            model: "m".into(),
            route: Route::Primary,
            reason: "".into(),
            sent: shape,
            units: *units,
            reserved_at: NOW,
            sent_at: None,
            lost_answer: LostAnswer::GiveUp,
            lost_at: None,
            answered_at: None,
            upstream_id: None,
            video_url: None,
            cost_ticks: None,
            outcome: None,
            error: None,
            settled_at: Some(NOW),
            charged: *charged,
            slot_until: None,
        };
        let attempts = attempts.iter().map(attempt).collect();
        Job { state: JobState::Failed, finished_at: Some(NOW), attempts, ..job }
    }

    #[test]
    fn a_job_counts_in_its_last_pool_and_its_units_where_they_were_charged() {
        let minutes = Minutes::default();
        minutes.note(&failed(&[("a", 4, true), ("b", 5, false), ("c", 6, true)]), NOW);
        minutes.note(&failed(&[]), NOW);
        minutes.note(&Job { state: JobState::Running, ..failed(&[("d", 9, true)]) }, NOW);
        let at = Timestamp::from_millis(1_700_000_040_000);
        let counted: Vec<_> = minutes
            .take()
            .into_iter()
            .map(|row| {
                assert_eq!(row.at, at);
                (row.pool.to_string(), row.counted.of(Course::Failed), row.counted.units)
            })
            .collect();
        let expected = [("", 1, 0), ("a", 0, 4), ("c", 1, 6)];
        assert_eq!(counted, expected.map(|(pool, failed, units)| (pool.to_owned(), failed, units)));
        assert!(minutes.take().is_empty());
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_meanwhile() {
        let minutes = Minutes::default();
        minutes.note(&failed(&[("a", 4, true)]), NOW);
        let taken = minutes.take();
        minutes.note(&failed(&[("a", 4, true)]), NOW);
        minutes.put_back(taken);
        let rows = minutes.take();
        assert_eq!((rows.len(), rows[0].counted.total(), rows[0].counted.units), (1, 2, 8));
    }

    #[test]
    fn while_nothing_can_be_written_the_oldest_go() {
        let minutes = Minutes::default();
        let job = failed(&[("a", 4, true)]);
        (0..MOST as u32 + 3).for_each(|minute| minutes.note(&job, NOW + MINUTE * minute));
        let rows = minutes.take();
        assert_eq!((rows.len(), rows[0].at), (MOST, begin(NOW, MINUTE) + MINUTE * 3));
    }
}

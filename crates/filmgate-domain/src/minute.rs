//! How finished videos went, counted: what charts are drawn from.

use std::ops::AddAssign;
use std::time::Duration;

use crate::{Job, JobState, Outcome, Route, Verdict};

/// How a finished video went, in one word. Of several that fit, the first of this list counts:
///
/// 1. `failed`: there is no file.
/// 2. `fallen_back`: a pool made it that cannot deliver what was asked, and that was announced.
/// 3. `downgraded`: it is less than what was asked all the same: the upstream delivered less than it should.
/// 4. `upgraded`: a stronger pool than needed made it, as asked.
/// 5. `as_asked`: the first pool that delivers such videos made it, as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// As asked, by the first pool that delivers such videos.
    AsAsked,
    /// As asked, by a stronger pool than needed.
    Upgraded,
    /// By a pool that cannot deliver what was asked.
    FallenBack,
    /// Less than asked, although its pool should deliver it.
    Downgraded,
    /// No file.
    Failed,
}

impl Course {
    /// All of them, from good to bad.
    pub const ALL: [Course; 5] =
        [Course::AsAsked, Course::Upgraded, Course::FallenBack, Course::Downgraded, Course::Failed];

    /// The word used in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Course::AsAsked => "as_asked",
            Course::Upgraded => "upgraded",
            Course::FallenBack => "fallen_back",
            Course::Downgraded => "downgraded",
            Course::Failed => "failed",
        }
    }

    /// How a job went; `None` while it is not at its end.
    pub fn of(job: &Job) -> Option<Course> {
        match job.state {
            JobState::Failed => Some(Course::Failed),
            JobState::Completed => Some(match (job.attempt().map(|attempt| attempt.route), job.verdict()) {
                (Some(Route::Fallback), _) => Course::FallenBack,
                (_, Some(Verdict::Downgraded)) => Course::Downgraded,
                (Some(Route::Upgrade), _) => Course::Upgraded,
                _ => Course::AsAsked,
            }),
            _ => None,
        }
    }
}

/// The videos of one pool that ended within one minute, or within several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// How many went which way, in the order of [`Course::ALL`].
    pub courses: [u64; 5],
    /// Of those that failed: those of which nobody knows whether the upstream took them.
    pub unknown: u64,
    /// Of those with a file: those that are less than what the upstream was asked for.
    pub below_sent: u64,
    /// Units that the pool's tokens were charged, by the videos that ended.
    pub units: u64,
    /// Time from admission to the delivered file, of those that have one.
    pub latency: Latency,
}

impl Minute {
    /// Counts a finished job, by everything but its units. Nothing happens while it is not at its end.
    pub fn count(&mut self, job: &Job) {
        let Some(course) = Course::of(job) else { return };
        self.courses[course as usize] += 1;
        if course == Course::Failed {
            let unknown = job.attempt().and_then(|attempt| attempt.outcome) == Some(Outcome::Unknown);
            self.unknown += u64::from(unknown);
        } else {
            self.below_sent += u64::from(job.falls_short_of_sent());
            let ended = job.finished_at.unwrap_or(job.created_at);
            self.latency.count(ended.since(job.created_at));
        }
    }

    /// How many videos went this way.
    pub fn of(&self, course: Course) -> u64 {
        self.courses[course as usize]
    }

    /// How many videos ended.
    pub fn total(&self) -> u64 {
        self.courses.iter().sum()
    }
}

impl AddAssign<&Minute> for Minute {
    fn add_assign(&mut self, other: &Minute) {
        let Minute { courses, unknown, below_sent, units, latency } = other;
        self.courses.iter_mut().zip(courses).for_each(|(own, more)| *own += more);
        self.unknown += unknown;
        self.below_sent += below_sent;
        self.units += units;
        self.latency.0.iter_mut().zip(&latency.0).for_each(|(own, more)| *own += more);
    }
}

/// How many classes of latency there are. Each is a quarter wider than the one before; the first ends at half a
/// second, the last but one at about an hour, and the last takes everything above.
const CLASSES: usize = 42;

const FIRST_CLASS_ENDS: f64 = 0.5;
const GROWTH: f64 = 1.25;

/// Times, counted by classes: what is read from it is off by less than a quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency([u64; CLASSES]);

impl Default for Latency {
    fn default() -> Self {
        Self([0; CLASSES])
    }
}

impl Latency {
    /// Counts a time.
    pub fn count(&mut self, time: Duration) {
        let time = time.as_secs_f64();
        let class = (0..CLASSES - 1).find(|class| time <= end(*class)).unwrap_or(CLASSES - 1);
        self.0[class] += 1;
    }

    /// The counts by class, without the empty ones at the end.
    pub fn counts(&self) -> &[u64] {
        let filled = self.0.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        &self.0[..filled]
    }

    /// What has these counts; `None` when those are too many.
    pub fn from_counts(counts: &[u64]) -> Option<Self> {
        let mut latency = Self::default();
        latency.0.get_mut(..counts.len())?.copy_from_slice(counts);
        Some(latency)
    }

    /// The time that this share of the videos (0 to 1) took at most; `None` where none was counted. Times within
    /// a class are taken as evenly spread; of the last class, its beginning is told.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total: u64 = self.0.iter().sum();
        let wanted = (share.clamp(0.0, 1.0) * total as f64).max(1.0);
        let mut before = 0;
        for (class, &count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            if (before + count) as f64 >= wanted || before + count == total {
                let begin = if class == 0 { 0.0 } else { end(class - 1) };
                let width = if class == CLASSES - 1 { 0.0 } else { end(class) - begin };
                let within = (wanted - before as f64) / count as f64;
                return Some(Duration::from_secs_f64(begin + width * within.clamp(0.0, 1.0)));
            }
            before += count;
        }
        None
    }
}

/// Where a class ends, in seconds; that time belongs to it.
fn end(class: usize) -> f64 {
    FIRST_CLASS_ENDS * GROWTH.powi(class as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use rstest::rstest;

    use super::*;
    use crate::{
        AspectRatio, Attempt, CallerId, Delivered, JobId, Resolution, Seconds, Shape, Timestamp, TokenId,
        VideoSpec,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn shape(resolution: Resolution) -> Shape {
        Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 }
    }

    /// A 720p job of which `route` made a video of that height (0: none, with that outcome).
    fn job(route: Route, height: u32, outcome: Outcome) -> Job {
        let spec = VideoSpec::new("m", "a red fox", shape(Resolution::P720)).unwrap();
        let id = JobId::new(NOW, &mut StdRng::seed_from_u64(1));
        let mut job = Job::new(id, CallerId(1), spec, [0; 32], (NOW, NOW + Duration::from_secs(900)));
        let sent = if route == Route::Fallback { Resolution::P480 } else { Resolution::P720 };
        job.attempts.push(Attempt {
            n: 1,
            token: TokenId(1),
            pool: "p".into(),
            upstream: "u".into(),
            model: "m".into(),
            route,
            reason: "".into(),
            sent: shape(sent),
            units: 4,
            reserved_at: NOW,
            sent_at: None,
            lost_answer: crate::LostAnswer::GiveUp,
            lost_at: None,
            answered_at: None,
            upstream_id: None,
            video_url: None,
            cost_ticks: None,
            outcome: Some(outcome),
            error: None,
            settled_at: None,
            charged: true,
            slot_until: None,
        });
        job.finished_at = Some(NOW + Duration::from_secs(20));
        job.state = if height > 0 { JobState::Completed } else { JobState::Failed };
        let (duration_ms, codec, sha256) = (6000, "h264".into(), "".into());
        let file = Delivered { width: height * 16 / 9, height, duration_ms, codec, bytes: 1, sha256 };
        job.delivered = (height > 0).then_some(file);
        job
    }

    #[rstest]
    #[case(Route::Primary, 720, Outcome::Done, Course::AsAsked, (0, 0))]
    #[case(Route::Upgrade, 720, Outcome::Done, Course::Upgraded, (0, 0))]
    #[case(Route::Fallback, 480, Outcome::Done, Course::FallenBack, (0, 0))]
    #[case(Route::Fallback, 240, Outcome::Done, Course::FallenBack, (0, 1))]
    #[case(Route::Primary, 480, Outcome::Done, Course::Downgraded, (0, 1))]
    #[case(Route::Upgrade, 480, Outcome::Done, Course::Downgraded, (0, 1))]
    #[case(Route::Fallback, 0, Outcome::Failed, Course::Failed, (0, 0))]
    #[case(Route::Primary, 0, Outcome::Unknown, Course::Failed, (1, 0))]
    fn every_end_has_one_course(
        #[case] route: Route,
        #[case] height: u32,
        #[case] outcome: Outcome,
        #[case] course: Course,
        #[case] (unknown, below_sent): (u64, u64),
    ) {
        let mut minute = Minute::default();
        minute.count(&job(route, height, outcome));
        assert_eq!((minute.total(), minute.of(course)), (1, 1));
        assert_eq!((minute.unknown, minute.below_sent), (unknown, below_sent));
        let median = minute.latency.quantile(0.5);
        assert_eq!(median.is_some(), height > 0, "what failed has no latency");
    }

    #[test]
    fn what_has_not_ended_is_not_counted() {
        let mut minute = Minute::default();
        minute.count(&Job { state: JobState::Delivering, ..job(Route::Primary, 720, Outcome::Done) });
        assert_eq!(minute, Minute::default());
    }

    #[test]
    fn what_takes_longer_than_the_classes_go_is_told_as_their_end() {
        let mut latency = Latency::default();
        latency.count(Duration::from_secs(1_000_000));
        let told = latency.quantile(0.95).unwrap().as_secs();
        assert!((3600..4000).contains(&told), "{told}");
        assert_eq!(latency.counts().len(), CLASSES);
        assert_eq!(Latency::from_counts(&[1; CLASSES + 1]), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_less_than_a_quarter(
            mut times in prop::collection::vec(500u64..3_600_000, 1..200),
            share in 0.01f64..1.0,
        ) {
            let mut latency = Latency::default();
            times.iter().for_each(|time| latency.count(Duration::from_millis(*time)));
            times.sort_unstable();
            let nth = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let exact = times[nth - 1] as f64 / 1000.0;
            let told = latency.quantile(share).unwrap().as_secs_f64();
            prop_assert!(told <= exact * GROWTH + 1e-6 && told >= exact / GROWTH - 1e-6, "{told} for {exact}");
        }

        #[test]
        fn counts_go_to_disk_and_back(counts in prop::collection::vec(0u64..5, 0..=CLASSES)) {
            let latency = Latency::from_counts(&counts).unwrap();
            prop_assert_eq!(Latency::from_counts(latency.counts()), Some(latency));
        }
    }
}

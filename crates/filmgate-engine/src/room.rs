//! The waiting room: who gets the next token that comes free.
//!
//! Jobs that any token of the same kind would serve stand in one line. Of several callers, the one that was
//! served least recently comes first; a caller's own jobs come in the order of their age. So a caller with a
//! thousand waiting jobs delays another's only job by one token.

use std::collections::{BTreeSet, HashMap, HashSet};

use filmgate_domain::{CallerId, JobId, Mode, Shape, VideoSpec, Wanted};

/// What a job waits for. Jobs of the same class are served by the same tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    model: Box<str>,
    shape: Shape,
    mode: Mode,
    fallback: bool,
}

impl Class {
    /// `fallback`: whether a pool that delivers less will do.
    pub(crate) fn new(spec: &VideoSpec, fallback: bool) -> Self {
        Self { model: spec.model.clone(), shape: spec.shape, mode: spec.mode, fallback }
    }

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        let Self { model, shape, mode, fallback } = self;
        Wanted { model, shape: *shape, mode: *mode, fallback: *fallback }
    }
}

/// The jobs that wait for a token. Ids grow with time: the smallest is the oldest.
#[derive(Debug, Default)]
pub(crate) struct Room {
    lines: HashMap<Class, HashMap<CallerId, BTreeSet<JobId>>>,
    places: HashMap<JobId, (Class, CallerId)>,
    /// The turn at which a caller was served last, while anybody waits.
    served: HashMap<CallerId, u64>,
    turn: u64,
}

impl Room {
    /// Lets a job wait for a token of this class; one that waits already changes its line.
    pub(crate) fn enter(&mut self, job: JobId, caller: CallerId, class: Class) {
        if self.places.get(&job).is_some_and(|(current, _)| *current == class) {
            return;
        }
        self.leave(job);
        self.lines.entry(class.clone()).or_default().entry(caller).or_default().insert(job);
        self.places.insert(job, (class, caller));
    }

    /// A job waits no more. Nothing happens when it did not.
    pub(crate) fn leave(&mut self, job: JobId) {
        let Some((class, caller)) = self.places.remove(&job) else { return };
        let Some(line) = self.lines.get_mut(&class) else { return };
        if let Some(jobs) = line.get_mut(&caller) {
            jobs.remove(&job);
            if jobs.is_empty() {
                line.remove(&caller);
            }
        }
        if line.is_empty() {
            self.lines.remove(&class);
        }
        if self.places.is_empty() {
            // With nobody waiting, nobody is owed anything.
            self.served.clear();
        }
    }

    pub(crate) fn contains(&self, job: JobId) -> bool {
        self.places.contains_key(&job)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Serves whoever can be served: asks `offer` for a token for whose turn it is, until it has none for any
    /// class. Whoever is served leaves the room.
    pub(crate) fn serve<G>(&mut self, mut offer: impl FnMut(&Class, JobId) -> Option<G>) -> Vec<(JobId, G)> {
        let (mut served, mut closed) = (Vec::new(), HashSet::new());
        'next: loop {
            let mut fronts = self.fronts(&closed);
            fronts.sort_unstable_by_key(|front| (front.turn, front.job));
            for Front { class, job, caller, .. } in fronts {
                if let Some(grant) = offer(&class, job) {
                    self.turn += 1;
                    self.served.insert(caller, self.turn);
                    self.leave(job);
                    served.push((job, grant));
                    continue 'next;
                }
                closed.insert(class);
            }
            return served;
        }
    }

    /// Whose turn it is in each class that is not closed.
    fn fronts(&self, closed: &HashSet<Class>) -> Vec<Front> {
        let open = self.lines.iter().filter(|(class, _)| !closed.contains(*class));
        let first = |(class, line): (&Class, &HashMap<CallerId, BTreeSet<JobId>>)| {
            let callers = line.iter().filter_map(|(caller, jobs)| {
                let turn = self.served.get(caller).copied().unwrap_or(0);
                Some((turn, *jobs.first()?, *caller))
            });
            let (turn, job, caller) = callers.min()?;
            Some(Front { class: class.clone(), turn, job, caller })
        };
        open.filter_map(first).collect()
    }
}

/// The first of a line.
struct Front {
    class: Class,
    turn: u64,
    job: JobId,
    caller: CallerId,
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{AspectRatio, Resolution, Seconds, Timestamp};
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn class(resolution: Resolution) -> Class {
        let (seconds, aspect_ratio) = (Seconds::DEFAULT, AspectRatio::R16x9);
        let spec = VideoSpec::new("m", "a red fox", Shape { resolution, seconds, aspect_ratio });
        Class::new(&spec.unwrap(), false)
    }

    /// The job that was admitted so many milliseconds after the beginning.
    fn job(age: u64) -> JobId {
        JobId::new(Timestamp::from_millis(age as i64 + 1), &mut StdRng::seed_from_u64(age))
    }

    /// Serves up to so many; gives the jobs in their order.
    fn serve(room: &mut Room, mut tokens: usize) -> Vec<JobId> {
        let offer = |_: &Class, _| {
            tokens = tokens.checked_sub(1)?;
            Some(())
        };
        room.serve(offer).into_iter().map(|(job, ())| job).collect()
    }

    #[test]
    fn a_thousand_jobs_of_one_caller_delay_another_by_one_token() {
        let mut room = Room::default();
        (0..1000).for_each(|n| room.enter(job(n), CallerId(1), class(Resolution::P720)));
        assert_eq!(serve(&mut room, 1), [job(0)]);
        room.enter(job(1000), CallerId(2), class(Resolution::P720));
        assert_eq!(serve(&mut room, 3), [job(1000), job(1), job(2)]);
        // Who comes again and again is not a newcomer each time.
        room.enter(job(1001), CallerId(2), class(Resolution::P720));
        assert_eq!(serve(&mut room, 2), [job(1001), job(3)]);
        room.enter(job(1002), CallerId(2), class(Resolution::P720));
        room.enter(job(1003), CallerId(2), class(Resolution::P720));
        assert_eq!(serve(&mut room, 4), [job(1002), job(4), job(1003), job(5)]);
    }

    #[test]
    fn a_class_without_tokens_holds_up_no_other() {
        let mut room = Room::default();
        room.enter(job(0), CallerId(1), class(Resolution::P720));
        room.enter(job(1), CallerId(1), class(Resolution::P480));
        room.enter(job(2), CallerId(2), class(Resolution::P480));
        let (mut asked, small) = (0, class(Resolution::P480));
        let served = room.serve(|class, job| {
            asked += 1;
            (*class == small).then_some(job)
        });
        assert_eq!(served.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [job(1), job(2)]);
        assert_eq!(asked, 3, "a class that has nothing is asked for once");
        assert!(room.contains(job(0)) && !room.contains(job(1)));
    }

    #[test]
    fn who_changes_the_line_waits_once() {
        let mut room = Room::default();
        room.enter(job(0), CallerId(1), class(Resolution::P720));
        room.enter(job(0), CallerId(1), class(Resolution::P480));
        assert_eq!(serve(&mut room, 9), [job(0)]);
        room.leave(job(0));
        assert!(room.is_empty() && room.lines.is_empty() && room.served.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Op {
        Enter { caller: i64, big: bool },
        Leave { nth: usize },
        Serve { tokens: [usize; 2] },
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            5 => (0..4i64, any::<bool>()).prop_map(|(caller, big)| Op::Enter { caller, big }),
            1 => (0..20usize).prop_map(|nth| Op::Leave { nth }),
            3 => (0..4usize, 0..4usize).prop_map(|(a, b)| Op::Serve { tokens: [a, b] }),
        ]
    }

    /// Of those that a token could serve, the oldest job of the caller that was served longest ago: a plain
    /// list, looked through each time.
    #[derive(Default)]
    struct Naive {
        waiting: Vec<(JobId, i64, bool)>,
        /// Callers in the order in which they were served since somebody has been waiting.
        history: Vec<i64>,
    }

    impl Naive {
        fn serve(&mut self, mut tokens: [usize; 2]) -> Vec<JobId> {
            let mut served = Vec::new();
            loop {
                let able = self.waiting.iter().filter(|(_, _, big)| tokens[usize::from(*big)] > 0);
                let last = |caller: i64| self.history.iter().rposition(|served| *served == caller);
                let Some(&next) = able.min_by_key(|(job, caller, _)| (last(*caller), *job)) else {
                    return served;
                };
                tokens[usize::from(next.2)] -= 1;
                self.history.push(next.1);
                self.drop(next.0);
                served.push(next.0);
            }
        }

        fn drop(&mut self, job: JobId) {
            self.waiting.retain(|(other, ..)| *other != job);
            if self.waiting.is_empty() {
                self.history.clear();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn the_room_serves_fairly_and_loses_nobody(ops in proptest::collection::vec(op(), 1..120)) {
            let (mut room, mut naive, mut born) = (Room::default(), Naive::default(), 0);
            let of = |big| class(if big { Resolution::P720 } else { Resolution::P480 });
            for op in ops {
                match op {
                    Op::Enter { caller, big } => {
                        born += 1;
                        room.enter(job(born), CallerId(caller), of(big));
                        naive.waiting.push((job(born), caller, big));
                    }
                    Op::Leave { nth } => {
                        let Some(&(job, ..)) = naive.waiting.get(nth) else { continue };
                        room.leave(job);
                        naive.drop(job);
                    }
                    Op::Serve { tokens } => {
                        let mut left = tokens;
                        let served = room.serve(|class, job| {
                            let kind = &mut left[usize::from(*class == of(true))];
                            *kind = kind.checked_sub(1)?;
                            Some(job)
                        });
                        prop_assert!(served.iter().all(|(job, offered)| job == offered));
                        let served: Vec<JobId> = served.into_iter().map(|(job, _)| job).collect();
                        prop_assert_eq!(served, naive.serve(tokens));
                    }
                }
                let lost = naive.waiting.iter().find(|(job, ..)| !room.contains(*job));
                prop_assert!(lost.is_none() && room.places.len() == naive.waiting.len(), "{lost:?}");
            }
            // Nobody starves: with tokens enough, everybody is served.
            let waiting = naive.waiting.len();
            prop_assert_eq!(serve(&mut room, waiting).len(), waiting);
            prop_assert!(room.is_empty() && room.lines.is_empty());
        }
    }
}

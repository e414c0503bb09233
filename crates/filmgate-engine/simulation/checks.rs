//! What has to hold, whatever happens: of each job, of the tokens' books, of who waits, and of callers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    Attempt, CallerId, Clock as _, Job, JobState, LostAnswer, Outcome, Timestamp, TokenId, TokenStatus,
};
use filmgate_engine::Engine;
use filmgate_store::{JobFilter, TokenHistory};

use crate::book::cost;
use crate::faults::End;
use crate::setup::{LONGEST_WINDOW, MATTERS_FOR, bound};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// Looks at everything while nothing is on its way to the disk: then memory and disk must agree.
pub(crate) async fn look(world: &Arc<World>, engine: &Engine) {
    if !is_still(world, engine).await {
        return;
    }
    world.state().counts.checks += 1;
    let jobs = all_jobs(world, engine).await;
    for job in &jobs {
        saw(world, job);
        // What is shown is what is on disk, save for the progress, and what the last poll met.
        let shown = engine.follow(job.id).map(|latest| Arc::clone(&latest.borrow()));
        let durable = |job: &Job| -> (JobState, Vec<Attempt>) {
            let is_kept = job.state != JobState::Running;
            let error = |attempt: &Attempt| attempt.error.clone().filter(|_| is_kept);
            let attempts = job.attempts.iter();
            (
                job.state,
                attempts.map(|attempt| Attempt { error: error(attempt), ..attempt.clone() }).collect(),
            )
        };
        let same = shown.is_none_or(|shown| durable(&shown) == durable(job));
        world.demand(same || job.state == JobState::Delivering, || {
            format!("{} is shown as what it is not", job.id)
        });
    }
    let told = world.state().told.clone();
    for job in told {
        world.demand(jobs.iter().any(|known| known.id == job), || format!("{job} was accepted and is lost"));
    }
    tokens(world, engine, &jobs).await;
    callers(world, engine, &jobs);
    waiting(world, engine, &jobs);
    files(world, engine, &jobs);
}

/// Waits until nothing is on its way to the disk. False when that does not come about.
async fn is_still(world: &World, engine: &Engine) -> bool {
    for _ in 0..20 {
        if engine.store().save_tokens(&[]).await.is_err() {
            return false;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let state = world.state();
        if !state.writing && state.calls == 0 {
            return true;
        }
    }
    false
}

/// Every job on disk, oldest first.
async fn all_jobs(world: &World, engine: &Engine) -> Vec<Job> {
    let filter = JobFilter { limit: 10_000, ascending: true, deleted: true, ..JobFilter::default() };
    match engine.store().jobs(&filter).await {
        Ok(jobs) => jobs,
        Err(error) => {
            world.violated(format!("jobs cannot be read: {error}"));
            Vec::new()
        }
    }
}

// ---- jobs ----

/// A job was seen, after what was seen of it before.
pub(crate) fn saw(world: &World, job: &Job) {
    let before = world.state().jobs.get(&job.id).cloned();
    let wrong = alone(world, job).or_else(|| before.and_then(|before| after(&before, job)));
    if let Some(wrong) = wrong {
        world.violated(format!("{}: {wrong}", job.id));
    }
    world.state().jobs.insert(job.id, Arc::new(job.clone()));
}

/// What is wrong with a job by itself.
fn alone(world: &World, job: &Job) -> Option<String> {
    let numbers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.n).collect();
    if numbers != (1..=job.attempts.len() as u32).collect::<Vec<_>>() || numbers.len() > 3 {
        return Some(format!("it has the attempts {numbers:?}"));
    }
    if job.blamed > 2 {
        return Some(format!("it blames {} tokens", job.blamed));
    }
    let (last, earlier) =
        job.attempts.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
    if earlier.iter().any(|attempt| attempt.outcome != Some(Outcome::Refused)) {
        return Some("it went on after an attempt that was not refused".to_owned());
    }
    let holds = last.is_some_and(|last| last.settled_at.is_none());
    let should = matches!(job.state, JobState::Reserved | JobState::Submitting | JobState::Running);
    if holds != should {
        return Some(format!("it is {} and holds a token: {holds}", job.state));
    }
    if job.finished_at.is_some() != job.state.is_final()
        || job.failure.is_some() != (job.state == JobState::Failed)
    {
        return Some(format!("it is {}, ended {:?}, for {:?}", job.state, job.finished_at, job.failure));
    }
    job.attempts.iter().find_map(|attempt| told_true(world, job, attempt))
}

/// What is wrong with an attempt, by the upstream's book and the rule of what is charged.
fn told_true(world: &World, job: &Job, attempt: &Attempt) -> Option<String> {
    let mut state = world.state();
    let state = &mut *state;
    let (n, rules) = (attempt.n, &state.setups[0].1.rules);
    let made = state.book.of_job(job.id).filter(|made| made.attempt == n);
    if attempt.sent_at.is_none() && state.book.has_arrived(job.id, n) {
        return Some(format!("attempt {n} was sent and does not know it"));
    }
    let Some(outcome) = attempt.outcome else {
        let lost = attempt.upstream_id.is_some() && made.is_none();
        return lost.then(|| format!("attempt {n} runs, and the upstream does not know of it"));
    };
    let end = made.map(|made| made.end);
    let fits = match outcome {
        Outcome::Done => end == Some(End::Done),
        Outcome::Moderated => end == Some(End::Moderated),
        Outcome::Failed => matches!(end, Some(End::Failed | End::Forgotten)),
        Outcome::Refused => made.is_none(),
        Outcome::Unsent => !state.book.has_arrived(job.id, n),
        Outcome::Unknown | Outcome::TimedOut | Outcome::Cancelled => true,
    };
    if !fits {
        return Some(format!("attempt {n} ended as {outcome}, and the upstream as {end:?}"));
    }
    if attempt.charged != rules.charge.contains(&outcome) {
        return Some(format!("attempt {n} ended as {outcome} and is charged: {}", attempt.charged));
    }
    if attempt.units != cost(attempt.sent) {
        return Some(format!("attempt {n} costs {} units", attempt.units));
    }
    let early = attempt.settled_at.is_some_and(|at| at < job.deadline);
    if outcome == Outcome::Unknown && attempt.lost_answer != LostAnswer::GiveUp && early {
        return Some(format!("attempt {n} was given up before its time"));
    }
    let unanswered = matches!(outcome, Outcome::Unknown | Outcome::TimedOut | Outcome::Cancelled);
    let slot = attempt.sent_at.filter(|_| unanswered).map(|at| at + rules.slot_hold);
    (attempt.slot_until != slot).then(|| format!("attempt {n} holds its slot until {:?}", attempt.slot_until))
}

/// What is wrong with how a job became what it is.
fn after(before: &Job, job: &Job) -> Option<String> {
    use JobState::{Completed, Delivering, Failed, Queued, Reserved, Running, Submitting};
    if before.state.is_final() {
        let job =
            Job { file_removed_at: before.file_removed_at, deleted_at: before.deleted_at, ..job.clone() };
        return (*before != job).then(|| "it changed after its end".to_owned());
    }
    // Another attempt begins anew.
    let again = job.attempts.len() > before.attempts.len();
    let place = |state| {
        [Queued, Reserved, Submitting, Running, Delivering, Completed].iter().position(|s| *s == state)
    };
    let refused = job
        .attempts
        .get(before.attempts.len().wrapping_sub(1))
        .is_some_and(|a| a.outcome == Some(Outcome::Refused));
    let back = job.state != Failed && place(job.state) < place(before.state);
    if back && !again && !refused {
        return Some(format!("it went from {} to {}", before.state, job.state));
    }
    if before.state == Delivering && again {
        return Some("it went on after its video was done".to_owned());
    }
    if job.progress < before.progress || job.blamed < before.blamed || job.fetches < before.fetches {
        return Some("it lost count".to_owned());
    }
    before.attempts.iter().zip(&job.attempts).find_map(|(before, now)| {
        let same = |now: &Attempt| Attempt {
            video_url: before.video_url.clone(),
            cost_ticks: before.cost_ticks,
            ..now.clone()
        };
        let settled = before.settled_at.is_some() && *before != same(now);
        let moved = (before.token, &before.pool, before.units, before.reserved_at)
            != (now.token, &now.pool, now.units, now.reserved_at);
        let renamed = before.upstream_id.is_some() && before.upstream_id != now.upstream_id;
        (settled || moved || renamed).then(|| format!("attempt {} changed", before.n))
    })
}

// ---- tokens ----

/// The sums over the attempts on disk are the manager's books, and nobody is used who must not be.
async fn tokens(world: &World, engine: &Engine, jobs: &[Job]) {
    let now = world.clock.now();
    for view in engine.tokens() {
        let id = view.info.id;
        let attempts = attempts_of(world, engine, id).await;
        let Some((_, ledger)) = engine.token_ledger(id) else { continue };
        let open: Vec<&Attempt> = attempts.iter().filter(|a| a.settled_at.is_none()).collect();
        let reserved: u32 = open.iter().map(|attempt| attempt.units).sum();
        let books = (open.len() as u32, reserved);
        world.demand(books == (ledger.open, ledger.reserved), || {
            format!("{id} has {books:?} open on disk and {:?} in its books", (ledger.open, ledger.reserved))
        });
        let mut held: Vec<Timestamp> = attempts
            .iter()
            .filter_map(|a| a.slot_until.filter(|until| a.settled_at.is_some() && *until > now))
            .collect();
        held.sort_unstable();
        world.demand(held == ledger.held, || {
            format!("{id} holds {held:?} on disk, {:?} in its books", ledger.held)
        });
        if let (Some(granted), Some(left), Some(window)) = (ledger.granted, ledger.left, ledger.window) {
            let spent_at = |a: &Attempt| a.answered_at.or(a.settled_at).filter(|_| a.charged);
            let spent = attempts.iter().filter(|a| spent_at(a).is_some_and(|at| at + window > now));
            let spent: u32 = spent.map(|attempt| attempt.units).sum();
            let settled = !reconfigured(world, now);
            world.demand(!settled || spent == ledger.spent, || {
                format!("{id} has spent {spent} on disk, {} in its books", ledger.spent)
            });
            let sum = left + ledger.reserved + ledger.spent;
            world.demand(granted == sum || (left == 0 && sum > granted), || {
                format!("{id} was granted {granted}, and {ledger:?} is {sum}")
            });
        }
        stands(world, &view.info.status, id);
        throttled(world, &view.info.pool, id, &attempts);
    }
    jobs.iter().for_each(|job| chosen_well(world, job));
}

/// Whether what was set up in the last hours may make a difference.
fn reconfigured(world: &World, now: Timestamp) -> bool {
    let state = world.state();
    state.setups.iter().skip(1).any(|(at, _)| *at + LONGEST_WINDOW + MINUTE > now)
}

async fn attempts_of(world: &World, engine: &Engine, token: TokenId) -> Vec<Attempt> {
    let history = TokenHistory { token, before: None, since: None, only_errors: false, limit: 10_000 };
    match engine.store().token_history(&history).await {
        Ok(attempts) => attempts.into_iter().map(|of| of.attempt).collect(),
        Err(error) => {
            world.violated(format!("the attempts of {token} cannot be read: {error}"));
            Vec::new()
        }
    }
}

/// No minute saw more reservations of a token than its pool allows.
fn throttled(world: &World, pool: &str, id: TokenId, attempts: &[Attempt]) {
    let known = bound(&world.state().setups, pool, world.clock.now());
    let Some(limit) = known.and_then(|bound| bound.per_minute) else { return };
    let mut times: Vec<Timestamp> = attempts.iter().map(|attempt| attempt.reserved_at).collect();
    times.sort_unstable();
    let recent = times.iter().filter(|at| **at + MATTERS_FOR > world.clock.now());
    for at in recent {
        let within = times.iter().filter(|other| **other <= *at && **other + MINUTE > *at).count() as u32;
        world.demand(within <= limit, || format!("{id} was reserved {within} times in a minute, of {limit}"));
    }
}

fn stands(world: &World, status: &TokenStatus, id: TokenId) {
    let known = world.state().tokens.get(&id).cloned().unwrap_or_default();
    let off = known.off_since.is_some() && !known.removed;
    world.demand(!off || *status == TokenStatus::Disabled, || format!("{id} was disabled and is {status}"));
    world.demand(!known.gone, || format!("{id} was taken out and is {status}"));
}

/// A token that was off was not chosen.
fn chosen_well(world: &World, job: &Job) {
    for attempt in &job.attempts {
        let known = world.state().tokens.get(&attempt.token).cloned().unwrap_or_default();
        let at = attempt.reserved_at;
        let off = known.off_since.is_some_and(|since| at > since);
        world.demand(!off, || format!("{} got {} after that was switched off", job.id, attempt.token));
    }
}

// ---- callers and waiting ----

/// Nobody uses more than allowed, and the books of callers say what the jobs say.
fn callers(world: &World, engine: &Engine, jobs: &[Job]) {
    let now = world.clock.now();
    let used = engine.callers_use();
    let limits = world.state().callers.clone();
    for (caller, limits) in limits {
        let of_caller: Vec<&Job> = jobs.iter().filter(|job| job.caller == caller).collect();
        let unfinished = of_caller.iter().filter(|job| !job.state.is_final()).count() as u64;
        let in_use = used.get(&caller).copied().unwrap_or_default();
        world.demand(unfinished == in_use.in_flight, || {
            format!("{caller} has {unfinished} unfinished videos, and {} in its book", in_use.in_flight)
        });
        let allowed = limits.max_in_flight.map(u64::from);
        world.demand(allowed.is_none_or(|most| unfinished <= most), || {
            format!("{caller} has {unfinished} unfinished videos of {allowed:?}")
        });
        let asked = of_caller.iter().filter(|job| job.created_at + MINUTE > now).count() as u64;
        let allowed = limits.requests_per_minute.map(u64::from);
        world.demand(allowed.is_none_or(|most| asked <= most), || {
            format!("{caller} asked for {asked} videos in a minute, of {allowed:?}")
        });
        let units = units(&of_caller, now);
        // Refused by a pool that delivers less, a video may go to one where it costs two units more.
        let refused = of_caller.iter().filter(|job| job.attempts.len() > 1).count() as u64;
        let allowed = limits.units_per_day.map(|most| u64::from(most) + 2 * refused);
        world.demand(allowed.is_none_or(|most| units <= most), || {
            format!("{caller} used {units} of {allowed:?} units")
        });
    }
}

/// What videos cost in the last 24 hours, with what they hold.
fn units(jobs: &[&Job], now: Timestamp) -> u64 {
    let attempts = jobs.iter().flat_map(|job| &job.attempts);
    let spent = |a: &Attempt| {
        a.charged && a.answered_at.or(a.settled_at).is_some_and(|at| at + MINUTE * (24 * 60) > now)
    };
    let counts = attempts.filter(|attempt| spent(attempt) || attempt.settled_at.is_none());
    counts.map(|attempt| u64::from(attempt.units)).sum()
}

/// Nobody waits for a token that is there.
fn waiting(world: &World, engine: &Engine, jobs: &[Job]) {
    let now = world.clock.now();
    for job in jobs.iter().filter(|job| job.state == JobState::Queued) {
        // One that was refused pauses for a moment.
        let since = job.attempt().and_then(|last| last.settled_at).unwrap_or(job.created_at);
        if since + Duration::from_secs(5) > now {
            continue;
        }
        let there = engine.explain(&job.spec.wanted(false)).is_ok_and(|decision| decision.chosen.is_some());
        world.demand(!there, || format!("{} waits for a token that is there", job.id));
    }
}

/// Between callers that wait for the same, no one is passed over for long: whatever its caller got meanwhile, for videos
/// of any kind, was a turn of its.
pub(crate) fn fair(world: &World) {
    let state = world.state();
    let waits = |job: &&Arc<Job>| job.on_shortage == filmgate_domain::OnShortage::Wait;
    let jobs: Vec<&Arc<Job>> = state.jobs.values().filter(waits).collect();
    for job in &jobs {
        let served = job.attempts.first().map(|first| first.reserved_at).or(job.finished_at);
        let Some(until) = served.filter(|at| *at > job.created_at) else { continue };
        let meanwhile = |at: Timestamp| at > job.created_at && at < until;
        let of_caller = state.jobs.values().filter(|other| other.caller == job.caller);
        let turns = of_caller.flat_map(|other| &other.attempts).filter(|a| meanwhile(a.reserved_at)).count();
        let restarts = state.restarts.iter().filter(|at| **at >= job.created_at && **at <= until).count();
        let mut passed: BTreeMap<CallerId, usize> = BTreeMap::new();
        for other in jobs.iter().filter(|other| other.caller != job.caller) {
            let first = other.attempts.first().filter(|first| meanwhile(first.reserved_at));
            if first.is_some() && other.spec.shape == job.spec.shape {
                *passed.entry(other.caller).or_default() += 1;
            }
        }
        let most = turns + 2 + restarts;
        if let Some((caller, times)) = passed.into_iter().find(|(_, times)| *times > most) {
            let wrong = format!("{} waited while {caller} was served {times} times, {most} at most", job.id);
            drop(state);
            return world.violated(wrong);
        }
    }
}

/// A completed job has its file, and that is what the upstream sent.
fn files(world: &World, engine: &Engine, jobs: &[Job]) {
    for job in jobs.iter().filter(|job| job.state == JobState::Completed) {
        let delivered = job.delivered.as_ref().map(|file| file.sha256.to_string()).unwrap_or_default();
        let sent = world.state().book.of_job(job.id).is_some_and(|made| made.sent.contains(&delivered));
        world.demand(sent, || format!("{} has a file that nobody sent", job.id));
        let bytes = std::fs::metadata(engine.file(job.id)).map(|file| file.len()).ok();
        let expected = job.has_file().then(|| job.delivered.as_ref().map_or(0, |file| file.bytes));
        // One that goes is marked after it is gone.
        world.demand(
            bytes == expected
                || (bytes.is_none() && job.file_removed_at.is_some())
                || job.deleted_at.is_some(),
            || format!("the file of {} has {bytes:?} bytes, not {expected:?}", job.id),
        );
    }
}

/// What holds at the end, when the upstream was well for long: all is settled and everything came back.
pub(crate) fn at_end(world: &World, engine: &Engine) {
    let unfinished: Vec<String> = {
        let state = world.state();
        let open = state.jobs.values().filter(|job| !job.state.is_final());
        open.map(|job| format!("{} ({})", job.id, job.state)).collect()
    };
    world.demand(unfinished.is_empty(), || format!("these never ended: {unfinished:?}"));
    let idle = world.state().book.is_idle(world.clock.now());
    world.demand(idle, || "the upstream is still at work".to_owned());
    for view in engine.tokens() {
        let id = view.info.id;
        world.demand(view.in_flight == 0 && view.reserved == 0, || {
            format!("{id} did not get everything back: {view:?}")
        });
    }
}

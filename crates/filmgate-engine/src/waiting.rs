//! Jobs that wait for a token: what comes free is offered to them, one after the other, before any newcomer.
//!
//! A waiting job holds nothing. What it is given is reserved in memory first and written down then; if the job
//! has ended meanwhile, the next one gets it.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    Attempt, Decision, Event, Job, JobId, JobState, NoToken, OnShortage, Reservation, Timestamp,
};

use crate::cell::Cell;
use crate::room::Class;
use crate::{Desk, Engine};

/// A token for a job that waited.
pub(crate) type Served = (JobId, (Attempt, Reservation));

/// How often a job that takes what it can get looks whether there is still something to wait for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Engine {
    /// Lets a queued job wait among the others, and gives it a token if there is one.
    pub(crate) fn line_up(&self, cell: &Arc<Cell>) {
        let now = self.now();
        let mut desk = self.desk();
        enter(&mut desk, cell, now);
        let served = self.serve_room(&mut desk, now);
        drop(desk);
        self.seat_all(served);
    }

    /// Offers what may have come free to those who wait.
    pub(crate) fn serve_waiting(&self) {
        let now = self.now();
        let served = self.serve_room(&mut self.desk(), now);
        self.seat_all(served);
    }

    /// Reserves tokens for those who wait. To be followed by [`Engine::seat_all`], without the desk.
    #[must_use = "the reservations in it have to be seated"]
    pub(crate) fn serve_room(&self, desk: &mut Desk, now: Timestamp) -> Vec<Served> {
        let Desk { manager, rng, room } = desk;
        if room.is_empty() || self.inner.stopping.is_cancelled() {
            return Vec::new();
        }
        let served = room.serve(|class, job| {
            let wanted = class.wanted();
            // Where the model is gone, its jobs learn of it when their time is up.
            let grant = manager.try_reserve(&wanted, now, rng).ok().flatten()?;
            let attempt = self.attempt(manager, job, &wanted, &grant, None, now);
            Some((attempt, grant.reservation))
        });
        // When a token comes free by itself next may be another time now.
        self.inner.stirred.notify_one();
        served
    }

    /// Writes down who was served.
    pub(crate) fn seat_all(&self, served: Vec<Served>) {
        for (job, (attempt, reservation)) in served {
            self.work(self.clone().seat(job, attempt, reservation));
        }
    }

    async fn seat(self, id: JobId, attempt: Attempt, reservation: Reservation) {
        let now = self.now();
        let Some(cell) = self.cell(id) else { return self.give_back(reservation) };
        let mut held = cell.gate.lock().await;
        let job = cell.job();
        if job.state != JobState::Queued || held.reservation.is_some() {
            drop(held);
            return self.give_back(reservation);
        }
        let began = job.attempt().and_then(|last| last.settled_at).unwrap_or(job.created_at);
        let waited = now.since(began);
        self.inner.metrics.waited(&attempt.pool, waited);
        let token_id = attempt.token;
        tracing::info!(job = %id, %token_id, pool = &*attempt.pool, "served after {}", seconds(waited));
        let mut reason = String::from(attempt.reason);
        if !reason.is_empty() {
            reason += &format!("; waited {}", seconds(waited));
        }
        let n = job.attempts.len() as u32 + 1;
        let attempt = Attempt { n, reason: reason.into(), ..attempt };
        held.reservation = Some(reservation);
        let event = Event::Reserved(Box::new(attempt));
        if let Some(next) = self.happen_holding(&cell, held, event).await {
            self.arrange(&cell, next);
        }
    }

    /// Releases a token whose job has ended meanwhile, and offers it to the next.
    fn give_back(&self, reservation: Reservation) {
        let now = self.now();
        self.desk().manager.release(reservation, now);
        self.serve_waiting();
    }

    /// Looks for a token for a queued job whose time has come to be looked at.
    pub(crate) async fn route(&self, cell: &Arc<Cell>) {
        let (job, now) = (cell.job(), self.now());
        if job.state != JobState::Queued || self.inner.stopping.is_cancelled() {
            return;
        }
        if !job.attempts.is_empty() && now >= job.deadline {
            return self.proceed(cell, Event::DeadlinePassed).await;
        }
        self.line_up(cell);
        let missed = {
            let mut desk = self.desk();
            if !desk.room.contains(job.id) {
                return;
            }
            match waits_until(&job, now) {
                Some(at) => Err(at),
                None => Ok(desk.manager.explain(&job.spec.wanted(takes_less(&job, now)), now)),
            }
        };
        match missed {
            Err(at) => self.inner.scheduler.wake_at(at, &job),
            Ok(why) => self.proceed(cell, in_vain(&job, why, now)).await,
        }
    }

    /// Serves whoever waits whenever tokens come free by themselves, until the engine stops.
    pub(crate) async fn run_waiting(self) {
        let Self { inner } = &self;
        loop {
            let next = {
                let desk = self.desk();
                desk.manager.next_change().filter(|_| !desk.room.is_empty())
            };
            let due = async {
                match next {
                    Some(at) => inner.timer.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = due => self.serve_waiting(),
                () = inner.stirred.notified() => {}
                () = inner.stopping.cancelled() => return,
            }
        }
    }
}

/// Lets a job wait among the others, if it is queued.
pub(crate) fn enter(desk: &mut Desk, cell: &Cell, now: Timestamp) {
    let job = cell.job();
    if job.state == JobState::Queued {
        desk.room.enter(job.id, job.caller, Class::new(&job.spec, takes_less(&job, now)));
    }
}

/// Whether a pool that delivers less will do by now, as far as the client is concerned.
fn takes_less(job: &Job, now: Timestamp) -> bool {
    job.on_shortage == OnShortage::Fallback && waits_until(job, now).is_none()
}

/// Until when a job waits, come what may.
fn waits_until(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let until = match (job.attempts.is_empty(), job.on_shortage) {
        (true, _) => job.wait_until,
        // It was served once, and its submission was refused.
        (false, OnShortage::Wait) => Some(job.deadline),
        (false, _) => None,
    };
    until.filter(|until| now < *until)
}

/// What it means for a job that there is no token for it.
fn in_vain(job: &Job, why: Result<Decision, NoToken>, now: Timestamp) -> Event {
    let (retry_at, error) = match why {
        Ok(decision) => {
            let again = job.on_shortage == OnShortage::Fallback;
            let retry_at = again.then(|| worth_waiting(&decision, job.deadline, now)).flatten();
            (retry_at, NoToken::Shortage(Box::new(decision)))
        }
        Err(error) => (None, error),
    };
    if now >= job.deadline && retry_at.is_some() {
        return Event::DeadlinePassed;
    }
    let began = job.attempt().and_then(|last| last.settled_at).unwrap_or(job.created_at);
    Event::NoToken { retry_at, why: format!("{error}; waited {}", seconds(now.since(began))) }
}

/// When to look again: when a token is expected, and now and then while one is merely busy.
fn worth_waiting(decision: &Decision, deadline: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let soon = decision.busy().then(|| (now + LOOK_EVERY).min(deadline));
    let next = [decision.expected(), soon].into_iter().flatten().min();
    // Never at once: time moves on in whole milliseconds, and so must a job.
    next.map(|at| at.max(now + Duration::from_millis(100)))
}

/// `20 s`, `0.2 s`
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        short @ 0..10_000 => format!("{}.{} s", short / 1000, short % 1000 / 100),
        long => format!("{} s", long / 1000),
    }
}

//! Takes a request in: a token is chosen and reserved, the job goes to disk, the client gets its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use filmgate_domain::{
    Attempt, CallerId, Decision, Grant, Job, JobId, JobState, LostAnswer, NoToken, OnShortage, Reservation,
    Route, RoutingLine, RoutingSettings, Settlement, Shape, Timestamp, TokenManager, VideoSpec, Wanted,
};
use filmgate_store::{Claim, StoreError};
use tokio::sync::oneshot;

use crate::cell::{Cell, Held};
use crate::limits::{LimitReached, Pass};
use crate::load::{Arrival, Overload};
use crate::settle::token_id;
use crate::unfinished::Came;
use crate::waiting::seconds;
use crate::{Desk, Engine, Recent};

/// A video that somebody asks for.
pub struct Request {
    /// Who asks.
    pub caller: CallerId,
    /// What for.
    pub spec: VideoSpec,
    /// The files among its inputs, in their order.
    pub files: Vec<Bytes>,
    /// What the client chose besides.
    pub choice: Choice,
    /// A hash of path and body: what makes two requests of a caller identical.
    pub fingerprint: [u8; 32],
    /// What to write down beside the job, for repeats of the request.
    pub keep: Option<Keep>,
}

/// Told the job as it goes to disk; gives the claim that goes there with it. It is dropped when both are on
/// disk or nothing is, whoever still listens.
pub type Keep = Box<dyn Fn(&Job) -> Option<Claim> + Send>;

/// What a client chooses besides the video itself.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// What becomes of the request when no token that can deliver it is to be had.
    pub on_shortage: OnShortage,
    /// How long it waits for one, where it is to wait.
    pub max_wait: Option<Duration>,
    /// Where to tell its end, besides the caller's own webhook.
    pub webhook: Option<Box<str>>,
    /// The header of that name, of W3C Trace Context: the span that the video belongs to.
    pub traceparent: Option<Box<str>>,
}

/// Why a request is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// No token for it.
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// Its caller may not ask for more at the moment.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// There is too much to do.
    #[error(transparent)]
    Overload(#[from] Overload),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it is made from could not be written down.
    #[error("the inputs could not be kept: {0}")]
    Inputs(std::io::Error),
    /// Filmgate is being stopped.
    #[error("filmgate is being stopped; ask again in a moment")]
    Stopping,
}

/// How long after its end a job still answers an identical retry.
pub(crate) const JOINABLE_SECONDS: u64 = 60;

impl Engine {
    /// Admits a video: chooses and reserves a token, or lets it wait for one, and writes the job down. When
    /// this returns, the job is on disk and goes its way, whoever still listens.
    ///
    /// # Errors
    /// When no token is to be had, or the job cannot be written; then nothing stays reserved.
    pub async fn admit(&self, request: Request) -> Result<Arc<Job>, AdmitError> {
        if self.inner.stopping.is_cancelled() {
            return Err(AdmitError::Stopping);
        }
        let now = self.now();
        let arrived = self.arrive(now).map_err(AdmitError::from);
        let chosen = arrived.and_then(|arrival| Ok((arrival, self.choose(&request, now)?)));
        let (arrival, (job, held)) = chosen.inspect_err(|error| self.inner.metrics.refused(error))?;
        // Work of its own: a client that hangs up here must not leave a reservation or a job behind.
        let (engine, (tell, admitted)) = (self.clone(), oneshot::channel());
        self.work(async move {
            let written = engine.write_down(job, held, request).await;
            drop(arrival);
            let _ = tell.send(written);
        });
        admitted.await.map_err(|_| AdmitError::Stopping)?
    }

    /// Lets a request in, if this machine carries one job more.
    fn arrive(&self, now: Timestamp) -> Result<Arrival, Overload> {
        let allowed = self.inner.settings.load().load.max_unfinished;
        self.inner.arrivals.enter(now, allowed, || self.unfinished().len())
    }

    fn choose(&self, request: &Request, now: Timestamp) -> Result<(Job, Held), AdmitError> {
        let mut pass = self.inner.limits.pass(request.caller, now)?;
        let mut desk = self.desk();
        // Whoever waits comes first; a newcomer gets what none of them can use.
        let served = self.serve_room(&mut desk, now);
        let id = JobId::new(now, &mut desk.rng);
        let decided = self.decide(&mut desk, id, request, &mut pass, now);
        drop(desk);
        self.seat_all(served);
        let times = (now, now + self.inner.settings.load().deadline);
        let job = Job::new(id, request.caller, request.spec.clone(), request.fingerprint, times);
        let Choice { on_shortage, webhook, .. } = request.choice.clone();
        let job = Job { on_shortage, webhook, ..job };
        Ok(match decided? {
            Decided::Token(attempt, reservation) => {
                pass.hold(attempt.units);
                let held = Held { reservation: Some(reservation), pass: Some(pass) };
                (Job { state: JobState::Reserved, attempts: vec![*attempt], ..job }, held)
            }
            Decided::Wait { until, why } => {
                let most = self.most_units(&request.spec, request.choice.on_shortage);
                pass.reserve(most, now)?;
                let at_most = seconds(until.since(now));
                tracing::info!(job = %id, "waits for a token, {at_most} at most: {why}");
                (Job { wait_until: Some(until), ..job }, Held { reservation: None, pass: Some(pass) })
            }
        })
    }

    /// A sufficient token if there is one; else what the client and the operator want then.
    fn decide(
        &self,
        desk: &mut Desk,
        job: JobId,
        request: &Request,
        pass: &mut Pass,
        now: Timestamp,
    ) -> Result<Decided, AdmitError> {
        let Desk { manager, rng, room } = desk;
        let Request { spec, choice, .. } = request;
        let wanted = spec.wanted(false);
        if let Some(grant) = manager.try_reserve(&wanted, now, rng)? {
            let grant = within_limits(manager, pass, grant, now)?;
            let attempt = self.attempt(manager, job, &wanted, &grant, None, now);
            return Ok(Decided::Token(Box::new(attempt), grant.reservation));
        }
        // Made once: it walks over all tokens.
        let wanted = spec.wanted(choice.on_shortage == OnShortage::Fallback);
        let decision = manager.explain(&wanted, now)?;
        let until = match choice.on_shortage {
            OnShortage::Fallback => self.busy_until(manager.routing(), &decision, now),
            OnShortage::Wait => Some(now + choice.max_wait.unwrap_or_default()),
            OnShortage::Fail => None,
        };
        if let Some(until) = until {
            let allowed = self.inner.settings.load().load.max_waiting;
            if room.len() >= allowed {
                return Err(Overload::Waiting(allowed).into());
            }
            return Ok(Decided::Wait { until, why: decision.why_not_before() });
        }
        if decision.chosen.is_some()
            && let Some(grant) = manager.try_reserve(&wanted, now, rng)?
        {
            let grant = within_limits(manager, pass, grant, now)?;
            let why = decision.why_not_before();
            let attempt = self.attempt(manager, job, &wanted, &grant, Some(why), now);
            return Ok(Decided::Token(Box::new(attempt), grant.reservation));
        }
        if wanted.fallback {
            tracing::warn!(%job, "{}", RoutingLine::NoToken { asked: spec.shape });
        }
        Err(NoToken::Shortage(Box::new(decision)).into())
    }

    /// Until when a busy token is waited for rather than falling back, if that makes sense.
    fn busy_until(
        &self,
        routing: &RoutingSettings,
        decision: &Decision,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let until = now + self.inner.settings.load().busy_wait;
        let may_fall_back = routing.smart_token_routing && routing.allow_fallback_to_basic;
        (until > now && may_fall_back && decision.merely_busy(until)).then_some(until)
    }

    /// The first attempt of a job with a token that was just reserved; says in the log what was chosen. `why`
    /// other pools did not get it is found out where it is not given.
    pub(crate) fn attempt(
        &self,
        manager: &mut TokenManager,
        job: JobId,
        wanted: &Wanted<'_>,
        grant: &Grant,
        why: Option<String>,
        now: Timestamp,
    ) -> Attempt {
        let catalog = Arc::clone(manager.catalog());
        let pool = &catalog.pools()[grant.pool];
        let model = catalog.model(wanted.model).and_then(|m| m.upstream_name(&pool.name));
        let reason = if grant.pool == grant.first_choice {
            String::new()
        } else {
            why.unwrap_or_else(|| manager.why_not_before(grant.pool, wanted, now))
        };
        let info = manager.get(grant.reservation.token).expect("a reserved token is known");
        let from = &catalog.pools()[grant.first_choice].name;
        let names = Names { from, to: &pool.name, token: info.token.preview() };
        log_choice(job, grant, wanted.shape, &names, manager.routing());
        self.inner.metrics.chosen(&pool.name, grant.route);
        let line = self.line(&pool.upstream);
        Attempt {
            n: 1,
            token: grant.reservation.token,
            pool: pool.name.clone(),
            upstream: pool.upstream.clone(),
            model: model.unwrap_or(wanted.model).into(),
            route: grant.route,
            reason: reason.into(),
            sent: grant.sent,
            units: grant.reservation.units,
            reserved_at: now,
            sent_at: None,
            lost_answer: line.map_or(LostAnswer::GiveUp, |line| line.lost_answer),
            lost_at: None,
            answered_at: None,
            upstream_id: None,
            video_url: None,
            cost_ticks: None,
            outcome: None,
            error: None,
            settled_at: None,
            charged: false,
            slot_until: None,
        }
    }

    async fn write_down(&self, job: Job, mut held: Held, request: Request) -> Result<Arc<Job>, AdmitError> {
        let Request { files, keep, choice, .. } = request;
        let claim = keep.as_ref().and_then(|keep| keep(&job));
        let written = match self.keep_inputs(&job, &files).await {
            Ok(()) => self.inner.store.admit_claiming(&job, claim).await.map_err(AdmitError::from),
            Err(error) => Err(AdmitError::Inputs(error)),
        };
        if let Err(error) = written {
            if let Some(reservation) = held.reservation {
                self.settle(reservation, Settlement { spent_at: None, slot_until: None });
            }
            self.drop_inputs(&job).await;
            let token_id = token_id(&job);
            tracing::error!(job = %job.id, token_id, %error, "the job could not be written and is not admitted");
            return Err(error);
        }
        let job = Arc::new(job);
        held.pass.iter_mut().for_each(Pass::admitted);
        let cell = Cell::new(Arc::clone(&job), held, choice.traceparent);
        self.take_up(&cell, Came::Now);
        if job.state == JobState::Queued {
            self.line_up(&cell);
        }
        self.inner.scheduler.wake_at(job.wait_until.unwrap_or_else(|| self.now()), &job);
        Ok(job)
    }

    /// Puts an unfinished job into memory.
    pub(crate) fn take_up(&self, cell: &Arc<Cell>, came: Came) {
        let job = cell.job();
        self.unfinished().add(cell, came);
        let recent = Recent { job: job.id, finished_at: None };
        self.recent().insert((job.caller, job.fingerprint), recent);
    }

    /// The job of an identical request of this caller, while it runs and for a minute after: what a client
    /// joins that says that it repeats itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn joinable(
        &self,
        caller: CallerId,
        fingerprint: [u8; 32],
    ) -> Result<Option<Arc<Job>>, StoreError> {
        let oldest = self.now() - std::time::Duration::from_secs(JOINABLE_SECONDS);
        let found = self
            .recent()
            .get(&(caller, fingerprint))
            .filter(|recent| recent.finished_at.is_none_or(|at| at >= oldest))
            .map(|recent| recent.job);
        match found {
            Some(id) => self.job(id).await,
            None => Ok(None),
        }
    }
}

/// What was granted, if its caller may use so many units; else it is given back. Looked at only where units are
/// limited: the desk waits for it.
fn within_limits(
    manager: &mut TokenManager,
    pass: &mut Pass,
    grant: Grant,
    now: Timestamp,
) -> Result<Grant, LimitReached> {
    if pass.metered
        && let Err(reached) = pass.reserve(grant.reservation.units, now)
    {
        manager.release(grant.reservation, now);
        return Err(reached);
    }
    Ok(grant)
}

/// What becomes of a request.
enum Decided {
    /// A token was reserved.
    Token(Box<Attempt>, Reservation),
    /// It waits for one.
    Wait { until: Timestamp, why: String },
}

struct Names<'a> {
    from: &'a str,
    to: &'a str,
    token: &'a str,
}

/// The log lines of the founding document.
fn log_choice(job: JobId, grant: &Grant, asked: Shape, names: &Names<'_>, settings: &RoutingSettings) {
    let Names { from, to, token } = *names;
    let token_id = grant.reservation.token;
    if from == to || !settings.smart_token_routing {
        let line = RoutingLine::Chosen { asked, pool: to, token };
        tracing::info!(%job, %token_id, "{line}");
        return;
    }
    if grant.route == Route::Fallback && settings.log_fallback_warning {
        let line = RoutingLine::Shortage { asked, from, to };
        tracing::warn!(%job, %token_id, "{line}");
    }
    let line = RoutingLine::Instead { from, to, token };
    tracing::info!(%job, %token_id, "{line}");
}

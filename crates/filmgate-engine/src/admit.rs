//! Takes a request in: a token is chosen and reserved, the job goes to disk, the client gets its answer.

use std::sync::Arc;

use filmgate_domain::{
    Attempt, CallerId, Event, Grant, Job, JobId, JobState, NoToken, Route, RoutingLine, RoutingSettings,
    Shape, Timestamp, VideoSpec,
};
use filmgate_store::StoreError;

use crate::cell::Cell;
use crate::settle::token_id;
use crate::{Desk, Engine, Recent};

/// A video that somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub caller: CallerId,
    /// What for.
    pub spec: VideoSpec,
    /// A hash of path and body: what makes two requests of a caller identical.
    pub fingerprint: [u8; 32],
    /// Whether the client says that it repeats itself (it got no answer): then an identical request's job is
    /// joined instead of making a second video.
    pub is_retry: bool,
}

/// An admitted request.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The job; it is on disk.
    pub job: Arc<Job>,
    /// Whether it was there before, started by an identical request.
    pub joined: bool,
}

/// Why a request is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// No token for it.
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Filmgate is being stopped.
    #[error("filmgate is being stopped; ask again in a moment")]
    Stopping,
}

/// How long after its end a job still answers an identical retry.
pub(crate) const JOINABLE_SECONDS: u64 = 60;

impl Engine {
    /// Admits a video: chooses and reserves a token, and writes the job down. When this returns, the job is
    /// on disk and will be made, whoever still listens.
    ///
    /// # Errors
    /// When no token is to be had, or the job cannot be written; then nothing stays reserved.
    pub async fn admit(&self, request: Request) -> Result<Admission, AdmitError> {
        if self.inner.stopping.is_cancelled() {
            return Err(AdmitError::Stopping);
        }
        if request.is_retry
            && let Some(job) = self.joinable(&request).await?
        {
            let token_id = token_id(&job);
            tracing::info!(job = %job.id, token_id, "joined by an identical retry");
            return Ok(Admission { job, joined: true });
        }
        let now = self.now();
        let (job, grant) = self.choose(&request, now)?;
        // A task of its own: a client that hangs up here must not leave a reservation or a job behind.
        let engine = self.clone();
        let admitted = self.inner.tasks.spawn(async move { engine.write_down(job, grant).await });
        let job = admitted.await.map_err(|_| AdmitError::Stopping)??;
        Ok(Admission { job, joined: false })
    }

    fn choose(&self, request: &Request, now: Timestamp) -> Result<(Job, Grant), AdmitError> {
        let mut desk = self.desk();
        let id = JobId::new(now, &mut desk.rng);
        let (attempt, grant) = self.choose_token(&mut desk, id, &request.spec, 1, now)?;
        drop(desk);
        let job = Job {
            id,
            caller: request.caller,
            spec: request.spec.clone(),
            state: JobState::Reserved,
            progress: 0,
            created_at: now,
            deadline: now + self.inner.settings.load().deadline,
            finished_at: None,
            fingerprint: request.fingerprint,
            attempts: vec![attempt],
            blamed: 0,
            fetches: 0,
            failure: None,
            delivered: None,
            file_removed_at: None,
        };
        Ok((job, grant))
    }

    /// Chooses and reserves a token, and says so in the log.
    fn choose_token(
        &self,
        desk: &mut Desk,
        job: JobId,
        spec: &VideoSpec,
        n: u32,
        now: Timestamp,
    ) -> Result<(Attempt, Grant), NoToken> {
        let Desk { manager, rng } = desk;
        let grant = manager.reserve(&spec.model, spec.shape, now, rng).inspect_err(|error| {
            if matches!(error, NoToken::Shortage(_)) {
                tracing::warn!(job = %job, "{}", RoutingLine::NoToken { asked: spec.shape });
            }
            self.inner.metrics.refused(error);
        })?;
        let catalog = Arc::clone(manager.catalog());
        let pool = &catalog.pools()[grant.pool];
        let model = catalog.model(&spec.model).and_then(|m| m.upstream_name(&pool.name));
        let reason = if grant.pool == grant.first_choice {
            String::new()
        } else {
            manager.why_not_before(grant.pool, &spec.model, spec.shape, now)
        };
        let info = manager.get(grant.reservation.token).expect("a reserved token is known");
        let from = &catalog.pools()[grant.first_choice].name;
        let names = Names { from, to: &pool.name, token: info.token.preview() };
        log_choice(job, &grant, spec.shape, &names, manager.routing());
        self.inner.metrics.chosen(&pool.name, grant.route);
        let attempt = Attempt {
            n,
            token: grant.reservation.token,
            pool: pool.name.clone(),
            upstream: pool.upstream.clone(),
            model: model.unwrap_or(&spec.model).into(),
            route: grant.route,
            reason: reason.into(),
            sent: grant.sent,
            units: grant.reservation.units,
            reserved_at: now,
            sent_at: None,
            answered_at: None,
            upstream_id: None,
            video_url: None,
            cost_ticks: None,
            outcome: None,
            error: None,
            settled_at: None,
            charged: false,
            slot_until: None,
        };
        Ok((attempt, grant))
    }

    async fn write_down(&self, job: Job, grant: Grant) -> Result<Arc<Job>, AdmitError> {
        if let Err(error) = self.inner.store.admit(&job).await {
            let now = self.now();
            self.desk().manager.release(grant.reservation, now);
            let token_id = token_id(&job);
            tracing::error!(job = %job.id, token_id, %error, "the job could not be written and is not admitted");
            return Err(error.into());
        }
        let job = Arc::new(job);
        self.inner.metrics.admitted();
        let cell = Cell::new(Arc::clone(&job), Some(grant.reservation));
        self.take_up(&cell);
        self.inner.scheduler.wake_at(self.now(), job.id);
        Ok(job)
    }

    /// Puts an unfinished job into memory.
    pub(crate) fn take_up(&self, cell: &Arc<Cell>) {
        let job = cell.job();
        self.inner.active.lock().expect("no panic under this lock").insert(job.id, Arc::clone(cell));
        let recent = Recent { job: job.id, finished_at: None };
        self.recent().insert((job.caller, job.fingerprint), recent);
    }

    /// The job of an identical request, while it runs and for a minute after.
    async fn joinable(&self, request: &Request) -> Result<Option<Arc<Job>>, StoreError> {
        let oldest = self.now() - std::time::Duration::from_secs(JOINABLE_SECONDS);
        let found = self
            .recent()
            .get(&(request.caller, request.fingerprint))
            .filter(|recent| recent.finished_at.is_none_or(|at| at >= oldest))
            .map(|recent| recent.job);
        match found {
            Some(id) => self.job(id).await,
            None => Ok(None),
        }
    }

    /// Looks for a token for a queued job.
    pub(crate) async fn route(&self, cell: &Arc<Cell>) {
        let mut held = cell.gate.lock().await;
        let job = cell.job();
        let now = self.now();
        if job.state != JobState::Queued {
            return;
        }
        if now >= job.deadline {
            drop(held);
            return self.proceed(cell, Event::DeadlinePassed).await;
        }
        let n = job.attempts.len() as u32 + 1;
        let chosen = self.choose_token(&mut self.desk(), job.id, &job.spec, n, now);
        let event = match chosen {
            Ok((attempt, grant)) => {
                held.reservation = Some(grant.reservation);
                Event::Reserved(Box::new(attempt))
            }
            Err(error) => Event::NoToken { retry_at: worth_waiting(&error, now), why: error.to_string() },
        };
        if let Some(next) = self.happen_holding(cell, held, event).await {
            self.arrange(cell, next);
        }
    }
}

/// When to look again for a token that an accepted job lacks: when one is expected, and every other second
/// while one is merely busy.
fn worth_waiting(error: &NoToken, now: Timestamp) -> Option<Timestamp> {
    let NoToken::Shortage(decision) = error else { return None };
    let soon = decision.busy().then(|| now + std::time::Duration::from_secs(2));
    let next = [decision.expected(), soon].into_iter().flatten().min();
    // Never at once: time moves on in whole milliseconds, and so must a job.
    next.map(|at| at.max(now + std::time::Duration::from_millis(100)))
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

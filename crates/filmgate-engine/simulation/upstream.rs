//! The modelled upstream: answers as providers do, well or badly, and keeps its own book.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use filmgate_domain::{
    Cause, Certainty, Failure, JobId, JobState, Mode, Polled, Resolution, Seconds, Secret, Shape, Timestamp,
};
use filmgate_upstream::{Checked, Lost, Order, Receipt, RemoteFile, Takes, Told, Upstream};
use futures_util::stream;
use rand::RngExt as _;

use crate::book::Generation;
use crate::faults::{End, OnFetch, OnPoll, OnSubmit, failure, latency, orphan, work};
use crate::setup::{LEAST_PAUSE, MODEL, bound};
use crate::videos::video;
use crate::world::World;

/// What an upstream says is on disk so soon after it, whatever else is written meanwhile.
const NOTED_WITHIN: Duration = Duration::from_secs(10);

/// One of the upstreams of a world.
pub(crate) struct Model(pub(crate) Arc<World>);

#[async_trait]
impl Upstream for Model {
    fn takes(&self) -> Takes {
        Takes { urls: true, ids: true }
    }

    async fn submit(&self, token: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        let Model(world) = self;
        world.step().await;
        let on_its_way = OnItsWay { world, token, order };
        world.pause(latency).await;
        world.step().await;
        std::mem::forget(on_its_way);
        let Some(account) = self.arrive(token, order) else {
            return Err(failure(Cause::Credential, Certainty::Refused, None));
        };
        let may_blame = self.was_recorded(account, order).await;
        let answer = self.treat(account, order);
        // Taken or not: the gateway may die before it learns of it.
        world.step().await;
        let slow = matches!(&answer, Err(failure) if failure.cause == Cause::Timeout);
        world.pause(|rng| if slow { Duration::from_secs(60) } else { latency(rng) }).await;
        world.step().await;
        if let Err(Failure { cause: Cause::RateLimited, retry_after: Some(pause), .. }) = &answer
            && may_blame
        {
            let now = world.now();
            world.state().book.accounts[account].pause = Some((now, now + *pause));
        }
        answer
    }

    async fn find(&self, token: &Secret, lost: &Lost<'_>) -> Result<Vec<Box<str>>, Failure> {
        let Model(world) = self;
        world.pause(latency).await;
        world.step().await;
        let found = {
            let now = world.now();
            let state = &mut *world.state();
            match state.weather.on_list(&mut state.rng) {
                Some(cause) => Err(failure(cause, Certainty::Refused, None)),
                None => {
                    let account = state.book.account(token.expose());
                    Ok(account
                        .map(|account| state.book.listed(account, lost.prompt, lost.sent_at, now))
                        .unwrap_or_default())
                }
            }
        };
        world.note(format_args!("find {:?}: {found:?}", lost.prompt));
        found
    }

    async fn poll(&self, token: &Secret, upstream_id: &str) -> Result<Told, Failure> {
        let Model(world) = self;
        self.not_too_often(upstream_id);
        world.pause(latency).await;
        world.step().await;
        let now = world.now();
        let how = {
            let state = &mut *world.state();
            state.weather.on_poll(&mut state.rng)
        };
        let answer = self.tell(token, upstream_id, how, now);
        world.note(format_args!("poll {upstream_id}: {answer:?}"));
        answer.map(Told::from)
    }

    async fn fetch(&self, token: &Secret, url: &str) -> Result<RemoteFile, Failure> {
        let Model(world) = self;
        world.pause(latency).await;
        world.step().await;
        let how = {
            let state = &mut *world.state();
            state.weather.on_fetch(&mut state.rng)
        };
        world.note(format_args!("fetch {url}: {how:?}"));
        self.holds(token, url);
        let generation = world.state().book.of_id(url).map(|made| (made.shape, made.end));
        let Some((shape, End::Done)) = generation else {
            world.violated(format!("a file was fetched that there is not: {url}"));
            return Err(failure(Cause::Rejected, Certainty::Refused, None));
        };
        self.send(url, shape, how)
    }

    async fn check(&self, _: &Secret) -> Result<Checked, Failure> {
        Ok(Checked::Accepted)
    }
}

impl Model {
    /// A submission comes in. The account it is made with, unless that is not accepted at the moment.
    fn arrive(&self, token: &Secret, order: &Order<'_>) -> Option<usize> {
        let Model(world) = self;
        let (now, secret) = (world.now(), token.expose());
        let account = world.state().book.account(secret);
        let Some(account) = account else {
            world.violated(format!("{secret} is no token"));
            return None;
        };
        let arrived = world.state().book.arrive(order.job, order.attempt, account, order.has_key);
        if let Err(wrong) = arrived {
            world.violated(wrong);
        }
        let refused = world.state().book.accounts[account].refused_until > now;
        if refused {
            world.note(format_args!("submit {}/{} with {secret}: still refused", order.job, order.attempt));
        }
        (!refused).then_some(account)
    }

    /// That the submission goes out has to be on disk before it does; and its token was not chosen while it had to
    /// pause. Whether a token may still pause on account of this job: two at most do.
    async fn was_recorded(&self, account: usize, order: &Order<'_>) -> bool {
        let Model(world) = self;
        let Some(engine) = world.state().engine.clone() else { return false };
        let job = engine.store().job(order.job).await.ok().flatten();
        let recorded = job.as_ref().and_then(|job| {
            let attempt = job.attempt().filter(|attempt| attempt.n == order.attempt)?;
            Some(attempt.sent_at.is_some() && attempt.settled_at.is_none())
        });
        let state = job.as_ref().map(|job| job.state);
        let reserved = job.as_ref().and_then(|job| Some(job.attempt()?.reserved_at));
        let pause = world.state().book.accounts[account].pause;
        let too_soon = pause
            .zip(reserved)
            .is_some_and(|((told, until), reserved)| told + NOTED_WITHIN < reserved && reserved < until);
        world.demand(!too_soon, || format!("{} got a token that had to pause", order.job));
        // Cancelled while it was on its way, it was recorded all the same.
        let fine = match state {
            Some(JobState::Submitting) => recorded == Some(true),
            Some(JobState::Failed) => true,
            _ => false,
        };
        world.demand(fine, || {
            format!("attempt {} at {} was sent and is on disk as {state:?}", order.attempt, order.job)
        });
        job.is_some_and(|job| job.blamed < 2)
    }

    /// Takes a submission, or does not.
    fn treat(&self, account: usize, order: &Order<'_>) -> Result<Receipt, Failure> {
        let Model(world) = self;
        let now = world.now();
        let how = {
            let state = &mut *world.state();
            state.weather.on_submit(&mut state.rng)
        };
        world.note(format_args!("submit {}/{} by account {account}: {how:?}", order.job, order.attempt));
        if how != OnSubmit::Take {
            world.state().counts.faults += 1;
        }
        // What it has taken it does not take twice; what it says of the request it would have said the first time.
        let known = world.state().book.of_key(order.job, order.attempt).map(|made| made.id.clone());
        let about_request = |cause| matches!(cause, Cause::Rejected | Cause::Moderated);
        match how {
            OnSubmit::Take => Ok(receipt(known.unwrap_or_else(|| self.take(account, order, now)))),
            OnSubmit::TakeSilently(cause, delay) => {
                let _ = known.unwrap_or_else(|| self.take(account, order, now + delay));
                Err(failure(cause, Certainty::Unknown, None))
            }
            OnSubmit::Lose(cause) => Err(failure(cause, Certainty::Unknown, None)),
            OnSubmit::Refuse(cause, _) if about_request(cause) && known.is_some() => {
                Ok(receipt(known.unwrap_or_default()))
            }
            OnSubmit::Refuse(cause, retry_after) => {
                if cause == Cause::Credential {
                    let state = &mut *world.state();
                    let time = Duration::from_secs(state.rng.random_range(1..=3_600));
                    state.book.accounts[account].refused_until = now + time;
                }
                Err(failure(cause, Certainty::Refused, retry_after))
            }
        }
    }

    /// Takes a submission at a time, which may be to come.
    fn take(&self, account: usize, order: &Order<'_>, taken: Timestamp) -> String {
        let Model(world) = self;
        let now = world.now();
        let id = format!("made-{}-{}", order.job.simple(), order.attempt);
        let wrong = {
            let state = &mut *world.state();
            let generation = Generation {
                id: id.clone(),
                job: order.job,
                attempt: order.attempt,
                account,
                shape: order.shape,
                prompt: order.prompt.to_owned(),
                arrived: now,
                taken,
                ends: taken + work(&mut state.rng),
                end: state.weather.end(&mut state.rng),
                told_done: 0,
                asked_at: None,
                sent: Vec::new(),
            };
            state.counts.made += 1;
            let pool = state.book.accounts[account].pool;
            match bound(&state.setups, pool, now) {
                Some(bound) => state.book.take(generation, bound, now),
                None => Err(format!("a video came from a pool that there is not: {pool}")),
            }
        };
        if let Err(wrong) = wrong {
            world.violated(wrong);
        }
        id
    }

    /// A video is asked about by one at a time, with a pause in between, save at the deadline and for a fresh link.
    fn not_too_often(&self, id: &str) {
        let Model(world) = self;
        let now = world.now();
        let (job, engine) = {
            let state = &mut *world.state();
            let Some(made) = state.book.of_id(id) else { return };
            let last = made.asked_at.replace(now);
            if made.told_done > 0 || last.is_none_or(|last| last + LEAST_PAUSE <= now) {
                return;
            }
            (made.job, state.engine.clone())
        };
        let latest = engine.and_then(|engine| engine.follow(job));
        let late = latest.is_none_or(|latest| latest.borrow().deadline <= now);
        world.demand(late, || format!("{job} is asked about too often"));
    }

    /// A job keeps its token.
    fn holds(&self, token: &Secret, id: &str) {
        let Model(world) = self;
        let made_by = {
            let mut state = world.state();
            let account = state.book.of_id(id).map(|made| made.account);
            account.map(|account| state.book.accounts[account].secret.clone())
        };
        world.demand(made_by.as_deref() == Some(token.expose()), || {
            format!("{id} of {made_by:?} was asked for with {}", token.expose())
        });
    }

    fn tell(&self, token: &Secret, id: &str, how: OnPoll, now: Timestamp) -> Result<Polled, Failure> {
        self.holds(token, id);
        let Model(world) = self;
        let state = &mut *world.state();
        if how != OnPoll::Answer {
            state.counts.faults += 1;
        }
        if let OnPoll::Fail(cause) = how {
            return Err(failure(cause, Certainty::Refused, None));
        }
        let Some(made) = state.book.of_id(id) else { return Ok(Polled::Expired) };
        // Once it was done it may seem to be at it again.
        let relapsed = how == OnPoll::Backwards && made.told_done > 0;
        if made.ends > now || relapsed {
            let all = made.ends.since(made.arrived).as_millis().max(1);
            let progress = (now.since(made.arrived).as_millis() * 99 / all).min(99) as u8;
            let progress = if how == OnPoll::Backwards { progress / 2 } else { progress };
            return Ok(Polled::Pending { progress: Some(progress) });
        }
        Ok(match made.end {
            End::Done => {
                made.told_done += 1;
                Polled::Done { url: id.into(), cost_ticks: Some(7) }
            }
            End::Moderated => Polled::Moderated { reason: None, cost_ticks: None },
            End::Failed => Polled::Failed { reason: "out of paint".to_owned() },
            End::Forgotten => Polled::Expired,
        })
    }

    fn send(&self, id: &str, shape: Shape, how: OnFetch) -> Result<RemoteFile, Failure> {
        let Model(world) = self;
        let bytes = video(shape, id);
        let length = Some(bytes.len() as u64);
        let part = world.draw(|rng| rng.random_range(1..bytes.len()));
        let (length, bytes, broken) = match how {
            OnFetch::Fail(cause) => return Err(failure(cause, Certainty::Refused, None)),
            OnFetch::Send | OnFetch::SendSlowly => (length, bytes, false),
            OnFetch::CutOff => (length, bytes.slice(..part), false),
            OnFetch::Cut => (None, bytes.slice(..part), false),
            OnFetch::Break => (length, bytes.slice(..part), true),
            OnFetch::Page => (None, Bytes::from_static(b"<!doctype html><title>502</title>"), false),
            OnFetch::Other => {
                let video = video(others(shape), &format!("not {id}"));
                (Some(video.len() as u64), video, false)
            }
        };
        let pieces = if how == OnFetch::SendSlowly { 8 } else { 2 };
        let pieces: Vec<Bytes> =
            bytes.chunks(bytes.len().div_ceil(pieces)).map(Bytes::copy_from_slice).collect();
        let (world, id) = (Arc::clone(world), id.to_owned());
        let mut all = Vec::new();
        let next = move |mut left: std::collections::VecDeque<Bytes>| {
            let (world, id) = (Arc::clone(&world), id.clone());
            let piece = left.pop_front();
            all.extend_from_slice(piece.as_deref().unwrap_or_default());
            let sha256 = piece.is_none().then(|| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&all)));
            async move {
                world.step().await;
                world.pause(|rng| Duration::from_millis(rng.random_range(0..=2_000))).await;
                if let Some(sha256) = sha256 {
                    if broken {
                        return Err(failure(Cause::Broken, Certainty::Refused, None));
                    }
                    if how != OnFetch::CutOff
                        && let Some(made) = world.state().book.of_id(&id)
                    {
                        made.sent.push(sha256);
                    }
                }
                Ok(piece.map(|piece| (piece, left)))
            }
        };
        Ok(RemoteFile::new(length, Some("video/mp4".to_owned()), stream::try_unfold(pieces.into(), next)))
    }
}

/// The form of somebody else's video.
fn others(shape: Shape) -> Shape {
    let resolution = if shape.resolution == Resolution::P480 { Resolution::P720 } else { Resolution::P480 };
    Shape { resolution, seconds: Seconds::new(3).expect("a length"), ..shape }
}

fn receipt(id: String) -> Receipt {
    Receipt { upstream_id: id.into(), limits: None }
}

/// A submission that did not arrive so far. Dropped, as when the gateway dies, it may arrive all the same.
struct OnItsWay<'a> {
    world: &'a World,
    token: &'a Secret,
    order: &'a Order<'a>,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let Self { world, token, order } = self;
        let (job, attempt, shape, has_key) = (order.job, order.attempt, order.shape, order.has_key);
        let prompt = order.prompt.to_owned();
        let orphan = Orphan { job, attempt, shape, has_key, prompt, token: Secret::clone(token) };
        world.state().orphans.push(orphan);
    }
}

/// A submission that was on its way when the gateway died.
pub(crate) struct Orphan {
    job: JobId,
    attempt: u32,
    shape: Shape,
    has_key: bool,
    prompt: String,
    token: Secret,
}

/// Some of what was on its way when the gateway died arrives after that; what was said to it just before is forgotten.
pub(crate) fn land(world: &Arc<World>) {
    let now = world.now();
    for account in &mut world.state().book.accounts {
        account.pause = account.pause.filter(|(told, _)| *told + NOTED_WITHIN < now);
    }
    let mut orphans = std::mem::take(&mut world.state().orphans);
    // A runtime drops its tasks in an order of its own.
    orphans.sort_by_key(|orphan| (orphan.job, orphan.attempt));
    let model = Model(Arc::clone(world));
    for Orphan { job, attempt, shape, has_key, prompt, token } in orphans {
        let order = Order {
            model: MODEL,
            prompt: &prompt,
            shape,
            mode: Mode::Text,
            inputs: &[],
            added: None,
            job,
            attempt,
            has_key,
        };
        let later = world.draw(orphan);
        world.note(format_args!("{job}/{attempt} was on its way: {later:?}"));
        if let Some(later) = later
            && let Some(account) = model.arrive(&token, &order)
            && world.state().book.of_key(job, attempt).is_none()
        {
            model.take(account, &order, world.now() + later);
        }
    }
}

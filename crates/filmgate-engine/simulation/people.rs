//! Clients that ask for videos, and an operator who does what operators do.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    AspectRatio, Clock as _, JobId, OnShortage, Resolution, Seconds, Secret, Shape, TokenId, TokenInfo,
    VideoSpec,
};
use filmgate_engine::{AdmitError, Choice, Deed, Engine, Request};
use filmgate_store::{Added, CallerLimits};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::book::Account;
use crate::run::line;
use crate::setup::{LONGEST_WAIT, MODEL};
use crate::world::{Known, World};

/// The pools, as tokens are added to them; one may not be configured at the moment.
const POOLS: [&str; 3] = ["basic", "super", "spare"];

/// Callers and tokens that a run begins with.
pub(crate) async fn furnish(world: &World, engine: &Engine) {
    for name in ["one", "two", "three"] {
        let caller = engine.store().add_caller(name, world.now()).await.expect("a caller can be added");
        let limits = world.draw(|rng| CallerLimits {
            max_in_flight: rng.random_bool(0.5).then(|| rng.random_range(2..=8)),
            requests_per_minute: rng.random_bool(0.3).then(|| rng.random_range(2..=8)),
            units_per_day: rng.random_bool(0.3).then(|| rng.random_range(20..=120)),
        });
        engine.change_limits(caller, |now| *now = limits).await.expect("limits can be set");
        world.state().callers.push((caller, limits));
    }
    for pool in [POOLS[0], POOLS[0], POOLS[1], POOLS[1], POOLS[2]] {
        add_token(world, engine, pool, None).await;
    }
}

/// A client asks for a video, and may hang up.
pub(crate) async fn ask(world: Arc<World>, engine: Engine) {
    let (request, hangs_up) = {
        let state = &mut *world.state();
        let caller = state.callers[state.rng.random_range(0..state.callers.len())].0;
        let rng = &mut state.rng;
        state.counts.asked += 1;
        (
            request(caller, state.counts.asked, rng),
            rng.random_bool(0.05).then(|| Duration::from_millis(rng.random_range(0..=3))),
        )
    };
    send(world, engine, request, hangs_up).await;
}

/// One caller asks for many videos at once, and another for one of the same kind a moment later; all of them wait.
pub(crate) fn rush(world: &Arc<World>, engine: &Engine) {
    let requests: Vec<Request> = {
        let state = &mut *world.state();
        let greedy = state.rng.random_range(0..state.callers.len());
        let modest = (greedy + 1) % state.callers.len();
        let shape = request(state.callers[0].0, 0, &mut state.rng).spec.shape;
        let callers = std::iter::repeat_n(greedy, 12).chain([modest]);
        callers
            .map(|nth| {
                state.counts.asked += 1;
                let request = request(state.callers[nth].0, state.counts.asked, &mut state.rng);
                let spec = VideoSpec { shape, ..request.spec };
                let choice =
                    Choice { on_shortage: OnShortage::Wait, max_wait: Some(LONGEST_WAIT), ..request.choice };
                Request { spec, choice, ..request }
            })
            .collect()
    };
    for request in requests {
        world.state().calls += 1;
        tokio::spawn(send(Arc::clone(world), engine.clone(), request, None));
    }
}

/// A client waits for the answer to its request, unless it hangs up before.
async fn send(world: Arc<World>, engine: Engine, request: Request, hangs_up: Option<Duration>) {
    let caller = request.caller;
    let answer = tokio::select! {
        biased;
        answer = engine.admit(request) => answer,
        () = async { tokio::time::sleep(hangs_up.unwrap_or(Duration::MAX)).await } => {
            // It is admitted or not; the checks find it.
            world.state().calls -= 1;
            return world.note(format_args!("{caller} hangs up"));
        }
    };
    match answer {
        Ok(job) => {
            world.note(format_args!("{caller} has {} ({})", job.id, job.state));
            let state = &mut *world.state();
            state.told.push(job.id);
            state.counts.jobs += 1;
        }
        Err(AdmitError::NoToken(_)) => world.note(format_args!("{caller}: no token")),
        Err(AdmitError::Limit(reached)) => world.note(format_args!("{caller}: {:?}", reached.limited)),
        Err(AdmitError::Stopping) => world.note(format_args!("{caller}: stopping")),
        Err(error) => world.violated(format!("a request is not admitted: {error}")),
    }
    world.state().calls -= 1;
}

/// No two ask for the same words: an upstream that lists its videos knows them by these.
fn request(caller: filmgate_domain::CallerId, number: u64, rng: &mut StdRng) -> Request {
    let (resolution, seconds) =
        [(Resolution::P480, 4), (Resolution::P480, 6), (Resolution::P480, 8), (Resolution::P720, 6)]
            [rng.random_range(0..4)];
    let seconds = Seconds::new(seconds).expect("a length");
    let shape = Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 };
    let on_shortage = [OnShortage::Fallback, OnShortage::Fail, OnShortage::Wait, OnShortage::Wait];
    let choice = Choice {
        on_shortage: on_shortage[rng.random_range(0..on_shortage.len())],
        max_wait: Some(Duration::from_secs(rng.random_range(1..=LONGEST_WAIT.as_secs()))),
        webhook: None,
        traceparent: None,
    };
    let mut fingerprint = [0; 32];
    rand::Rng::fill_bytes(rng, &mut fingerprint);
    let spec = VideoSpec::new(MODEL, &format!("a red fox, the {number}th"), shape).expect("a prompt");
    Request { caller, spec, files: Vec::new(), choice, fingerprint, keep: None }
}

/// The operator does something.
pub(crate) async fn operate(world: Arc<World>, engine: Engine) {
    world.state().counts.deeds += 1;
    match world.draw(|rng| rng.random_range(0..20)) {
        0..=2 => switch(&world, &engine, Deed::Disable).await,
        3..=5 => switch(&world, &engine, Deed::Enable).await,
        6 | 7 => switch(&world, &engine, Deed::Reset).await,
        8 | 9 => switch(&world, &engine, Deed::Remove).await,
        10 | 11 => {
            let pool = POOLS[world.draw(|rng| rng.random_range(0..POOLS.len()))];
            let again = world.draw(|rng| rng.random_bool(0.6));
            let secret = if again { removed(&world, pool) } else { None };
            add_token(&world, &engine, pool, secret).await;
        }
        12 | 13 => forgive(&world, &engine).await,
        14 | 15 => cancel(&world, &engine).await,
        16 => delete(&world, &engine).await,
        17 => raise_limits(&world, &engine).await,
        _ => reload(&world, &engine),
    }
    world.state().calls -= 1;
}

/// Adds a token, a new one or one that was removed before.
async fn add_token(world: &World, engine: &Engine, pool: &'static str, again: Option<String>) {
    let secret = {
        let book = &mut world.state().book;
        let new = format!("secret-of-token-{:04}", book.accounts.len());
        let secret = again.unwrap_or(new);
        if book.account(&secret).is_none() {
            book.accounts.push(Account::new(secret.clone(), pool));
        }
        secret
    };
    let info = TokenInfo::new(TokenId(0), pool, Secret::new(secret.clone()), world.now());
    let added = match engine.add_tokens(vec![info]).await.as_deref() {
        Ok(&[Added::New(id) | Added::Revived(id) | Added::Duplicate(id)]) => id,
        other => return world.violated(format!("a token cannot be added: {other:?}")),
    };
    world.note(format_args!("{secret} of {pool} is {added}"));
    let state = &mut *world.state();
    let account = state.book.account(&secret).expect("it was just entered");
    state.tokens.insert(added, Known { account, ..Known::default() });
    state.book.accounts[account].pause = None;
}

/// A token that was taken out before the last start comes back.
pub(crate) async fn bring_back(world: &World, engine: &Engine) {
    let pool = POOLS[world.draw(|rng| rng.random_range(0..POOLS.len()))];
    if let Some(secret) = removed(world, pool) {
        add_token(world, engine, pool, Some(secret)).await;
    }
}

/// Whatever it was told, a token may be used again.
fn need_not_pause(world: &World, token: TokenId) {
    let state = &mut *world.state();
    if let Some(known) = state.tokens.get(&token) {
        state.book.accounts[known.account].pause = None;
    }
}

/// The secret of a token of this pool that was taken out.
fn removed(world: &World, pool: &str) -> Option<String> {
    let state = &mut *world.state();
    let of_pool = |known: &&Known| known.removed && state.book.accounts[known.account].pool == pool;
    let removed: Vec<usize> = state.tokens.values().filter(of_pool).map(|known| known.account).collect();
    if removed.is_empty() {
        return None;
    }
    let account = removed[state.rng.random_range(0..removed.len())];
    Some(state.book.accounts[account].secret.clone())
}

/// Some token that is not taken out.
fn some_token(world: &World) -> Option<TokenId> {
    let state = &mut *world.state();
    let there = state.tokens.iter().filter(|(_, known)| !known.removed);
    let ids: Vec<TokenId> = there.map(|(id, _)| *id).collect();
    if ids.is_empty() { None } else { Some(ids[state.rng.random_range(0..ids.len())]) }
}

async fn switch(world: &World, engine: &Engine, deed: Deed) {
    let Some(token) = some_token(world) else { return };
    world.note(format_args!("{} {token}", deed.as_str()));
    let known = |change: &dyn Fn(&mut Known)| change(world.state().tokens.entry(token).or_default());
    match deed {
        Deed::Enable => {
            known(&|known| known.off_since = None);
            need_not_pause(world, token);
        }
        Deed::Reset => need_not_pause(world, token),
        // Whoever begins to remove it may be cut off: then it is there or not.
        Deed::Remove => known(&|known| known.removed = true),
        Deed::Disable => {}
    }
    if let Err(error) = engine.change_token(token, deed).await {
        return world.note(format_args!("{} {token}: {error}", deed.as_str()));
    }
    let now = world.now();
    if matches!(deed, Deed::Disable | Deed::Remove) {
        known(&|known| (known.off_since, known.gone) = (Some(now), known.removed));
    }
    world.note(format_args!("{} {token}: done", deed.as_str()));
}

async fn forgive(world: &World, engine: &Engine) {
    let Some(token) = some_token(world) else { return };
    need_not_pause(world, token);
    let answer = engine.forgive_token(token).await;
    world.note(format_args!("forgive {token}: {:?}", answer.is_ok()));
}

async fn cancel(world: &World, engine: &Engine) {
    let unfinished: Vec<JobId> = {
        let state = world.state();
        state.jobs.values().filter(|job| !job.state.is_final()).map(|job| job.id).collect()
    };
    if unfinished.is_empty() {
        return;
    }
    let job = unfinished[world.draw(|rng| rng.random_range(0..unfinished.len()))];
    let answer = engine.cancel(job).await;
    world.note(format_args!("cancel {job}: {}", answer.is_ok()));
    if answer.is_ok() {
        let ended = engine.store().job(job).await.ok().flatten().is_some_and(|job| job.state.is_final());
        world.demand(ended, || format!("{job} was cancelled and goes on"));
    }
}

async fn delete(world: &World, engine: &Engine) {
    let finished: Vec<_> = {
        let state = world.state();
        state.jobs.values().filter(|job| job.has_file()).cloned().collect()
    };
    if finished.is_empty() {
        return;
    }
    let job = &finished[world.draw(|rng| rng.random_range(0..finished.len()))];
    let deleted = engine.delete(job).await;
    world.note(format_args!("delete {}: {}", job.id, deleted.is_ok()));
}

async fn raise_limits(world: &World, engine: &Engine) {
    let nth = world.draw(|rng| rng.random_range(0..3));
    let Some((caller, _)) = world.state().callers.get(nth).copied() else { return };
    let raise = |limit: &mut Option<u32>| *limit = limit.map(|limit| limit + 2);
    let change = |limits: &mut CallerLimits| {
        raise(&mut limits.max_in_flight);
        raise(&mut limits.requests_per_minute);
        raise(&mut limits.units_per_day);
    };
    // Before it is said: it may be in force by then, and cut off.
    change(&mut world.state().callers[nth].1);
    let answer = engine.change_limits(caller, change).await;
    world.note(format_args!("{caller} may use more: {}", answer.is_ok()));
}

/// Other pools, quotas and rules, without a restart.
fn reload(world: &Arc<World>, engine: &Engine) {
    let setup = {
        let state = &mut *world.state();
        let mut setup = state.setups.last().expect("there is a setup").1.clone();
        setup.change(&mut state.rng);
        state.setups.push((world.clock.now(), setup.clone()));
        setup
    };
    engine.reload(setup.settings(|_| line(world)));
    world.note(format_args!("reload: {:?}", setup.pools));
}

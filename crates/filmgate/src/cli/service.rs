//! What a service manager is told, such as systemd with `Type=notify`: ready, reloading, stopping, alive. Without
//! one (no `NOTIFY_SOCKET` in the environment) nothing happens.

use std::convert::Infallible;
use std::time::Duration;

use filmgate_http::Tls;
use tokio::time::MissedTickBehavior;
use url::Url;

use super::health::{Question, ask};

/// The gateway listens.
pub(super) fn ready(url: &str) {
    manager::ready(&format!("at {url}"));
}

/// The configuration is being read anew, until [`reloaded`].
pub(super) fn reloading() {
    manager::reloading();
}

/// The configuration was read anew, or left as it was.
pub(super) fn reloaded() {
    manager::reloaded();
}

/// No new work is taken.
pub(super) fn stopping() {
    manager::stopping();
}

/// Tells the manager again and again that all is well, as long as the gateway answers over its own socket. A
/// manager that hears nothing for too long starts it anew.
pub(super) async fn stay_alive(gateway: &str, tls: Option<Tls>) -> Infallible {
    match (manager::patience(), Url::parse(gateway)) {
        (Some(patience), Ok(gateway)) => watch(&gateway, tls, patience, manager::alive).await,
        _ => std::future::pending().await,
    }
}

/// Three questions fit into the patience, so that one lost answer is no emergency.
async fn watch(
    gateway: &Url,
    tls: Option<Tls>,
    patience: Duration,
    mut is_alive: impl FnMut(),
) -> Infallible {
    let turn = (patience / 3).max(Duration::from_millis(1));
    let mut turns = tokio::time::interval(turn);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // It may be another one by now.
        let certificate = tls.as_ref().map(Tls::fingerprint);
        match ask(gateway, certificate.as_deref(), Question::Alive, turn).await {
            Ok(()) => is_alive(),
            Err(error) => tracing::error!("the service manager is not told that all is well: {error:#}"),
        }
    }
}

#[cfg(unix)]
mod manager {
    use std::time::Duration;

    use sd_notify::NotifyState::{MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog};
    use sd_notify::{NotifyState, notify};

    pub(super) fn ready(status: &str) {
        tell(&[Ready, Status(status)]);
    }

    pub(super) fn reloading() {
        // systemd tells by the time which reload this is about.
        let now = NotifyState::monotonic_usec_now().unwrap_or(MonotonicUsec(0));
        tell(&[Reloading, now]);
    }

    pub(super) fn reloaded() {
        tell(&[Ready]);
    }

    pub(super) fn stopping() {
        tell(&[Stopping]);
    }

    pub(super) fn alive() {
        tell(&[Watchdog]);
    }

    /// How long the manager waits for [`alive`].
    pub(super) fn patience() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    fn tell(news: &[NotifyState<'_>]) {
        if let Err(error) = notify(news) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

#[cfg(not(unix))]
mod manager {
    use std::time::Duration;

    pub(super) fn ready(_: &str) {}
    pub(super) fn reloading() {}
    pub(super) fn reloaded() {}
    pub(super) fn stopping() {}
    pub(super) fn alive() {}
    pub(super) fn patience() -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;
    use filmgate_http::{Limits, serve};
    use http::StatusCode;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn all_is_well_only_as_long_as_the_gateway_answers() {
        let told = Arc::new(AtomicUsize::new(0));
        let (failed, mut failures) = tokio::sync::watch::channel(0);
        let so_far = Arc::clone(&told);
        // It answers until the manager was told three times.
        let answer = move || async move {
            if so_far.load(Ordering::SeqCst) < 3 {
                return (StatusCode::OK, "ok\n");
            }
            failed.send_modify(|times| *times += 1);
            (StatusCode::INTERNAL_SERVER_ERROR, "")
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().route("/healthz", get(answer));
        let limits = Limits {
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            max_connections: 10,
            grace: Duration::ZERO,
        };
        tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
        let tell = || {
            told.fetch_add(1, Ordering::SeqCst);
        };
        tokio::select! {
            never = watch(&gateway, None, Duration::from_millis(300), tell) => match never {},
            seen = failures.wait_for(|times| *times == 3) => drop(seen.unwrap()),
        }
        assert_eq!(told.load(Ordering::SeqCst), 3);
    }
}

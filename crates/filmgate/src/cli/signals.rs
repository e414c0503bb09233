//! What the system tells a running gateway: stop, or read the configuration anew.

use super::service;
use crate::start::Running;

/// Signals that are listened for. Made before anything is started: a signal that comes during the start is
/// answered after it, and leaves nothing behind.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns at Ctrl-C or SIGTERM. Until then SIGHUP reloads.
    pub(super) async fn until_stop(&mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => {
                    service::reloading();
                    running.reload().await;
                    service::reloaded();
                }
            }
        }
    }

    /// Returns at the next Ctrl-C.
    pub(super) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// Where there are no signals there is Ctrl-C.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Returns at Ctrl-C.
    pub(super) async fn until_stop(&mut self, _: &Running) {
        self.interrupted().await;
    }

    /// Returns at the next Ctrl-C.
    pub(super) async fn interrupted(&mut self) {
        // Without a handler there is nothing to wait for: the system ends the process itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

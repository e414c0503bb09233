//! Names become addresses here, and only what was checked here is connected to.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::error::LeadsInside;
use crate::ranges::is_public;

/// How many names the system resolves at once. A lookup holds a thread until it ends and cannot be cancelled;
/// names that answer slowly must not take all the threads there are, which files need too.
const LOOKUPS: usize = 32;

/// Refuses a name if any of its addresses is private. The HTTP client connects to just the addresses that this
/// hands out, so that what a name resolves to later does not matter.
///
/// It is asked for names only: a literal address has to be checked before.
pub(super) struct Guard {
    pub(super) inner: Arc<dyn Resolve>,
    pub(super) allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolving, allow_private) = (self.inner.resolve(name), self.allow_private);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            if !allow_private && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The system's resolver.
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    pub(super) fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let turn = lookups.acquire_owned().await?;
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                // Not before: the thread is busy even when nobody waits for it any more.
                drop(turn);
                found
            });
            Ok(Box::new(lookup.await??) as Addrs)
        })
    }
}

//! Names become addresses here, and only what was checked here is connected to.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::Host;

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
            if !allow_private && !all_public(&addresses) {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Lets the names through that an upstream may lead to: those of the Internet, and private ones where the upstream is
/// in a private network itself. One on the Internet has no business with what is inside.
pub(crate) struct Neighbours {
    pub(crate) inner: Arc<dyn Resolve>,
    /// Where the upstream's API is.
    pub(crate) upstream: Host,
}

impl Resolve for Neighbours {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.inner.resolve(name);
        let (inner, upstream) = (Arc::clone(&self.inner), self.upstream.clone());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            if !all_public(&addresses) && is_on_the_internet(&*inner, &upstream).await? {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn all_public(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| is_public(address.ip()))
}

async fn is_on_the_internet(
    inner: &dyn Resolve,
    upstream: &Host,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match upstream {
        Host::Ipv4(ip) => is_public((*ip).into()),
        Host::Ipv6(ip) => is_public((*ip).into()),
        Host::Domain(name) => all_public(&inner.resolve(name.parse()?).await?.collect::<Vec<_>>()),
    })
}

/// The system's resolver.
pub(crate) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    pub(crate) fn new() -> Self {
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A world of four names.
    struct World;

    impl Resolve for World {
        fn resolve(&self, name: Name) -> Resolving {
            let address = match name.as_str() {
                "api.example" => "1.1.1.1:0",
                "files.example" => "1.0.0.1:0",
                "relay.corp.example" => "10.0.0.5:0",
                // Of a stranger's own domain.
                _ => "169.254.169.254:0",
            };
            let addresses = vec![address.parse().unwrap()].into_iter();
            Box::pin(std::future::ready(Ok(Box::new(addresses) as Addrs)))
        }
    }

    #[rstest]
    #[case::elsewhere("api.example", "files.example", true)]
    #[case::inside("api.example", "metadata.evil.example", false)]
    #[case::inside_from_an_address("1.1.1.1", "metadata.evil.example", false)]
    #[case::inside_from_inside("relay.corp.example", "minio.corp.example", true)]
    #[case::inside_from_loopback("[::1]", "minio.corp.example", true)]
    #[case::itself("relay.corp.example", "relay.corp.example", true)]
    #[tokio::test]
    async fn an_upstream_on_the_internet_leads_nobody_inside(
        #[case] upstream: &str,
        #[case] name: &str,
        #[case] may: bool,
    ) {
        let neighbours = Neighbours { inner: Arc::new(World), upstream: Host::parse(upstream).unwrap() };
        assert_eq!(neighbours.resolve(name.parse().unwrap()).await.is_ok(), may);
    }
}

//! HTTP clients of the command line.

use std::sync::Once;
use std::time::Duration;

use anyhow::Context as _;
use url::{Host, Url};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for one server. `silence` is how long the server may say nothing, if that is limited. A proxy of the
/// environment (`HTTPS_PROXY` and the like) is used, save for this machine itself.
pub(super) fn client(base: &Url, silence: Option<Duration>) -> anyhow::Result<reqwest::Client> {
    use_ring();
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("filmgate/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT);
        let builder = match silence {
            Some(silence) => builder.read_timeout(silence),
            None => builder,
        };
        if is_this_machine(base) { builder.no_proxy() } else { builder }
    };
    let built = match builder().build() {
        // Without any CA certificates on the machine, a server without TLS can be reached all the same.
        Err(_) if base.scheme() == "http" => builder().tls_certs_only([]).build(),
        built => built,
    };
    built.context("no HTTP client could be made")
}

/// Reads an address that a person wrote.
pub(super) fn address(text: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url =
        url.with_context(|| format!("{text:?} is no address; it has to begin with http:// or https://"))?;
    anyhow::ensure!(
        url.username().is_empty() && url.password().is_none(),
        "the address must not hold a password"
    );
    Ok(url)
}

/// `base` with more segments, each encoded as its own.
pub(super) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Whether the address means this machine.
pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => false,
    }
}

fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stay_segments() {
        let base = address("http://127.0.0.1:8000/admin/v1/").unwrap();
        assert_eq!(
            below(&base, &["jobs", "a/../b?c"]).as_str(),
            "http://127.0.0.1:8000/admin/v1/jobs/a%2F..%2Fb%3Fc"
        );
    }

    #[test]
    fn addresses() {
        for wrong in ["", "localhost:8000", "ftp://x", "http://", "https://me:secret@x/"] {
            let error = address(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(is_this_machine(&address("http://[::1]:1/").unwrap()));
        assert!(is_this_machine(&address("http://0.0.0.0:8000").unwrap()));
        assert!(!is_this_machine(&address("https://localhost.example.com").unwrap()));
    }
}

//! HTTP clients of the command line.

use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest as _, Sha256};
use url::{Host, Url};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for one server. `silence` is how long the server may say nothing, if that is limited. A proxy of the
/// environment (`HTTPS_PROXY` and the like) is used, save for this machine itself. `certificate` is that of a server
/// which said in its data directory by which one it is known: that one is taken, whatever name it is for, and no
/// other. Without it, certificates are judged as browsers do.
pub(super) fn client(
    base: &Url,
    silence: Option<Duration>,
    certificate: Option<&str>,
) -> anyhow::Result<reqwest::Client> {
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
        let builder = match certificate {
            // It is this machine's own, whatever its address.
            Some(certificate) => builder.no_proxy().tls_backend_preconfigured(Known::client(certificate)),
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

/// Takes one certificate, known by its SHA-256.
#[derive(Debug)]
struct Known {
    certificate: String,
    provider: Arc<CryptoProvider>,
}

impl Known {
    fn client(certificate: &str) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let known = Self { certificate: certificate.to_owned(), provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("ring speaks every version that rustls does");
        builder.dangerous().with_custom_certificate_verifier(Arc::new(known)).with_no_client_auth()
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if hex::encode(Sha256::digest(certificate)) == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("another certificate than the one in server.json is shown".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
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

//! TLS of the listener: the certificate that it shows, which can be replaced while it listens.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate and its key. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<Shown>>);

struct Shown {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it has to be.
    #[error("{file} {problem}")]
    File {
        /// Which.
        file: String,
        /// What is wrong with it. Never anything of what is in it.
        problem: String,
    },
    /// The two are not of each other.
    #[error("the key in {key} is not that of the certificate in {certificate}, or cannot be used ({why})")]
    Pair {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What rustls says.
        why: String,
    },
}

impl Tls {
    /// Reads a certificate, with those that vouch for it, and its private key: files in PEM.
    ///
    /// # Errors
    /// When they are not there, not readable, or not of each other.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(shown(certificate, key)?))))
    }

    /// Reads them anew. What is wrong changes nothing.
    ///
    /// # Errors
    /// As [`Tls::read`].
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        self.0.store(Arc::new(shown(certificate, key)?));
        Ok(())
    }

    /// SHA-256 of the certificate, in hex.
    pub fn fingerprint(&self) -> String {
        hex::encode(self.0.load().fingerprint)
    }

    /// Lets a client begin.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.load().config);
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn shown(certificate: &Path, key: &Path) -> Result<Shown, TlsError> {
    let wrong = |file: &Path, problem: String| TlsError::File { file: file.display().to_string(), problem };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> =
        chain.map_err(|error| wrong(certificate, format!("is no certificate in PEM: {error}")))?;
    let Some(first) = chain.first() else {
        return Err(wrong(certificate, "holds no certificate in PEM".to_owned()));
    };
    let fingerprint = Sha256::digest(first).into();
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong(key, format!("is no private key in PEM: {error}")))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let built = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = built.map_err(|error| TlsError::Pair {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        why: error.to_string(),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Shown { config: Arc::new(config), fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_a_key_have_to_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = file("own.pem", &own.cert.pem());
        let key = file("own.key", &own.signing_key.serialize_pem());
        let tls = Tls::read(&certificate, &key).unwrap();
        let before = tls.fingerprint();
        let missing = dir.path().join("missing");
        let others = file("other.key", &other.signing_key.serialize_pem());
        let empty = file("empty", "");
        for (certificate, key, says) in [
            (&certificate, &others, "other.key is not that of the certificate"),
            (&certificate, &missing, "missing is no private key"),
            (&certificate, &certificate, "own.pem is no private key"),
            (&missing, &key, "missing is no certificate"),
            (&empty, &key, "empty holds no certificate"),
        ] {
            let error = tls.reload(certificate, key).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("PRIVATE"), "{error}");
        }
        assert_eq!(tls.fingerprint(), before, "what is wrong changes nothing");
        tls.reload(&file("other.pem", &other.cert.pem()), &others).unwrap();
        assert_ne!(tls.fingerprint(), before);
    }
}

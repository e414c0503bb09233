//! The listener's certificate: where it comes from, and who is told which one it is.

use std::path::{Path, PathBuf};

use filmgate_http::Tls;

use crate::config::Config;
use crate::data_dir;

/// A certificate in use, and its files.
pub(crate) struct Secured {
    tls: Tls,
    certificate: PathBuf,
    key: PathBuf,
    data_dir: PathBuf,
    admin_url: String,
}

/// The certificate of the settings, if they name one.
pub(crate) fn read(config: &Config) -> anyhow::Result<Option<Tls>> {
    let server = &config.server;
    if server.tls_certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(Tls::read(&server.tls_certificate, &server.tls_key)?))
}

impl Secured {
    pub(crate) fn new(tls: Tls, config: &Config, data_dir: &Path, admin_url: String) -> Self {
        let (certificate, key) = (config.server.tls_certificate.clone(), config.server.tls_key.clone());
        Self { tls, certificate, key, data_dir: data_dir.to_owned(), admin_url }
    }

    /// Reads the files anew, and tells the command line.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        self.tls.reload(&self.certificate, &self.key)?;
        data_dir::write_server(&self.data_dir, &self.admin_url, Some(&self.tls.fingerprint()))
    }
}

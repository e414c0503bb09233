//! The data directory: who holds it, and the keys in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use filmgate_store::MasterKey;

/// A data directory that this process holds; the lock ends with the process.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

const LOCK: &str = "lock";
const MASTER_KEY: &str = "master.key";
const ADMIN_KEY: &str = "admin.key";
const SERVER: &str = "server.json";

impl DataDir {
    /// Makes the directory if need be, and takes it for this process.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        make_private_dir(path)?;
        let lock = open_lock(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another filmgate uses {}; stop it, or choose another directory with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("filmgate.db")
    }

    /// The key that seals the tokens: from the environment, or the file, which is made at the first start.
    pub(crate) fn master_key(&self) -> anyhow::Result<MasterKey> {
        let text = secret_from_env("FILMGATE_MASTER_KEY")?;
        let text = match text {
            Some(text) => text,
            None => {
                let fresh = || Ok(MasterKey::generate().to_hex());
                self.kept(MASTER_KEY, self.database().exists(), fresh)?.0
            }
        };
        MasterKey::from_hex(text.trim()).context("the master key is not 64 hex digits")
    }

    /// The admin key, and whether it was made just now.
    pub(crate) fn admin_key(&self) -> anyhow::Result<(String, bool)> {
        if let Some(text) = secret_from_env("FILMGATE_ADMIN_KEY")? {
            write_private(&self.path.join(ADMIN_KEY), &text)?;
            return Ok((text, false));
        }
        self.kept(ADMIN_KEY, false, || Ok(filmgate_http::new_key("fga-")?))
    }

    /// Makes a key that the operator has already the admin key. One that is there stays, and is an error.
    pub(crate) fn adopt_admin_key(&self, key: &str) -> anyhow::Result<()> {
        let path = self.path.join(ADMIN_KEY);
        if path.exists() {
            bail!("{} is there already", path.display());
        }
        write_private(&path, key)
    }

    /// What a file holds; a fresh value is written when there is no file, unless it must be there.
    fn kept(
        &self,
        name: &str,
        must_exist: bool,
        fresh: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<(String, bool)> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((text.trim().to_owned(), false)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                let value = fresh()?;
                write_private(&path, &value)?;
                Ok((value, true))
            }
            Err(error) => Err(error).with_context(|| {
                let path = path.display();
                format!("{path} cannot be read, and without it the tokens in the database stay sealed; put it back")
            }),
        }
    }

    /// Tells the command line where this server is.
    pub(crate) fn write_server(&self, admin_url: &str) -> anyhow::Result<()> {
        let text = serde_json::json!({ "admin_url": admin_url }).to_string();
        write_private(&self.path.join(SERVER), &text)
    }

    pub(crate) fn forget_server(&self) {
        // The lock tells whether a server runs; a leftover of this file misleads nobody.
        let _ = std::fs::remove_file(self.path.join(SERVER));
    }
}

/// The admin key that a data directory keeps, if it has one. Nothing is made.
pub(crate) fn admin_key_of(path: &Path) -> anyhow::Result<Option<String>> {
    let path = path.join(ADMIN_KEY);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Whether a process holds the directory.
pub(crate) fn is_locked(path: &Path) -> anyhow::Result<bool> {
    if !path.join(LOCK).exists() {
        return Ok(false);
    }
    match open_lock(path)?.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// A secret from `NAME`, or from the file that `NAME_FILE` names.
pub(crate) fn secret_from_env(name: &str) -> anyhow::Result<Option<String>> {
    if let Ok(text) = std::env::var(name)
        && !text.trim().is_empty()
    {
        return Ok(Some(text.trim().to_owned()));
    }
    let Ok(path) = std::env::var(format!("{name}_FILE")) else { return Ok(None) };
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{name}_FILE: {path} cannot be read"))?;
    Ok(Some(text.trim().to_owned()))
}

fn open_lock(path: &Path) -> anyhow::Result<File> {
    let lock = path.join(LOCK);
    let opened = OpenOptions::new().create(true).append(true).open(&lock);
    opened.with_context(|| format!("{} cannot be opened", lock.display()))
}

fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(path);
    made.with_context(|| format!("the data directory {} cannot be made", path.display()))
}

/// Writes a file that only its owner can read, durably.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_one_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_locked(dir.path()).unwrap());
        let held = DataDir::take(dir.path()).unwrap();
        assert!(is_locked(dir.path()).unwrap());
        assert!(DataDir::take(dir.path()).is_err());
        drop(held);
        assert!(!is_locked(dir.path()).unwrap());
    }

    #[test]
    fn keys_stay_the_same_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take(dir.path()).unwrap();
        let (key, is_new) = held.admin_key().unwrap();
        assert!(is_new);
        assert_eq!(held.admin_key().unwrap(), (key, false));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.path().join(ADMIN_KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_operators_own_admin_key_is_taken_where_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(admin_key_of(&dir.path().join("nowhere")).unwrap(), None);
        let held = DataDir::take(dir.path()).unwrap();
        held.adopt_admin_key("their-own-admin-key").unwrap();
        assert_eq!(admin_key_of(dir.path()).unwrap().as_deref(), Some("their-own-admin-key"));
        assert_eq!(held.admin_key().unwrap(), ("their-own-admin-key".to_owned(), false));
        let error = held.adopt_admin_key("another").unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(held.admin_key().unwrap().0, "their-own-admin-key");
    }

    #[test]
    fn a_lost_master_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take(dir.path()).unwrap();
        held.master_key().unwrap();
        std::fs::write(held.database(), "").unwrap();
        std::fs::remove_file(dir.path().join(MASTER_KEY)).unwrap();
        let error = held.master_key().unwrap_err();
        assert!(format!("{error:#}").contains("stay sealed"));
    }
}

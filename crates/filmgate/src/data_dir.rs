//! The data directory: who holds it, and the keys in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use filmgate_domain::Clock as _;
use filmgate_engine::SystemClock;
use filmgate_store::{MasterKey, Rotated, Store, StoreError, rotate_master_key};

/// A data directory that this process holds; the lock ends with the process.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

const LOCK: &str = "lock";
/// The key that seals the tokens.
pub(crate) const MASTER_KEY: &str = "master.key";
/// The one that is to take its place: there only while that goes on, or when it was cut off.
const NEXT_MASTER_KEY: &str = "master.key.next";
/// The operator's key.
pub(crate) const ADMIN_KEY: &str = "admin.key";
/// The database.
pub(crate) const DATABASE: &str = "filmgate.db";
/// Where a restore gathers everything. It is there until the restore is complete.
pub(crate) const RESTORING: &str = "restoring";
const SERVER: &str = "server.json";

impl DataDir {
    /// Makes the directory if need be, and takes it for this process.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        let held = Self::hold(path)?;
        if path.join(RESTORING).exists() {
            bail!("a restore to {} was cut off; run it again", path.display());
        }
        Ok(held)
    }

    /// Takes a directory that holds nothing, or what a restore that was cut off has left, which is removed.
    pub(crate) fn take_empty(path: &Path) -> anyhow::Result<Self> {
        let held = Self::hold(path)?;
        let entries = || -> std::io::Result<Vec<PathBuf>> {
            let entries = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
            let entries = entries.collect::<std::io::Result<Vec<_>>>()?;
            Ok(entries.into_iter().filter(|entry| !entry.ends_with(LOCK)).collect())
        };
        let unusable = || format!("{} cannot be looked into", path.display());
        let found = entries().with_context(unusable)?;
        if !found.is_empty() && !path.join(RESTORING).exists() {
            bail!(
                "{} is not empty; a backup is restored to a directory that holds nothing: move what is there away, \
                 or choose another with --data-dir",
                path.display()
            );
        }
        // What says that this is a restore's goes last.
        let (last, first): (Vec<_>, Vec<_>) = found.into_iter().partition(|entry| entry.ends_with(RESTORING));
        for entry in first.iter().chain(&last) {
            let removed =
                if entry.is_dir() { std::fs::remove_dir_all(entry) } else { std::fs::remove_file(entry) };
            removed.with_context(|| format!("{} cannot be removed", entry.display()))?;
        }
        Ok(held)
    }

    fn hold(path: &Path) -> anyhow::Result<Self> {
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
        self.path.join(DATABASE)
    }

    /// Opens the database with its key.
    pub(crate) fn open_store(&self) -> anyhow::Result<(Store, MasterKey)> {
        let (database, key) = (self.database(), self.master_key()?);
        let unusable = || format!("{} cannot be opened", database.display());
        let next = self.path.join(NEXT_MASTER_KEY);
        let opened = match Store::open(&database, &key) {
            Err(StoreError::WrongMasterKey { .. }) if next.exists() => {
                // The key was being replaced, the database has the new one, and the file has not.
                let key = read_master_key(&next)?;
                let store = Store::open(&database, &key).with_context(unusable)?;
                self.adopt_next_master_key()?;
                return Ok((store, key));
            }
            opened => opened.with_context(unusable)?,
        };
        if next.exists() {
            // It never came so far that something was sealed with it.
            std::fs::remove_file(&next).with_context(|| format!("{} cannot be removed", next.display()))?;
        }
        Ok((opened, key))
    }

    /// Puts another key in the place of the one in the file: kept beside it first, then everything is sealed with it,
    /// then it takes its place. Wherever that is cut off, [`DataDir::open_store`] finds the key that fits.
    pub(crate) async fn rotate_master_key(&self, new: MasterKey) -> anyhow::Result<Rotated> {
        // What an earlier one has left is put right first.
        let (store, old) = self.open_store()?;
        store.close().await;
        write_private(&self.path.join(NEXT_MASTER_KEY), &new.to_hex())?;
        let rotated = rotate_master_key(&self.database(), &old, &new, SystemClock.now())?;
        self.adopt_next_master_key()?;
        Ok(rotated)
    }

    /// Puts the key that was kept beside the one in use in its place.
    fn adopt_next_master_key(&self) -> anyhow::Result<()> {
        let path = self.path.join(MASTER_KEY);
        let adopted = std::fs::rename(self.path.join(NEXT_MASTER_KEY), &path);
        adopted
            .and_then(|()| sync_dir(&self.path))
            .with_context(|| format!("{} cannot be written", path.display()))
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
        master_key_from(&text)
    }

    /// The admin key, and whether it was made just now.
    pub(crate) fn admin_key(&self) -> anyhow::Result<(String, bool)> {
        let (key, is_new) = self.any_admin_key()?;
        // A file that was cut off, or a secret that was never filled in: an empty form would sign in.
        if key.is_empty() {
            bail!(
                "the admin key is empty; put one into FILMGATE_ADMIN_KEY or {}, or remove that file to get a fresh one",
                self.path.join(ADMIN_KEY).display()
            );
        }
        Ok((key, is_new))
    }

    fn any_admin_key(&self) -> anyhow::Result<(String, bool)> {
        if let Some(text) = secret_from_env("FILMGATE_ADMIN_KEY")? {
            if !text.is_empty() {
                write_private(&self.path.join(ADMIN_KEY), &text)?;
            }
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

    pub(crate) fn forget_server(&self) {
        // The lock tells whether a server runs; a leftover of this file misleads nobody.
        let _ = std::fs::remove_file(self.path.join(SERVER));
    }
}

/// Tells the command line where this server is, and by which certificate it is known (SHA-256, in hex).
pub(crate) fn write_server(
    data_dir: &Path,
    admin_url: &str,
    certificate: Option<&str>,
) -> anyhow::Result<()> {
    let text = serde_json::json!({ "admin_url": admin_url, "certificate": certificate }).to_string();
    write_private(&data_dir.join(SERVER), &text)
}

/// The master keys that may be those of a data directory's database: the environment's, or the files'. Nothing is
/// made.
pub(crate) fn master_keys_of(path: &Path) -> anyhow::Result<Vec<MasterKey>> {
    if let Some(text) = secret_from_env("FILMGATE_MASTER_KEY")? {
        return Ok(vec![master_key_from(&text)?]);
    }
    let files = [MASTER_KEY, NEXT_MASTER_KEY].map(|name| path.join(name));
    files.iter().filter(|file| file.exists()).map(|file| read_master_key(file)).collect()
}

fn read_master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let text = std::fs::read_to_string(path);
    master_key_from(&text.with_context(|| format!("{} cannot be read", path.display()))?)
}

/// The key that a text from a file or the environment is.
pub(crate) fn master_key_from(text: &str) -> anyhow::Result<MasterKey> {
    MasterKey::from_hex(text.trim()).context("the master key is not 64 hex digits")
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

/// Makes a directory that only its owner can look into, durably, if it is not there.
pub(crate) fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = if path.is_dir() { Ok(()) } else { builder.create(path).and_then(|()| sync_parents(path)) };
    made.with_context(|| format!("the data directory {} cannot be made", path.display()))
}

/// A new directory is on disk only when all those that it lies in are.
fn sync_parents(path: &Path) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    // One that may not be opened was there before.
    path.ancestors().skip(1).map_while(|above| File::open(above).ok()).try_for_each(|above| above.sync_all())
}

/// Has it written down which names are in a directory.
pub(crate) fn sync_dir(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a file that only its owner can read, durably: what was there before stays until all of it is on disk.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        path.parent().map_or(Ok(()), sync_dir)
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

            // One that somebody made by hand for everybody to read.
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(dir.path().join(ADMIN_KEY), open).unwrap();
            write_private(&dir.path().join(ADMIN_KEY), "another").unwrap();
            let mode = std::fs::metadata(dir.path().join(ADMIN_KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn an_empty_admin_key_is_none_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take(dir.path()).unwrap();
        std::fs::write(dir.path().join(ADMIN_KEY), " \n").unwrap();
        let error = held.admin_key().unwrap_err();
        assert!(error.to_string().contains("the admin key is empty"), "{error}");
        std::fs::remove_file(dir.path().join(ADMIN_KEY)).unwrap();
        assert!(held.admin_key().unwrap().1, "a fresh one is made");
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

    fn key_in(dir: &Path) -> String {
        std::fs::read_to_string(dir.join(MASTER_KEY)).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn wherever_the_replacing_of_a_key_is_cut_off_the_directory_opens() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take(dir.path()).unwrap();
        let (store, old) = held.open_store().unwrap();
        store.close().await;
        let (new, next) = (MasterKey::generate(), dir.path().join(NEXT_MASTER_KEY));
        let opens_with = async |key: &MasterKey| {
            let (store, found) = held.open_store().unwrap();
            store.close().await;
            assert_eq!((found.to_hex(), key_in(dir.path())), (key.to_hex(), key.to_hex()));
            assert!(!next.exists(), "put right");
        };
        // While the new key was being written, and once it was.
        std::fs::write(dir.path().join("master.key.next.partial"), "5a5a").unwrap();
        opens_with(&old).await;
        write_private(&next, &new.to_hex()).unwrap();
        opens_with(&old).await;
        // Once everything was sealed with it.
        write_private(&next, &new.to_hex()).unwrap();
        rotate_master_key(&held.database(), &old, &new, SystemClock.now()).unwrap();
        opens_with(&new).await;
        // Once it was in its place.
        opens_with(&new).await;
        // And again, in one go.
        let newest = MasterKey::generate();
        assert!(matches!(held.rotate_master_key(newest.clone()).await.unwrap(), Rotated::Now { .. }));
        opens_with(&newest).await;
    }

    #[test]
    fn a_file_that_is_replaced_is_whole_at_every_moment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ADMIN_KEY);
        write_private(&path, "first").unwrap();
        let before = std::fs::File::open(&path).unwrap();
        write_private(&path, "second").unwrap();
        // The file that was there is as it was: another one has taken its place.
        assert_eq!(std::io::read_to_string(before).unwrap(), "first\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

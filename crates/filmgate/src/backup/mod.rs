//! Backups: a directory with a copy of the database and what opens it, made while the gateway runs.

mod manifest;
mod restore;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use filmgate_domain::Clock as _;
use filmgate_engine::SystemClock;
use filmgate_store::{MasterKey, Snapshot, copy_database};
use sha2::{Digest as _, Sha256};

use crate::data_dir::{self, ADMIN_KEY, DATABASE, MASTER_KEY, sync_dir, write_private};

pub(crate) use manifest::{Entry, Manifest};
pub(crate) use restore::{Back, restore};

/// The directory of the videos in a backup.
const MEDIA: &str = "media";

/// The settings that were changed on the operator's page, or written by hand.
const SETTINGS: &str = "filmgate.toml";

/// What to copy, and where.
pub(crate) struct Wanted<'a> {
    /// The data directory.
    pub(crate) data_dir: &'a Path,
    /// Where the videos are kept; `None` leaves them out.
    pub(crate) media_dir: Option<&'a Path>,
    /// The master key and the admin key too.
    pub(crate) keys: bool,
    /// The directory to make.
    pub(crate) to: &'a Path,
}

/// A backup that was made.
pub(crate) struct Made {
    /// What it holds.
    pub(crate) manifest: Manifest,
    /// Where the master key is, for people.
    pub(crate) key: &'static str,
    /// Videos that were removed while it was made.
    pub(crate) gone: usize,
}

/// Makes a backup. A server may be at work with the directory, and goes on; nothing of it is changed. The backup is
/// there when all of it is on disk, and not before.
pub(crate) fn make(wanted: &Wanted<'_>) -> anyhow::Result<Made> {
    let Wanted { data_dir, media_dir, keys, to } = *wanted;
    if to.symlink_metadata().is_ok() {
        bail!("{} is there already; a backup takes the place of nothing", to.display());
    }
    let to = std::path::absolute(to)?;
    let parent = to.parent().context("a backup needs a directory to lie in")?;
    let partial = private_tempdir(parent);
    let partial = partial.with_context(|| format!("nothing can be written to {}", parent.display()))?;
    let dir = partial.path();
    let (snapshot, master_key) = copy(data_dir, dir)?;
    let mut files = vec![Entry::of(dir, DATABASE)?];
    let is_from_env = data_dir::secret_from_env("FILMGATE_MASTER_KEY")?.is_some();
    let key = match &master_key {
        Some(key) if keys && !is_from_env => {
            write_private(&dir.join(MASTER_KEY), &key.to_hex())?;
            files.push(Entry::of(dir, MASTER_KEY)?);
            "in the backup"
        }
        _ => "NOT in the backup; without it the tokens in there stay sealed",
    };
    for (name, wanted) in [(ADMIN_KEY, keys), (SETTINGS, true)] {
        if wanted && let Some(entry) = copy_file(&data_dir.join(name), dir, name)? {
            files.push(entry);
        }
    }
    let mut gone = 0;
    if let Some(media_dir) = media_dir {
        data_dir::make_private_dir(&dir.join(MEDIA))?;
        for job in &snapshot.files {
            let name = format!("{job}.mp4");
            match copy_file(&media_dir.join(&name), dir, &format!("{MEDIA}/{name}"))? {
                Some(entry) => files.push(entry),
                None => gone += 1,
            }
        }
        sync_dir(&dir.join(MEDIA))?;
    }
    let manifest = Manifest {
        filmgate: env!("CARGO_PKG_VERSION").to_owned(),
        schema: snapshot.schema,
        made_at: SystemClock.now(),
        jobs: snapshot.jobs,
        media: media_dir.is_some(),
        files,
    };
    manifest.write(dir)?;
    sync_dir(dir)?;
    // An empty directory would be replaced, and one with something in it is an error.
    std::fs::rename(partial.keep(), &to).with_context(|| format!("{} cannot be made", to.display()))?;
    sync_dir(parent)?;
    Ok(Made { manifest, key, gone })
}

/// A directory that only its owner can look into. It is removed again unless it is kept.
fn private_tempdir(parent: &Path) -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".filmgate-backup-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(parent)
}

/// The copy of the database, and the master key that opens it, if it is known here.
fn copy(data_dir: &Path, dir: &Path) -> anyhow::Result<(Snapshot, Option<MasterKey>)> {
    let database = data_dir.join(DATABASE);
    let copied = dir.join(DATABASE);
    // The key may be replaced while the copy is made; the next one is of a time after that.
    for _ in 0..3 {
        let mut keys = data_dir::master_keys_of(data_dir)?;
        let snapshot = copy_database(&database, &copied, &keys)
            .with_context(|| format!("{} cannot be copied", database.display()))?;
        match snapshot.opens_with {
            Some(which) => return Ok((snapshot, Some(keys.swap_remove(which)))),
            None if keys.is_empty() => return Ok((snapshot, None)),
            None => std::fs::remove_file(&copied)?,
        }
    }
    bail!(
        "the master key does not fit the database {}; a backup that nobody can open is none",
        database.display()
    )
}

/// Copies a file, durably and for its owner only. `None` when it is not there.
fn copy_file(from: &Path, dir: &Path, name: &str) -> anyhow::Result<Option<Entry>> {
    let source = match File::open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", from.display())),
    };
    let to = dir.join(name);
    let copied = write_from(source, &to);
    let (bytes, sha256) =
        copied.with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(Some(Entry { name: name.to_owned(), bytes, sha256 }))
}

/// Writes a file that is not there yet; its size and SHA-256.
fn write_from(source: File, to: &Path) -> std::io::Result<(u64, String)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(to)?;
    let read = digest(source, &mut file)?;
    file.sync_all()?;
    Ok(read)
}

/// Reads a file to its end, and writes what it read; its size and SHA-256.
fn digest(mut source: File, to: &mut impl Write) -> std::io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
}

/// What a name in a manifest stands for, below a directory; `None` when no backup has a file of that name.
fn place(dir: &Path, name: &str) -> Option<PathBuf> {
    let is_video = |name: &str| {
        let job = name.strip_prefix("media/").and_then(|name| name.strip_suffix(".mp4"));
        job.is_some_and(|job| job.parse::<filmgate_domain::JobId>().is_ok_and(|id| id.to_string() == job))
    };
    let known = [DATABASE, MASTER_KEY, ADMIN_KEY, SETTINGS].contains(&name) || is_video(name);
    known.then(|| dir.join(name))
}

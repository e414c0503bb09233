//! The way back: a data directory from a backup. Everything is gathered and checked aside, and moved to its place when
//! it is complete.

use std::path::Path;

use anyhow::{Context as _, bail};
use filmgate_engine::Restored;
use filmgate_store::restore_database;

use super::{Entry, MEDIA, Manifest, SETTINGS, copy_file, place};
use crate::config::Sources;
use crate::data_dir::{
    self, ADMIN_KEY, DATABASE, DataDir, MASTER_KEY, RESTORING, make_private_dir, sync_dir,
};
use crate::start;

/// A backup that was restored.
pub(crate) struct Back {
    /// What it held.
    pub(crate) manifest: Manifest,
    /// What became of its jobs.
    pub(crate) jobs: Restored,
}

/// Makes a data directory of a backup. `sources` says where settings come from, given the directory that they may lie
/// in. The directory has to be empty, and nobody's; it stays as it was when the backup is not whole.
pub(crate) async fn restore(
    from: &Path,
    data_dir: &Path,
    sources: impl FnOnce(&Path) -> Sources,
) -> anyhow::Result<Back> {
    let manifest = Manifest::read(from)?;
    let held = DataDir::take_empty(data_dir)?;
    let aside = held.path().join(RESTORING);
    make_private_dir(&aside)?;
    let jobs = match gather(from, &aside, &manifest, sources).await {
        Ok(jobs) => jobs,
        Err(error) => {
            // Nothing but what was gathered here is lost with it.
            let _ = std::fs::remove_dir_all(&aside);
            return Err(error);
        }
    };
    // Until the last one is in its place, the directory does not start.
    for name in [MEDIA, SETTINGS, ADMIN_KEY, MASTER_KEY, DATABASE] {
        let (from, to) = (aside.join(name), held.path().join(name));
        if from.exists() {
            std::fs::rename(&from, &to).with_context(|| format!("{} cannot be made", to.display()))?;
        }
    }
    sync_dir(held.path())?;
    std::fs::remove_dir_all(&aside).with_context(|| format!("{} cannot be removed", aside.display()))?;
    sync_dir(held.path())?;
    Ok(Back { manifest, jobs })
}

/// Copies and checks everything, and settles what cannot go on.
async fn gather(
    from: &Path,
    aside: &Path,
    manifest: &Manifest,
    sources: impl FnOnce(&Path) -> Sources,
) -> anyhow::Result<Restored> {
    if !manifest.has(DATABASE) {
        bail!("there is no database in the backup {}", from.display());
    }
    let (videos, others): (Vec<_>, Vec<_>) =
        manifest.files.iter().partition(|listed| listed.name.starts_with(MEDIA));
    for listed in others {
        take(from, aside, &listed.name, listed)?;
    }
    // Only now: the settings, which say where videos are kept, may come from the backup.
    let sources = sources(aside);
    if manifest.media {
        let media_dir = start::load(&sources)?.config.media_dir(aside);
        make_private_dir(&media_dir)?;
        for listed in videos {
            let name = listed.name.rsplit('/').next().unwrap_or_default();
            take(from, &media_dir, name, listed)?;
        }
        sync_dir(&media_dir)?;
    }
    let keys = data_dir::master_keys_of(aside)?;
    let Some(key) = keys.first() else {
        bail!(
            "the master key is not in the backup: give the one that its tokens are sealed with in \
             FILMGATE_MASTER_KEY, or the file that holds it in FILMGATE_MASTER_KEY_FILE"
        );
    };
    restore_database(&aside.join(DATABASE), key)?;
    let books = start::offline(&sources, aside).await?;
    let settled = books.settle_restored().await;
    books.close().await;
    folded(aside).await?;
    if !manifest.has(ADMIN_KEY) {
        // The first start makes one, and shows it.
        std::fs::remove_file(aside.join(ADMIN_KEY))?;
    }
    sync_dir(aside)?;
    Ok(settled?)
}

/// Waits until the database's log is folded back into it, which its last connection does: the file is moved alone.
async fn folded(aside: &Path) -> anyhow::Result<()> {
    let log = aside.join(format!("{DATABASE}-wal"));
    for _ in 0..200 {
        if std::fs::metadata(&log).map_or(true, |log| log.len() == 0) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    bail!("{} is still in use; nothing was restored", log.display())
}

/// Copies a file of the backup, and checks that it is as it was. A video that is there already, where they are kept
/// outside of the data directory, has to be the same.
fn take(from: &Path, dir: &Path, name: &str, listed: &Entry) -> anyhow::Result<()> {
    let Some(source) = place(from, &listed.name) else {
        bail!("no backup has a file {:?}; nothing was restored", listed.name);
    };
    if dir.join(name).exists() {
        return Manifest::check(&Entry::of(dir, name)?, listed);
    }
    let copied = copy_file(&source, dir, name)?;
    Manifest::check(&copied.with_context(|| format!("{} of the backup is missing", listed.name))?, listed)
}

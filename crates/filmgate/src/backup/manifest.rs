//! What a backup holds, as its own list says.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use filmgate_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest;
use crate::data_dir::write_private;

/// The list's own name.
const NAME: &str = "backup.json";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of filmgate that made it.
    pub(crate) filmgate: String,
    /// The schema of its database.
    pub(crate) schema: i64,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    /// How many jobs are in it.
    pub(crate) jobs: u64,
    /// Whether it has the videos.
    pub(crate) media: bool,
    /// Every file but the list.
    pub(crate) files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its name, with slashes between directories.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// What is in it.
    pub(crate) sha256: String,
}

impl Entry {
    /// Of a file that is there.
    pub(crate) fn of(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = dir.join(name);
        let read = File::open(&path).and_then(|file| digest(file, &mut std::io::sink()));
        let (bytes, sha256) = read.with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}

impl Manifest {
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(NAME);
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| {
            format!("{} is no backup that `filmgate backup` has completed: {}", dir.display(), path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} makes no sense", path.display()))
    }

    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        write_private(&dir.join(NAME), &serde_json::to_string_pretty(self)?)
    }

    /// Whether a file is in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|entry| entry.name == name)
    }

    /// How many videos are in it.
    pub(crate) fn videos(&self) -> usize {
        self.files.iter().filter(|entry| entry.name.contains('/')).count()
    }

    /// What all files take.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }

    /// That a file is as it was when the backup was made.
    pub(crate) fn check(found: &Entry, listed: &Entry) -> anyhow::Result<()> {
        if found.bytes != listed.bytes {
            bail!(
                "{} of the backup has {} bytes, and had {} when it was made; nothing was restored",
                listed.name,
                found.bytes,
                listed.bytes
            );
        }
        if found.sha256 != listed.sha256 {
            bail!("{} of the backup is not as it was when it was made; nothing was restored", listed.name);
        }
        Ok(())
    }
}

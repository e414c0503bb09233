//! Whether the database can still be trusted: its file is the one that was opened, and whole. Once that is not so,
//! nothing is read or written any more.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::StoreError;

/// Keeps an eye on the database's files.
pub(crate) struct Watch {
    /// The file and its log, and which files they were when they were opened.
    files: [(PathBuf, Option<Identity>); 2],
    lost: watch::Sender<Option<StoreError>>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Watch {
    /// Over an open database, whose log is there by now.
    pub(crate) fn over(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), log.into()].map(|file| {
            let found = identity(&file);
            (file, found)
        });
        Self { files, lost: watch::Sender::new(None) }
    }

    /// Why the store is lost, if it is.
    pub(crate) fn lost(&self) -> Option<StoreError> {
        self.lost.borrow().clone()
    }

    /// An error when the store is lost.
    pub(crate) fn is_trusted(&self) -> Result<(), StoreError> {
        self.lost().map_or(Ok(()), Err)
    }

    /// Looks whether the files are those that were opened. SQLite would go on with a file that has no name any
    /// more, and acknowledge what is gone with the process.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        let gone = self.files.iter().find(|(file, opened)| identity(file) != *opened);
        match gone {
            None => Ok(()),
            Some((file, _)) => {
                let error = StoreError::Vanished { path: file.display().to_string() };
                self.note(&error);
                Err(error)
            }
        }
    }

    /// Remembers an error after which the store is lost. The first stands.
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_fatal() {
            self.lost.send_if_modified(|lost| {
                let is_first = lost.is_none();
                lost.get_or_insert_with(|| error.clone());
                is_first
            });
        }
    }

    /// Returns when the store is lost.
    pub(crate) async fn until_lost(&self) -> StoreError {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(lost) => lost.clone().unwrap_or(StoreError::Closed),
            Err(_) => StoreError::Closed,
        }
    }
}

#[cfg(unix)]
fn identity(file: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

/// Elsewhere a file that is open cannot be replaced.
#[cfg(not(unix))]
fn identity(file: &Path) -> Option<Identity> {
    file.exists().then_some((0, 0))
}

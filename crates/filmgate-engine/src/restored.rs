//! What is done once with books that come from a backup, before anything is sent.

use filmgate_domain::{Event, step};
use filmgate_store::StoreError;

use crate::Engine;

/// What became of the jobs and files that a backup has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Jobs that ended, because they may have been sent since the backup was made.
    pub unknown: usize,
    /// Jobs that go on: their upstreams are asked about them.
    pub going_on: usize,
    /// Videos whose file is not there.
    pub without_file: usize,
}

impl Engine {
    /// Ends what may have been sent since the backup was made, so that it is never sent again, and notes whose file
    /// is not there. To be called on an engine that does not work.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn settle_restored(&self) -> Result<Restored, StoreError> {
        let now = self.now();
        let settings = self.settings();
        let mut restored = Restored::default();
        for before in self.inner.store.unfinished().await? {
            let mut job = before;
            if step(&mut job, Event::Restored, now, &settings.rules).is_none() {
                restored.going_on += 1;
                continue;
            }
            self.inner.store.advance(&job, &[]).await?;
            self.inner.minutes.note(&job, now);
            restored.unknown += 1;
        }
        for file in self.inner.store.files().await? {
            if !tokio::fs::try_exists(self.file(file.job)).await.unwrap_or(false) {
                self.inner.store.file_removed(file.job, now).await?;
                restored.without_file += 1;
            }
        }
        Ok(restored)
    }
}

//! Removes kept videos by age and by total size, and forgets what identical retries can no longer join.

use std::sync::atomic::Ordering;
use std::time::Duration;

use filmgate_domain::{Job, JobId, Timestamp};
use filmgate_store::{StoreError, StoredFile};

use crate::Engine;
use crate::admit::JOINABLE_SECONDS;
use crate::disk;

const EVERY: Duration = Duration::from_secs(60);

impl Engine {
    pub(crate) async fn run_retention(self) {
        loop {
            self.forget_recent();
            if let Err(error) = self.remove_old_files().await {
                tracing::error!(%error, "retention could not look through the kept videos");
            }
            if let Err(error) = self.inner.store.forget_answers(self.now()).await {
                tracing::error!(%error, "retention could not forget old answers");
            }
            let next = self.now() + EVERY;
            tokio::select! {
                biased;
                () = self.inner.timer.sleep_until(next) => {}
                () = self.inner.stopping.cancelled() => return,
            }
        }
    }

    /// Deletes a job that is at its end: its file goes, and nobody is shown it any more. What it cost stays
    /// in the books. False while it is not at its end.
    ///
    /// # Errors
    /// When it cannot be written; then nothing was deleted.
    pub async fn delete(&self, job: &Job) -> Result<bool, StoreError> {
        if !job.state.is_final() {
            return Ok(false);
        }
        let now = self.now();
        self.inner.store.delete_job(job.id, now).await?;
        // Should this be cut off, the next round of retention does it: the job is marked.
        if job.has_file() {
            crate::deliver::remove_unwanted(&self.file(job.id)).await;
            self.drop_poster(job.id).await;
            self.inner.store.file_removed(job.id, now).await?;
        }
        Ok(true)
    }

    fn forget_recent(&self) {
        let oldest = self.now() - Duration::from_secs(JOINABLE_SECONDS);
        self.recent().retain(|_, recent| recent.finished_at.is_none_or(|at| at >= oldest));
    }

    /// Removes what `keep` and `max_bytes` do not allow any more.
    pub(crate) async fn remove_old_files(&self) -> Result<(), StoreError> {
        let now = self.now();
        let settings = self.inner.settings.load_full();
        let files = self.inner.store.files().await?;
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        self.inner.kept_bytes.store(bytes, Ordering::Relaxed);
        for job in doomed(&files, now - settings.keep, settings.max_bytes) {
            match disk::remove_file(&self.file(job)).await {
                Ok(()) => tracing::info!(%job, "kept video removed"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(%job, %error, "a kept video could not be removed");
                    continue;
                }
            }
            self.drop_poster(job).await;
            self.inner.store.file_removed(job, now).await?;
        }
        Ok(())
    }
}

/// Of these files, oldest first: those that were deleted or finished before `oldest`, and then as many of the
/// oldest as it takes to get below `max_bytes`.
fn doomed(files: &[StoredFile], oldest: Timestamp, max_bytes: u64) -> Vec<JobId> {
    let mut total: u64 = files.iter().map(|file| file.bytes).sum();
    let mut doomed = Vec::new();
    for file in files {
        if file.finished_at >= oldest && total <= max_bytes && !file.deleted {
            continue;
        }
        total -= file.bytes;
        doomed.push(file.job);
    }
    doomed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(n: u8, finished_at: i64, bytes: u64) -> StoredFile {
        let finished_at = Timestamp::from_millis(finished_at);
        StoredFile { job: JobId::from_bytes([n; 16]), finished_at, bytes, deleted: false }
    }

    #[test]
    fn the_old_go_and_then_the_oldest_until_the_rest_fits() {
        let files = [file(1, 10, 100), file(2, 20, 100), file(3, 30, 100)];
        let doomed = |oldest, max| -> Vec<u8> {
            let ids = doomed(&files, Timestamp::from_millis(oldest), max);
            ids.iter().map(|id| id.as_bytes()[0]).collect()
        };
        assert_eq!(doomed(0, 300), [0u8; 0]);
        assert_eq!(doomed(20, 300), [1]);
        assert_eq!(doomed(0, 299), [1]);
        assert_eq!(doomed(0, 150), [1, 2]);
        assert_eq!(doomed(31, 1000), [1, 2, 3]);
        assert_eq!(doomed(0, 0), [1, 2, 3]);
    }

    #[test]
    fn what_was_deleted_goes_whatever_its_age() {
        let files = [file(1, 10, 100), StoredFile { deleted: true, ..file(2, 20, 100) }];
        let doomed = doomed(&files, Timestamp::from_millis(0), 1000);
        assert_eq!(doomed, [JobId::from_bytes([2; 16])]);
    }
}

//! Fetches a finished video, measures it, and keeps it: temporary file, sync, rename, then `completed`.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{Delivered, Event, Failure, Fault, Job, JobFailure, JobId, JobState, Polled};
use filmgate_media::ProbeError;
use filmgate_upstream::RemoteFile;
use sha2::{Digest as _, Sha256};

use crate::Engine;
use crate::cell::Cell;
use crate::disk::{self, NewFile};
use crate::settle::token_id;

/// The directory, in the media directory, of files that are still coming in.
pub(crate) const PARTIAL: &str = "partial";

/// Writes go to disk in pieces of this many bytes.
const WRITE_BUFFER: usize = 256 * 1024;

/// Where the file of a job is kept.
pub(crate) fn path(media_dir: &Path, job: JobId) -> PathBuf {
    media_dir.join(format!("{job}.mp4"))
}

/// A file that is not kept.
struct NotKept {
    failure: JobFailure,
    /// What may help.
    remedy: Remedy,
    /// How long whoever has it wants to be left alone, if they say so.
    retry_after: Option<Duration>,
}

/// What may help with a file that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Nothing,
    /// Fetching it one more time: what came is no video, or not all of one, and its server may have been in trouble.
    Once,
    /// Fetching it again, a few times.
    Again,
    /// Room on our own disk, however long that takes.
    Room,
}

impl NotKept {
    fn for_good(code: &'static str, message: String) -> Self {
        Self {
            failure: JobFailure::new(code, Fault::Upstream, message),
            remedy: Remedy::Nothing,
            retry_after: None,
        }
    }

    fn for_now(message: String) -> Self {
        Self { remedy: Remedy::Again, ..Self::for_good("delivery_failed", message) }
    }

    fn too_slow(limit: Duration) -> Self {
        Self::for_now(format!("the video did not arrive within {limit:?}"))
    }

    fn no_good(error: &ProbeError) -> Self {
        let remedy = match error {
            ProbeError::NotVideo { .. } | ProbeError::Truncated { .. } => Remedy::Once,
            _ => Remedy::Nothing,
        };
        let message = format!("the upstream delivered no good video: {error}");
        Self { remedy, ..Self::for_good(error.code(), message) }
    }

    fn anothers() -> Self {
        let message = "the upstream delivered the file of another video, which was asked for in other words";
        Self { remedy: Remedy::Again, ..Self::for_good("another_video", message.to_owned()) }
    }

    /// Our disk takes nothing at the moment.
    fn our_disk(error: &std::io::Error) -> Self {
        Self { remedy: Remedy::Room, ..Self::unreadable(error) }
    }

    /// What our disk has taken cannot be read.
    fn unreadable(error: &std::io::Error) -> Self {
        let message = format!("the video could not be kept on disk: {error}");
        let failure = JobFailure::new("delivery_failed", Fault::Gateway, message);
        Self { failure, remedy: Remedy::Again, retry_after: None }
    }
}

impl Engine {
    /// Fetches and measures the file of a job whose upstream is done.
    pub(crate) async fn deliver(&self, cell: &Arc<Cell>) {
        let (job, stopping) = (cell.job(), &self.inner.stopping);
        let pool = job.attempt().map(|attempt| &*attempt.pool).unwrap_or_default();
        // What waits for its turn at a stop has not failed, and does not count as a try.
        let Some(place) = self.inner.files.enter(pool, stopping).await else { return };
        let fetched = tokio::select! {
            biased;
            fetched = self.bring_in(cell) => fetched,
            () = stopping.cancelled() => return,
        };
        drop(place);
        let event = match fetched {
            Ok(delivered) => Event::Fetched(delivered),
            Err(NotKept { failure, remedy, retry_after }) => {
                let job = cell.job();
                let token_id = token_id(&job);
                let again = match remedy {
                    Remedy::Nothing => false,
                    Remedy::Once => job.fetches == 0,
                    Remedy::Again | Remedy::Room => true,
                };
                tracing::warn!(job = %job.id, token_id, code = %failure.code, again, "not delivered: {}", failure.message);
                match remedy {
                    Remedy::Room => Event::NotKept,
                    _ => Event::FetchFailed { failure, again, retry_after },
                }
            }
        };
        self.proceed(cell, event).await;
        let job = cell.job();
        if job.state == JobState::Failed {
            // It was cancelled meanwhile. Retention looks after the files of completed jobs only.
            remove_unwanted(&path(self.media_dir(), job.id)).await;
        }
    }

    async fn bring_in(&self, cell: &Arc<Cell>) -> Result<Delivered, NotKept> {
        let job = cell.job();
        let target = path(self.media_dir(), job.id);
        if disk::try_exists(&target).await.unwrap_or(false) {
            // Renamed before a crash, but not yet written down: it is whole.
            let delivered = measure_again(target).await?;
            // It was its own then.
            let _ = self.inner.claims.take_file(&delivered.sha256, &job);
            return Ok(delivered);
        }
        self.fetch(cell, &target).await
    }

    async fn fetch(&self, cell: &Arc<Cell>, target: &Path) -> Result<Delivered, NotKept> {
        if cell.job().fetches > 0 {
            self.refresh_link(cell).await;
        }
        let job = cell.job();
        let attempt = job.attempt().expect("a job that is delivered has an attempt");
        let (line, token) = self.reach(cell, attempt).map_err(|failure| failed(&failure))?;
        let url = attempt.video_url.as_deref().unwrap_or_default();
        let mut file = line.upstream.fetch(&token, url).await.map_err(|failure| failed(&failure))?;

        let partial = self.media_dir().join(PARTIAL).join(job.id.to_string());
        let limit = self.inner.settings.load().max_file;
        let kept = tokio::select! {
            biased;
            kept = keep(&mut file, &partial, limit) => kept,
            // A file that drips never meets the idle time-out.
            () = self.inner.timer.sleep_until(self.now() + line.fetch_timeout) => {
                Err(NotKept::too_slow(line.fetch_timeout))
            }
        };
        let kept = match kept {
            Ok((bytes, sha256)) => measure(partial.clone(), bytes, sha256).await,
            Err(error) => Err(error),
        };
        let kept = kept.and_then(|delivered| self.its_own(&job, delivered));
        match kept {
            Ok(delivered) => {
                publish(&partial, target).await.map_err(|error| NotKept::our_disk(&error))?;
                Ok(delivered)
            }
            Err(error) => {
                // A leftover is cleared at the next start too.
                let _ = disk::remove_file(&partial).await;
                Err(error)
            }
        }
    }

    /// Whether a file was not made for other words before.
    fn its_own(&self, job: &Job, delivered: Delivered) -> Result<Delivered, NotKept> {
        self.inner.claims.take_file(&delivered.sha256, job).map(|()| delivered).map_err(|other| {
            let token_id = token_id(job);
            tracing::warn!(job = %job.id, token_id, %other, "the upstream delivered the file of the other job, byte by byte");
            NotKept::anothers()
        })
    }

    /// Links of providers expire: another try asks for a fresh one first.
    async fn refresh_link(&self, cell: &Arc<Cell>) {
        if let Ok(polled @ Polled::Done { .. }) = self.ask(cell).await {
            let _ = self.happen(cell, Event::Polled(polled)).await;
        }
    }

    /// Removes what an earlier process did not finish fetching.
    pub(crate) async fn clear_partial_files(&self) {
        let Ok(entries) = disk::entries(self.media_dir().join(PARTIAL)).await else { return };
        for entry in entries {
            let name = entry.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.parse::<JobId>().ok());
            let being_fetched =
                id.and_then(|id| self.cell(id)).is_some_and(|cell| cell.job().state == JobState::Delivering);
            if !being_fetched && let Err(error) = disk::remove_file(&entry).await {
                tracing::warn!(file = %entry.display(), %error, "a partial file could not be removed");
            }
        }
    }
}

fn failed(failure: &Failure) -> NotKept {
    let not_kept = NotKept::for_now(format!("the video could not be fetched: {failure}"));
    NotKept { retry_after: failure.retry_after, ..not_kept }
}

/// Streams a file to disk in bounded memory and syncs it. Returns its size and SHA-256.
async fn keep(file: &mut RemoteFile, partial: &Path, limit: u64) -> Result<(u64, String), NotKept> {
    let too_large =
        || NotKept::for_good("video_too_large", format!("the video is larger than {limit} bytes"));
    if file.length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let ours = |error: std::io::Error| NotKept::our_disk(&error);
    let mut out = NewFile::create(partial.to_owned(), WRITE_BUFFER).await.map_err(ours)?;
    let (mut bytes, mut hash) = (0u64, Sha256::new());
    while let Some(chunk) = file.chunk().await.map_err(|failure| failed(&failure))? {
        bytes += chunk.len() as u64;
        if bytes > limit {
            return Err(too_large());
        }
        hash.update(&chunk);
        out.write(&chunk).await.map_err(ours)?;
    }
    if let Some(length) = file.length.filter(|length| *length != bytes) {
        return Err(NotKept::for_now(format!("{bytes} of {length} bytes of the video arrived")));
    }
    out.sync().await.map_err(ours)?;
    Ok((bytes, hex::encode(hash.finalize())))
}

/// Measures a file on a thread that may block.
async fn measure(file: PathBuf, bytes: u64, sha256: String) -> Result<Delivered, NotKept> {
    let probed = disk::run(move || {
        let opened = std::fs::File::open(&file).map_err(ProbeError::from)?;
        filmgate_media::probe(&mut BufReader::new(opened), bytes)
    });
    match probed.await {
        Ok(Ok(measured)) => Ok(Delivered {
            width: measured.width,
            height: measured.height,
            duration_ms: measured.duration_ms,
            codec: measured.codec.to_string().into(),
            bytes,
            sha256: sha256.into(),
        }),
        Ok(Err(ProbeError::Io(error))) => Err(NotKept::unreadable(&error)),
        Ok(Err(error)) => Err(NotKept::no_good(&error)),
        Err(_) => {
            let message = "the delivered file could not be measured".to_owned();
            Err(NotKept::for_good("absurd_video", message))
        }
    }
}

pub(crate) async fn remove_unwanted(file: &Path) {
    match disk::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(file = %file.display(), %error, "a file that nobody needs could not be removed");
        }
        _ => {}
    }
}

/// Moves a measured file to its place, durably.
async fn publish(partial: &Path, target: &Path) -> std::io::Result<()> {
    disk::rename(partial, target).await?;
    let Some(directory) = target.parent() else { return Ok(()) };
    // The rename itself is on disk only when its directory is.
    disk::sync_directory(directory.to_owned()).await
}

/// Has it written down that the media directory is there, and what is in it: a video is on disk only when its
/// directory is.
pub(crate) async fn sync_dirs(media_dir: &Path) -> std::io::Result<()> {
    tokio::fs::File::open(media_dir).await?.sync_all().await?;
    match media_dir.parent() {
        // One that may not be opened was not made here.
        Some(parent) => match tokio::fs::File::open(parent).await {
            Ok(parent) => parent.sync_all().await,
            Err(_) => Ok(()),
        },
        None => Ok(()),
    }
}

async fn measure_again(target: PathBuf) -> Result<Delivered, NotKept> {
    let file = target.clone();
    let read = disk::run(move || -> std::io::Result<(u64, String)> {
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut std::fs::File::open(&file)?, &mut HashWriter(&mut hash))?;
        Ok((bytes, hex::encode(hash.finalize())))
    });
    match read.await {
        Ok(Ok((bytes, sha256))) => measure(target, bytes, sha256).await,
        Ok(Err(error)) => Err(NotKept::unreadable(&error)),
        Err(_) => Err(NotKept::for_now("the kept file could not be read".to_owned())),
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

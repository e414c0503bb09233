//! The poster of a finished video: its first frame, made when somebody asks for it, and kept beside it.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use filmgate_domain::{Job, JobId};
use filmgate_media::{PosterError, ProbeError};

use crate::Engine;
use crate::deliver::{PARTIAL, remove_unwanted};

/// The directory of posters, in the media directory.
pub(crate) const POSTERS: &str = "posters";

/// The longer side of a poster, in pixels.
const LONGEST_SIDE: u32 = 640;

/// Decoders at work at once: each holds some dozen megabytes.
pub(crate) const DECODERS: usize = 2;

impl Engine {
    /// Where the poster (WebP) of a completed job lies. The first call makes it.
    ///
    /// # Errors
    /// When the video cannot be decoded here, or the disk fails. The video is not touched by that.
    pub async fn poster(&self, job: &Job) -> Result<PathBuf, PosterError> {
        let target = self.poster_path(job.id);
        if crate::disk::try_exists(&target).await.map_err(disk)? {
            return Ok(target);
        }
        let _turn = self.inner.decoders.acquire().await.map_err(other)?;
        // Somebody else may have made it meanwhile.
        if !crate::disk::try_exists(&target).await.map_err(disk)? {
            let (video, made) = (self.file(job.id), target.clone());
            let partial = self.media_dir().join(PARTIAL).join(format!("{}.webp", job.id));
            let making = crate::disk::run(move || make(&video, &partial, &made));
            making.await.map_err(other)??;
        }
        Ok(target)
    }

    /// Removes the poster of a video that goes.
    pub(crate) async fn drop_poster(&self, job: JobId) {
        remove_unwanted(&self.poster_path(job)).await;
    }

    fn poster_path(&self, job: JobId) -> PathBuf {
        self.media_dir().join(POSTERS).join(format!("{job}.webp"))
    }
}

fn make(video: &Path, partial: &Path, target: &Path) -> Result<(), PosterError> {
    let file = std::fs::File::open(video).map_err(disk)?;
    let length = file.metadata().map_err(disk)?.len();
    let poster = filmgate_media::poster(&mut BufReader::new(file), length, LONGEST_SIDE)?;
    std::fs::write(partial, poster).map_err(disk)?;
    std::fs::rename(partial, target).map_err(disk)
}

fn disk(error: std::io::Error) -> PosterError {
    PosterError::Video(ProbeError::Io(error))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> PosterError {
    disk(std::io::Error::other(error))
}

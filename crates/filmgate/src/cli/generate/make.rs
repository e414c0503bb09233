//! From an order to a file: ask, follow, fetch, measure.

use std::path::PathBuf;
use std::time::Duration;

use filmgate_domain::Delivered;

use super::gateway::Gateway;
use super::progress::Progress;
use super::video::Phase;
use super::{Order, Target, Video};
use crate::cli::refused::Refused;

/// How often the gateway is asked.
const PACE: Duration = Duration::from_secs(1);
/// How many times in a row it may be out of reach, as while it restarts.
const PATIENCE: u32 = 30;

/// How it ended.
pub(in crate::cli) struct Made {
    pub(super) video: Video,
    /// `None` when the video failed.
    pub(super) saved: Option<Saved>,
}

/// A file that was saved.
pub(super) struct Saved {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// What it is, as measured here; `None` when it cannot be measured.
    pub(super) measured: Option<Delivered>,
}

/// Makes a video and saves it.
pub(in crate::cli) async fn make(gateway: &Gateway, order: &Order, target: &Target) -> anyhow::Result<Made> {
    let video = gateway.create(order).await?;
    finish(gateway, video, target).await
}

/// Follows a video to its end and saves it.
pub(super) async fn finish(gateway: &Gateway, video: Video, target: &Target) -> anyhow::Result<Made> {
    let mut progress = Progress::start();
    let video = follow(gateway, video, &mut progress).await?;
    let saved = match video.phase() {
        Phase::Failed => None,
        _ => Some(fetch(gateway, &video, target, &mut progress).await?),
    };
    Ok(Made { video, saved })
}

async fn follow(gateway: &Gateway, mut video: Video, progress: &mut Progress) -> anyhow::Result<Video> {
    let mut troubles = 0;
    loop {
        progress.show(&video);
        if matches!(video.phase(), Phase::Completed | Phase::Failed) {
            return Ok(video);
        }
        tokio::time::sleep(PACE).await;
        match gateway.video(&video.id).await {
            Ok(next) => {
                troubles = 0;
                video = next;
            }
            Err(error) if troubles < PATIENCE && is_passing(&error) => {
                troubles += 1;
                progress.trouble(&error);
                let wait = error.downcast_ref::<Refused>().and_then(|refused| refused.retry_after);
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(0).min(30))).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether asking again in a moment may help.
fn is_passing(error: &anyhow::Error) -> bool {
    error.is::<reqwest::Error>() || error.downcast_ref::<Refused>().is_some_and(Refused::is_passing)
}

async fn fetch(
    gateway: &Gateway,
    video: &Video,
    target: &Target,
    progress: &mut Progress,
) -> anyhow::Result<Saved> {
    let mut file = target.begin()?;
    let bytes = gateway.download(&video.id, &mut file, |done, total| progress.fetching(done, total)).await?;
    let measured = measure(file.as_file_mut(), bytes);
    let path = target.finish(file)?;
    Ok(Saved { path, bytes, measured })
}

/// Measures a file; what cannot be measured is kept all the same.
fn measure(file: &mut std::fs::File, bytes: u64) -> Option<Delivered> {
    let measured = filmgate_media::probe(file, bytes).ok()?;
    Some(Delivered {
        width: measured.width,
        height: measured.height,
        duration_ms: measured.duration_ms,
        codec: measured.codec.to_string().into(),
        bytes,
        // Nobody asks for it here.
        sha256: "".into(),
    })
}

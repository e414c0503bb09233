//! What videos are made from: kept until their job ends, and brought into the form that an upstream takes.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use filmgate_domain::{Attempt, Cause, Certainty, Failure, Job, JobId, Outcome, Source};
use filmgate_upstream::{Content, OrderInput, Takes};

use crate::Engine;
use crate::disk::{self, NewFile};

/// The directory, in the media directory, of files that clients sent.
pub(crate) const INPUTS: &str = "inputs";

/// How long after its end a provider's own link to a video is trusted. xAI's work for about 24 h.
const LINK_FRESH: Duration = Duration::from_secs(20 * 3600);

/// The largest video that travels inside a request, in bytes: as a data URI it has 20 MiB.
const LARGEST_INLINE: u64 = 15 << 20;

impl Engine {
    /// Writes down the files that a request came with, in the order of the inputs that are files.
    pub(crate) async fn keep_inputs(&self, job: &Job, files: &[Bytes]) -> std::io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        for (path, bytes) in self.input_files(job).into_iter().zip(files) {
            let mut file = NewFile::create(path, bytes.len()).await?;
            file.write(bytes).await?;
            file.sync().await?;
        }
        disk::sync_directory(self.media_dir().join(INPUTS)).await
    }

    /// Removes the files of a job that is at its end, or that was not admitted.
    pub(crate) async fn drop_inputs(&self, job: &Job) {
        for path in self.input_files(job) {
            crate::deliver::remove_unwanted(&path).await;
        }
    }

    /// Removes files whose jobs ended while nobody could see to it.
    pub(crate) async fn clear_inputs(&self) {
        let Ok(entries) = disk::entries(self.media_dir().join(INPUTS)).await else { return };
        for entry in entries {
            let name = entry.file_name().and_then(|name| name.to_str());
            let job = name.and_then(|name| name.rsplit_once('-')?.0.parse::<JobId>().ok());
            if job.is_none_or(|job| self.cell(job).is_none()) {
                crate::deliver::remove_unwanted(&entry).await;
            }
        }
    }

    pub(crate) fn input_files(&self, job: &Job) -> Vec<PathBuf> {
        let files = job.spec.inputs.iter().filter(|input| matches!(input.source, Source::File { .. }));
        let path = |nth| self.media_dir().join(INPUTS).join(format!("{}-{nth}", job.id));
        files.enumerate().map(|(nth, _)| path(nth)).collect()
    }

    /// The inputs of a job as the upstream of this attempt takes them.
    ///
    /// # Errors
    /// When one is not to be had any more, or in no form that the upstream takes. Nothing was sent.
    pub(crate) async fn order_inputs(
        &self,
        job: &Job,
        attempt: &Attempt,
        takes: Takes,
    ) -> Result<Vec<OrderInput>, Failure> {
        let mut files = self.input_files(job).into_iter();
        let mut ready = Vec::with_capacity(job.spec.inputs.len());
        for input in &job.spec.inputs {
            let content = match &input.source {
                Source::Url { url } if takes.urls => Content::Url(url.to_string()),
                Source::Url { .. } => {
                    return Err(unusable("this upstream takes files, not addresses; send the file itself"));
                }
                Source::File { media_type, .. } => {
                    let path = files.next().expect("there is a file for each input that is one");
                    let bytes = disk::read(path).await;
                    let bytes =
                        bytes.map_err(|error| unusable(&format!("an input cannot be read: {error}")))?;
                    Content::File { media_type: media_type.clone(), bytes: bytes.into() }
                }
                Source::Job { id } => self.earlier_video(*id, attempt, takes).await?,
            };
            ready.push(OrderInput { role: input.role, content });
        }
        Ok(ready)
    }

    /// An earlier video: as the upstream itself knows it, else the file, else our link to it.
    async fn earlier_video(&self, id: JobId, attempt: &Attempt, takes: Takes) -> Result<Content, Failure> {
        let found = self.job(id).await.map_err(|_| unusable("the source video cannot be looked up"))?;
        let source = found.ok_or_else(|| unusable("the source video does not exist any more"))?;
        if let Some(made) = source.attempt().filter(|made| made.outcome == Some(Outcome::Done))
            && made.upstream == attempt.upstream
        {
            let fresh = made.settled_at.is_some_and(|at| self.now() < at + LINK_FRESH);
            if let Some(upstream_id) = made.upstream_id.clone().filter(|_| takes.ids)
                && made.token == attempt.token
            {
                return Ok(Content::Made(upstream_id));
            }
            if let Some(url) = made.video_url.as_deref().filter(|_| takes.urls && fresh) {
                return Ok(Content::Url(url.to_owned()));
            }
        }
        if !source.has_file() {
            return Err(unusable("the source video was removed when its time was up"));
        }
        let large = source.delivered.as_ref().is_some_and(|file| file.bytes > LARGEST_INLINE);
        let link = self.link(id);
        if large && takes.urls && link.starts_with("https://") {
            return Ok(Content::Url(link));
        }
        let bytes = disk::read(self.file(id)).await;
        let bytes = bytes.map_err(|error| unusable(&format!("the source video cannot be read: {error}")))?;
        Ok(Content::File { media_type: "video/mp4".into(), bytes: bytes.into() })
    }
}

/// Nothing was sent, and no other token would help.
fn unusable(message: &str) -> Failure {
    Failure {
        cause: Cause::Rejected,
        certainty: Certainty::Refused,
        status: None,
        retry_after: None,
        message: message.to_owned(),
    }
}

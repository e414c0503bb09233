//! Makes a video again: what was asked is asked once more, and becomes a job of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use filmgate_domain::{Job, Source};

use crate::Engine;
use crate::admit::{AdmitError, Choice, Request};

/// No client's: those are hashes. So no retry of a client joins a video that an operator had made.
const NO_CLIENTS: [u8; 32] = [0; 32];

/// Why a video is not made again.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// Something that it was made from is not kept any more.
    #[error("{0}; make it anew, with the same file")]
    InputGone(String),
    /// It is not admitted.
    #[error(transparent)]
    Admit(#[from] AdmitError),
}

impl Engine {
    /// Asks for the same video once more, for the same caller. Where it is to wait for a token, it waits for
    /// `max_wait`; `webhook` is told its end besides the caller's own.
    ///
    /// # Errors
    /// When it is not admitted, or something that it was made from is gone: files are kept until their job ends.
    pub async fn again(
        &self,
        job: &Job,
        max_wait: Duration,
        webhook: Option<Box<str>>,
    ) -> Result<Arc<Job>, AgainError> {
        let files = self.kept_files(job).await?;
        self.sources_are_there(job).await?;
        let choice =
            Choice { on_shortage: job.on_shortage, max_wait: Some(max_wait), webhook, traceparent: None };
        let (caller, spec) = (job.caller, job.spec.clone());
        let request = Request { caller, spec, files, choice, fingerprint: NO_CLIENTS, keep: None };
        Ok(self.admit(request).await?)
    }

    /// The files that a job is made from.
    async fn kept_files(&self, job: &Job) -> Result<Vec<Bytes>, AgainError> {
        let mut files = Vec::new();
        for path in self.input_files(job) {
            let read = crate::disk::read(path).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => AgainError::InputGone(
                    "it was made from a file, and files are kept until their video is done".to_owned(),
                ),
                _ => AgainError::Admit(AdmitError::Inputs(error)),
            });
            files.push(read?.into());
        }
        Ok(files)
    }

    /// Whether the earlier videos that a job is made from can still be had.
    async fn sources_are_there(&self, job: &Job) -> Result<(), AgainError> {
        for input in &job.spec.inputs {
            let Source::Job { id } = input.source else { continue };
            let source = self.job(id).await.map_err(AdmitError::Store)?;
            if !source.is_some_and(|source| source.has_file()) {
                let why = "it was made from an earlier video, and that is not kept any more";
                return Err(AgainError::InputGone(why.to_owned()));
            }
        }
        Ok(())
    }
}

//! Why a file is no video that can be delivered: a stable code for programs, a sentence for people.

/// Why a file could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Something else came instead of a video: an error page, an image, nothing at all.
    #[error("the file is {what}, not a video")]
    NotVideo {
        /// What it is, with its article: "an HTML page", "empty".
        what: &'static str,
    },
    /// The file ends before what it says it holds.
    #[error("the file is cut off after {len} bytes: {what}")]
    Truncated {
        /// What is missing.
        what: &'static str,
        /// Length of the file in bytes.
        len: u64,
    },
    /// The file claims something that no delivered video has.
    #[error("the file claims an impossible {what}: {value} (1 to {limit} can be true)")]
    Absurd {
        /// Which claim, with its unit: "width in pixels".
        what: &'static str,
        /// The value claimed; the largest number there is when the claim is larger still.
        value: u64,
        /// The largest value that is believed.
        limit: u64,
    },
    /// The file is an MP4 that contradicts itself.
    #[error("the video is damaged: {what} ({at})")]
    Damaged {
        /// The box at fault, by its four-letter name.
        at: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Perhaps a video, but of a kind that is not measured here.
    #[error("the file is {what}; only plain MP4 can be measured")]
    Unsupported {
        /// What it is, with its article: "a WebM or Matroska video".
        what: &'static str,
    },
    /// The file could not be read. Says nothing about the video.
    #[error("the file could not be read: {0}")]
    Io(#[from] std::io::Error),
}

impl ProbeError {
    /// The stable code of this error: `not_a_video`, `truncated_video`, `absurd_video`, `damaged_video`,
    /// `unsupported_video`, or `unreadable_file`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotVideo { .. } => "not_a_video",
            Self::Truncated { .. } => "truncated_video",
            Self::Absurd { .. } => "absurd_video",
            Self::Damaged { .. } => "damaged_video",
            Self::Unsupported { .. } => "unsupported_video",
            Self::Io(_) => "unreadable_file",
        }
    }

    pub(crate) fn damaged(at: &'static str, what: &'static str) -> Self {
        Self::Damaged { at, what }
    }

    pub(crate) fn absurd(what: &'static str, value: u64, limit: u64) -> Self {
        Self::Absurd { what, value, limit }
    }
}

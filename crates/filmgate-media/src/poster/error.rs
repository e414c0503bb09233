//! Why there is no poster: a stable code for programs, a sentence for people.

use crate::{Codec, ProbeError};

/// Why no poster could be made. Only [`PosterError::Video`] says that the file is no good video.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PosterError {
    /// The file cannot be measured either, or not be read.
    #[error(transparent)]
    Video(#[from] ProbeError),
    /// The pictures are encoded in a way that is not decoded here.
    #[error("no poster can be made of {codec} here; the video itself is fine")]
    Codec {
        /// How they are encoded.
        codec: Codec,
    },
    /// H.264, but of a kind that is not decoded here.
    #[error("no poster can be made of {what} here; the video itself may be fine")]
    Kind {
        /// What it is, with its article: "an interlaced video".
        what: &'static str,
    },
    /// The picture is larger than is decoded here.
    #[error("no poster can be made here, because the {what}: {value} (at most {limit})")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// The value claimed.
        value: u64,
        /// The largest value that is taken.
        limit: u64,
    },
    /// The first picture of the video is damaged. The others may be fine.
    #[error("no poster can be made, because the first picture of the video is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: &'static str,
    },
}

impl PosterError {
    /// The stable code of this error: that of a [`ProbeError`], or `unsupported_codec`,
    /// `unsupported_picture`, `picture_too_large`, or `damaged_picture`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Video(error) => error.code(),
            Self::Codec { .. } => "unsupported_codec",
            Self::Kind { .. } => "unsupported_picture",
            Self::TooLarge { .. } => "picture_too_large",
            Self::Damaged { .. } => "damaged_picture",
        }
    }
}

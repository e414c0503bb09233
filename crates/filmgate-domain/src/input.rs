//! What a video is made from besides words: images, and other videos.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::JobId;
use crate::job::UnknownWord;

/// How a video is made. Pools say which of these they offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// From words alone.
    #[default]
    Text,
    /// From an image, which is the first frame.
    Image,
    /// With images that show what is to be seen in it.
    Reference,
    /// An earlier video, changed as the words say.
    Edit,
    /// An earlier video, with what comes after it.
    Extend,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 5] = [Mode::Text, Mode::Image, Mode::Reference, Mode::Edit, Mode::Extend];

    /// The word used in the API, the configuration and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Text => "text",
            Mode::Image => "image",
            Mode::Reference => "reference",
            Mode::Edit => "edit",
            Mode::Extend => "extend",
        }
    }

    /// What is made, for sentences: "an edit of a video".
    pub const fn phrase(self) -> &'static str {
        match self {
            Mode::Text => "a video from text",
            Mode::Image => "a video from an image",
            Mode::Reference => "a video with reference images",
            Mode::Edit => "an edit of a video",
            Mode::Extend => "an extension of a video",
        }
    }

    /// Whether it begins with a video, whose form it keeps: another form than that one makes no sense.
    pub const fn keeps_form(self) -> bool {
        matches!(self, Mode::Edit | Mode::Extend)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|m| m.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// An image or a video that goes into a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it is there for.
    pub role: Role,
    /// Where it comes from.
    pub source: Source,
}

/// What an input is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An image: the first frame.
    FirstFrame,
    /// An image that shows what is to be seen.
    Reference,
    /// The video that is edited or extended.
    Video,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// An https address that the upstream fetches itself.
    Url {
        /// The address.
        url: Box<str>,
    },
    /// A file that the client sent. Filmgate keeps it until the job ends.
    File {
        /// What it is, by its first bytes: `image/png`, `image/jpeg`, `image/webp` or `video/mp4`.
        media_type: Box<str>,
        /// Its size.
        bytes: u64,
        /// Its SHA-256, in hex. It is kept under this name.
        sha256: Box<str>,
    },
    /// An earlier video of the same caller.
    Job {
        /// Its job.
        id: JobId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!("remix".parse::<Mode>().is_err());
    }
}

//! Asked, sent, delivered: the verdict on a finished video.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Orientation, Resolution, Seconds, Shape};

/// A finished file, as measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Width in pixels, as a player shows it.
    pub width: u32,
    /// Height in pixels, as a player shows it.
    pub height: u32,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// The video codec, such as `h264`.
    pub codec: Box<str>,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: Box<str>,
}

/// What is missing, compared with a [`Shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Shortfall {
    /// A lower resolution class.
    Resolution {
        /// The class wanted.
        wanted: Resolution,
        /// Width delivered, in pixels.
        width: u32,
        /// Height delivered, in pixels.
        height: u32,
    },
    /// A shorter video.
    Seconds {
        /// The length wanted.
        wanted: Seconds,
        /// The length delivered, in milliseconds.
        delivered_ms: u64,
    },
    /// A picture that lies the other way.
    Orientation {
        /// The orientation wanted.
        wanted: Orientation,
        /// The orientation delivered.
        delivered: Orientation,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolution { wanted, width, height } => write!(f, "{wanted} became {width}x{height}"),
            Self::Seconds { wanted, delivered_ms } => {
                write!(f, "{wanted}s became {}s", *delivered_ms as f64 / 1000.0)
            }
            Self::Orientation { wanted, delivered } => write!(f, "{wanted} became {delivered}"),
        }
    }
}

/// Whether a video is what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is at least what was asked for.
    AsAsked,
    /// It is less, whoever caused it.
    Downgraded,
}

impl Verdict {
    /// Both verdicts.
    pub const ALL: [Verdict; 2] = [Verdict::AsAsked, Verdict::Downgraded];

    /// The word used in the API, the store and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::AsAsked => "as_asked",
            Verdict::Downgraded => "downgraded",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Delivered {
    /// Providers round lengths; half a second less is still what was wanted.
    pub const TOLERANCE_MS: u64 = 500;

    /// What is missing of `wanted`, which is what was asked for or what was sent upstream.
    pub fn shortfalls(&self, wanted: &Shape) -> Vec<Shortfall> {
        let mut missing = Vec::new();
        let class = Resolution::of_short_side(self.width.min(self.height));
        if class < Some(wanted.resolution) {
            missing.push(Shortfall::Resolution {
                wanted: wanted.resolution,
                width: self.width,
                height: self.height,
            });
        }
        if self.duration_ms + Self::TOLERANCE_MS < u64::from(wanted.seconds.get()) * 1000 {
            missing.push(Shortfall::Seconds { wanted: wanted.seconds, delivered_ms: self.duration_ms });
        }
        let delivered = Orientation::of(self.width, self.height);
        if delivered != wanted.aspect_ratio.orientation() {
            missing.push(Shortfall::Orientation { wanted: wanted.aspect_ratio.orientation(), delivered });
        }
        missing
    }

    /// The verdict against what was asked.
    pub fn verdict(&self, asked: &Shape) -> Verdict {
        if self.shortfalls(asked).is_empty() { Verdict::AsAsked } else { Verdict::Downgraded }
    }
}

/// `752x416, 6.0s, h264`
impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration_ms as f64 / 1000.0;
        write!(f, "{}x{}, {seconds:.1}s, {}", self.width, self.height, self.codec)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("720p 6 16:9", (1280, 720, 6000), &[])]
    #[case("720p 6 16:9", (1280, 720, 5500), &[])]
    #[case("720p 6 16:9", (1280, 720, 5499), &["6s became 5.499s"])]
    #[case("720p 6 16:9", (1920, 1080, 12000), &[])]
    #[case("720p 6 16:9", (752, 416, 6042), &["720p became 752x416"])]
    #[case("480p 6 16:9", (752, 416, 6042), &[])]
    #[case("720p 6 9:16", (720, 1280, 6000), &[])]
    #[case("720p 6 9:16", (1280, 720, 6000), &["portrait became landscape"])]
    #[case("720p 6 1:1", (720, 720, 6000), &[])]
    #[case("720p 6 3:2", (688, 464, 6000), &["720p became 688x464"])]
    #[case("480p 6 16:9", (320, 180, 1000), &["480p became 320x180", "6s became 1s"])]
    fn shortfalls(#[case] wanted: &str, #[case] file: (u32, u32, u64), #[case] expected: &[&str]) {
        let mut parts = wanted.split(' ');
        let wanted = Shape {
            resolution: parts.next().unwrap().parse().unwrap(),
            seconds: parts.next().unwrap().parse().unwrap(),
            aspect_ratio: parts.next().unwrap().parse().unwrap(),
        };
        let (width, height, duration_ms) = file;
        let (codec, sha256) = ("h264".into(), "".into());
        let delivered = Delivered { width, height, duration_ms, codec, bytes: 1, sha256 };
        let missing: Vec<_> = delivered.shortfalls(&wanted).iter().map(ToString::to_string).collect();
        assert_eq!(missing, expected);
        assert_eq!(delivered.verdict(&wanted) == Verdict::AsAsked, expected.is_empty());
    }
}

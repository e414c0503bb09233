//! What a caller wants: [`VideoSpec`], and strict parsing of its parts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Input, JobId, Mode, Role, Source, Wanted};

/// A resolution class. It is named by the short side of the picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resolution {
    /// Short side nominally 480 (providers deliver 416 to 480).
    #[serde(rename = "480p")]
    P480,
    /// Short side 720.
    #[serde(rename = "720p")]
    P720,
    /// Short side 1080.
    #[serde(rename = "1080p")]
    P1080,
}

impl Resolution {
    /// All classes, weakest first.
    pub const ALL: [Resolution; 3] = [Resolution::P480, Resolution::P720, Resolution::P1080];

    /// The class of a picture with this short side in pixels; `None` below 360, which is no class at all.
    ///
    /// The limits are 90 % of the nominal short side from 720p on; a true 480p is 752x416 at providers.
    pub const fn of_short_side(pixels: u32) -> Option<Resolution> {
        match pixels {
            972.. => Some(Resolution::P1080),
            648.. => Some(Resolution::P720),
            360.. => Some(Resolution::P480),
            _ => None,
        }
    }

    /// The usual spelling, `"720p"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Resolution::P480 => "480p",
            Resolution::P720 => "720p",
            Resolution::P1080 => "1080p",
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Resolution {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| SpecError::Resolution { given: shorten(text) })
    }
}

/// A length in whole seconds, 1 to [`Seconds::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Seconds(u16);

impl Seconds {
    /// The longest length that can be asked for: ten minutes. What a pool delivers is its own, lower, limit.
    pub const MAX: u32 = 600;

    /// Six seconds: the founding document's default.
    pub const DEFAULT: Seconds = Seconds(6);

    /// # Errors
    /// When `seconds` is zero or above [`Seconds::MAX`].
    pub fn new(seconds: u32) -> Result<Self, SpecError> {
        match u16::try_from(seconds) {
            Ok(value @ 1..) if seconds <= Self::MAX => Ok(Self(value)),
            _ => Err(SpecError::Seconds { given: seconds.to_string() }),
        }
    }

    /// The number of seconds.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }
}

impl Default for Seconds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u32> for Seconds {
    type Error = SpecError;
    fn try_from(seconds: u32) -> Result<Self, SpecError> {
        Self::new(seconds)
    }
}

impl From<Seconds> for u32 {
    fn from(seconds: Seconds) -> u32 {
        seconds.get()
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Plain decimal digits: no sign, no fraction, no white space.
impl FromStr for Seconds {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = || SpecError::Seconds { given: shorten(text) };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        text.parse::<u32>().map_err(|_| wrong()).and_then(Self::new).map_err(|_| wrong())
    }
}

/// Which way a picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Wider than tall.
    Landscape,
    /// Taller than wide.
    Portrait,
    /// The sides differ by less than 5 %.
    Square,
}

impl Orientation {
    /// The orientation of a picture of this size.
    pub const fn of(width: u32, height: u32) -> Orientation {
        let (long, short) = if width >= height { (width, height) } else { (height, width) };
        if (long - short) as u64 * 20 < long as u64 {
            Orientation::Square
        } else if width > height {
            Orientation::Landscape
        } else {
            Orientation::Portrait
        }
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Orientation::Landscape => "landscape",
            Orientation::Portrait => "portrait",
            Orientation::Square => "square",
        })
    }
}

/// The ratio of width to height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AspectRatio {
    /// 16:9, landscape.
    #[serde(rename = "16:9")]
    R16x9,
    /// 9:16, portrait.
    #[serde(rename = "9:16")]
    R9x16,
    /// 1:1.
    #[serde(rename = "1:1")]
    R1x1,
    /// 4:3, landscape.
    #[serde(rename = "4:3")]
    R4x3,
    /// 3:4, portrait.
    #[serde(rename = "3:4")]
    R3x4,
    /// 3:2, landscape.
    #[serde(rename = "3:2")]
    R3x2,
    /// 2:3, portrait.
    #[serde(rename = "2:3")]
    R2x3,
}

impl AspectRatio {
    /// Every ratio that a caller may ask for.
    pub const ALL: [AspectRatio; 7] =
        [Self::R16x9, Self::R9x16, Self::R1x1, Self::R4x3, Self::R3x4, Self::R3x2, Self::R2x3];

    /// The usual spelling, `"16:9"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R16x9 => "16:9",
            Self::R9x16 => "9:16",
            Self::R1x1 => "1:1",
            Self::R4x3 => "4:3",
            Self::R3x4 => "3:4",
            Self::R3x2 => "3:2",
            Self::R2x3 => "2:3",
        }
    }

    /// Width and height of the ratio, in lowest terms.
    pub const fn parts(self) -> (u32, u32) {
        match self {
            Self::R16x9 => (16, 9),
            Self::R9x16 => (9, 16),
            Self::R1x1 => (1, 1),
            Self::R4x3 => (4, 3),
            Self::R3x4 => (3, 4),
            Self::R3x2 => (3, 2),
            Self::R2x3 => (2, 3),
        }
    }

    /// The ratio that a picture of this size comes nearest to.
    pub fn nearest(width: u32, height: u32) -> AspectRatio {
        let ratio = |w: u32, h: u32| (f64::from(w.max(1)) / f64::from(h.max(1))).ln();
        let distance = |candidate: &AspectRatio| {
            let (w, h) = candidate.parts();
            (ratio(w, h) - ratio(width, height)).abs()
        };
        let nearest = Self::ALL.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.expect("there are ratios")
    }

    /// Which way such a picture lies.
    pub const fn orientation(self) -> Orientation {
        let (width, height) = self.parts();
        Orientation::of(width, height)
    }
}

impl fmt::Display for AspectRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AspectRatio {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| SpecError::AspectRatio { given: shorten(text) })
    }
}

/// The form of a video, apart from what it shows: what is asked of filmgate, or sent upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Resolution class.
    pub resolution: Resolution,
    /// Length.
    pub seconds: Seconds,
    /// Width to height.
    pub aspect_ratio: AspectRatio,
}

impl Shape {
    /// Width and height in pixels that such a picture usually has, such as 1280x720 and 848x480. Both are even,
    /// as encoders want them.
    pub const fn usual_size(&self) -> (u32, u32) {
        let short = match self.resolution {
            Resolution::P480 => 480,
            Resolution::P720 => 720,
            Resolution::P1080 => 1080,
        };
        let (width, height) = self.aspect_ratio.parts();
        let long = if width >= height { short * width / height } else { short * height / width };
        // 16:9 of 480p is no whole number of pixels; all others are. Video models work in blocks of 16.
        let long = if short == 480 { long / 16 * 16 } else { long };
        if width >= height { (long, short) } else { (short, long) }
    }
}

/// `720p 6s 16:9`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}s {}", self.resolution, self.seconds, self.aspect_ratio)
    }
}

/// Everything that a caller asks of one video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoSpec {
    /// The model, by the name or alias that the caller used.
    pub model: Box<str>,
    /// What the video shows. At most [`VideoSpec::PROMPT_MAX`] characters; empty only where an image is the
    /// first frame.
    pub prompt: Box<str>,
    /// Its form. Of an extension: that of the whole, what it begins with included.
    pub shape: Shape,
    /// How it is made.
    pub mode: Mode,
    /// What it is made from: as many as the mode wants.
    pub inputs: Vec<Input>,
    /// Of an extension: how much is added.
    pub added: Option<Seconds>,
}

impl VideoSpec {
    /// The longest prompt, in characters (the OpenAI Videos limit).
    pub const PROMPT_MAX: usize = 32_000;

    /// # Errors
    /// When the prompt is blank or longer than [`VideoSpec::PROMPT_MAX`] characters.
    pub fn new(model: impl Into<Box<str>>, prompt: &str, shape: Shape) -> Result<Self, SpecError> {
        Self::made_from(model, prompt, shape, (Mode::Text, Vec::new()))
    }

    /// A video that is made in another way than from words alone.
    ///
    /// # Errors
    /// Those of [`VideoSpec::new`]; a first frame may do without a prompt.
    pub fn made_from(
        model: impl Into<Box<str>>,
        prompt: &str,
        shape: Shape,
        (mode, inputs): (Mode, Vec<Input>),
    ) -> Result<Self, SpecError> {
        let prompt = prompt.trim();
        if prompt.is_empty() && mode != Mode::Image {
            return Err(SpecError::PromptMissing);
        }
        // Counting bytes first spares long texts the walk over their characters.
        if prompt.len() > Self::PROMPT_MAX && prompt.chars().count() > Self::PROMPT_MAX {
            return Err(SpecError::PromptTooLong);
        }
        Ok(Self { model: model.into(), prompt: prompt.into(), shape, mode, inputs, added: None })
    }

    /// What routing has to know.
    pub fn wanted(&self, fallback: bool) -> Wanted<'_> {
        Wanted { model: &self.model, shape: self.shape, mode: self.mode, fallback }
    }

    /// The earlier video that this one is made from, if filmgate made that.
    pub fn source_job(&self) -> Option<JobId> {
        let video = self.inputs.iter().find(|input| input.role == Role::Video)?;
        match video.source {
            Source::Job { id } => Some(id),
            _ => None,
        }
    }
}

/// Why a text does not describe a video. Each message says what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not one of the resolution classes.
    #[error("{given:?} is not a resolution; use \"480p\", \"720p\" or \"1080p\"")]
    Resolution {
        /// What was given, shortened.
        given: String,
    },
    /// Not a length.
    #[error("{given:?} is not a length; use a whole number of seconds from 1 to {}", Seconds::MAX)]
    Seconds {
        /// What was given, shortened.
        given: String,
    },
    /// Not one of the ratios.
    #[error("{given:?} is not an aspect ratio; use one of 16:9, 9:16, 1:1, 4:3, 3:4, 3:2, 2:3")]
    AspectRatio {
        /// What was given, shortened.
        given: String,
    },
    /// Nothing to show.
    #[error("the prompt is empty; say what the video should show")]
    PromptMissing,
    /// Too much to show.
    #[error("the prompt is longer than {} characters", VideoSpec::PROMPT_MAX)]
    PromptTooLong,
}

/// Error messages repeat what was given, but not a megabyte of it.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("6", Some(6))]
    #[case("600", Some(600))]
    #[case("006", Some(6))]
    #[case("0", None)]
    #[case("601", None)]
    #[case("-6", None)]
    #[case("+6", None)]
    #[case("6.0", None)]
    #[case(" 6", None)]
    #[case("", None)]
    #[case("six", None)]
    #[case("٦", None)]
    #[case("99999999999999999999", None)]
    fn lengths(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(text.parse::<Seconds>().ok().map(Seconds::get), expected);
    }

    #[test]
    fn resolutions_are_spelled_exactly() {
        assert_eq!("720p".parse(), Ok(Resolution::P720));
        for wrong in ["720", "720P", " 720p", "4k", ""] {
            assert!(wrong.parse::<Resolution>().is_err(), "{wrong}");
        }
    }

    #[rstest]
    #[case(1080, Some(Resolution::P1080))]
    #[case(972, Some(Resolution::P1080))]
    #[case(971, Some(Resolution::P720))]
    #[case(648, Some(Resolution::P720))]
    #[case(647, Some(Resolution::P480))]
    #[case(464, Some(Resolution::P480))]
    #[case(416, Some(Resolution::P480))]
    #[case(360, Some(Resolution::P480))]
    #[case(359, None)]
    fn classes_by_short_side(#[case] pixels: u32, #[case] expected: Option<Resolution>) {
        assert_eq!(Resolution::of_short_side(pixels), expected);
    }

    #[rstest]
    #[case(1280, 720, "16:9")]
    #[case(752, 416, "16:9")]
    #[case(1000, 990, "1:1")]
    #[case(1024, 1792, "9:16")]
    #[case(640, 480, "4:3")]
    #[case(3, 2, "3:2")]
    #[case(5000, 1, "16:9")]
    #[case(0, 0, "1:1")]
    fn pictures_have_a_nearest_ratio(#[case] width: u32, #[case] height: u32, #[case] expected: &str) {
        assert_eq!(AspectRatio::nearest(width, height).as_str(), expected);
    }

    #[rstest]
    #[case("480p", "16:9", (848, 480))]
    #[case("480p", "9:16", (480, 848))]
    #[case("480p", "1:1", (480, 480))]
    #[case("480p", "3:2", (720, 480))]
    #[case("720p", "16:9", (1280, 720))]
    #[case("720p", "9:16", (720, 1280))]
    #[case("720p", "4:3", (960, 720))]
    #[case("1080p", "16:9", (1920, 1080))]
    #[case("1080p", "9:16", (1080, 1920))]
    #[case("1080p", "2:3", (1080, 1620))]
    fn usual_sizes(#[case] resolution: &str, #[case] aspect_ratio: &str, #[case] size: (u32, u32)) {
        let (resolution, aspect_ratio) = (resolution.parse().unwrap(), aspect_ratio.parse().unwrap());
        assert_eq!(Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio }.usual_size(), size);
    }

    #[test]
    fn usual_sizes_are_even_and_of_the_same_form() {
        for resolution in Resolution::ALL {
            for aspect_ratio in AspectRatio::ALL {
                let (w, h) = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio }.usual_size();
                assert!(w % 2 == 0 && h % 2 == 0, "{w}x{h}");
                assert_eq!(AspectRatio::nearest(w, h), aspect_ratio, "{w}x{h}");
                assert_eq!(Resolution::of_short_side(w.min(h)), Some(resolution), "{w}x{h}");
            }
        }
    }

    #[test]
    fn orientation_has_a_tolerance_for_squares() {
        assert_eq!(Orientation::of(1000, 960), Orientation::Square);
        assert_eq!(Orientation::of(1000, 900), Orientation::Landscape);
        assert_eq!(Orientation::of(720, 1280), Orientation::Portrait);
        assert_eq!(Orientation::of(u32::MAX, 1), Orientation::Landscape);
    }

    #[test]
    fn prompts_are_trimmed_and_bounded() {
        let shape = Shape {
            resolution: Resolution::P480,
            seconds: Seconds::DEFAULT,
            aspect_ratio: AspectRatio::R16x9,
        };
        assert_eq!(VideoSpec::new("m", " \n\t", shape), Err(SpecError::PromptMissing));
        assert_eq!(&*VideoSpec::new("m", " fox ", shape).unwrap().prompt, "fox");
        let longest = "狐".repeat(VideoSpec::PROMPT_MAX);
        assert!(VideoSpec::new("m", &longest, shape).is_ok());
        assert_eq!(VideoSpec::new("m", &(longest + "狐"), shape), Err(SpecError::PromptTooLong));
    }

    #[test]
    fn messages_stay_short() {
        let error = "x".repeat(10_000).parse::<Resolution>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}

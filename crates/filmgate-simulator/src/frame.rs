//! Resolutions, aspect ratios, and how many pixels each of them is.

use serde::{Deserialize, Serialize};

/// A resolution by its name in the xAI dialect. Ordered from small to large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resolution {
    /// `480p`, which the provider really makes 416 pixels high.
    #[serde(rename = "480p")]
    P480,
    /// `720p`.
    #[serde(rename = "720p")]
    P720,
    /// `1080p`.
    #[serde(rename = "1080p")]
    P1080,
}

impl Resolution {
    /// Every resolution, from small to large.
    pub const ALL: [Self; 3] = [Self::P480, Self::P720, Self::P1080];

    /// The name on the wire: `480p`, `720p`, `1080p`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P480 => "480p",
            Self::P720 => "720p",
            Self::P1080 => "1080p",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.name() == name)
    }

    /// The class of a picture of this size, by its short side. 720p may lack a tenth.
    pub(crate) fn of_size(width: u32, height: u32) -> Self {
        match width.min(height) {
            0..648 => Self::P480,
            // With 1024, a size of OpenAI's that is between two classes.
            648..1080 => Self::P720,
            _ => Self::P1080,
        }
    }
}

/// An aspect ratio of the xAI dialect, width first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aspect {
    pub(crate) name: &'static str,
    width: u32,
    height: u32,
}

impl Aspect {
    pub(crate) const WIDE: Self = Self { name: "16:9", width: 16, height: 9 };

    pub(crate) const ALL: [Self; 7] = [
        Self { name: "1:1", width: 1, height: 1 },
        Self::WIDE,
        Self { name: "9:16", width: 9, height: 16 },
        Self { name: "4:3", width: 4, height: 3 },
        Self { name: "3:4", width: 3, height: 4 },
        Self { name: "3:2", width: 3, height: 2 },
        Self { name: "2:3", width: 2, height: 3 },
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.name == name)
    }

    /// The offered ratio that is nearest to a picture of this size.
    pub(crate) fn nearest(width: u32, height: u32) -> Self {
        // Logarithms, so that twice as wide and twice as high are equally far away.
        let log = |w: u32, h: u32| (f64::from(w.max(1)) / f64::from(h.max(1))).ln();
        let wanted = log(width, height);
        let away = |aspect: &Self| (log(aspect.width, aspect.height) - wanted).abs();
        Self::ALL.into_iter().min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(Self::WIDE)
    }
}

/// Width and height in pixels, both even.
///
/// 752x416 for 480p at 16:9 is what users of the real provider measured (founding document); the
/// other 480p sizes follow it: 416 on the short side, the long side rounded up to whole macroblocks.
pub(crate) fn frame_size(resolution: Resolution, aspect: Aspect) -> (u32, u32) {
    let (short, factor) = match resolution {
        Resolution::P480 => (416, 16),
        Resolution::P720 => (720, 2),
        Resolution::P1080 => (1080, 2),
    };
    let (long_part, short_part) = (aspect.width.max(aspect.height), aspect.width.min(aspect.height));
    let long = (short * long_part).div_ceil(short_part).next_multiple_of(factor);
    if aspect.width >= aspect.height { (long, short) } else { (short, long) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_users_measured() {
        let size = |resolution, name| frame_size(resolution, Aspect::parse(name).expect("a ratio"));
        assert_eq!(size(Resolution::P480, "16:9"), (752, 416));
        assert_eq!(size(Resolution::P480, "9:16"), (416, 752));
        assert_eq!(size(Resolution::P480, "1:1"), (416, 416));
        assert_eq!(size(Resolution::P480, "3:2"), (624, 416));
        assert_eq!(size(Resolution::P720, "16:9"), (1280, 720));
        assert_eq!(size(Resolution::P720, "9:16"), (720, 1280));
        assert_eq!(size(Resolution::P720, "3:4"), (720, 960));
        assert_eq!(size(Resolution::P1080, "16:9"), (1920, 1080));
    }

    #[test]
    fn every_size_is_even() {
        for resolution in Resolution::ALL {
            for aspect in Aspect::ALL {
                let (width, height) = frame_size(resolution, aspect);
                assert_eq!((width % 2, height % 2), (0, 0), "{resolution:?} {}", aspect.name);
            }
        }
    }

    #[test]
    fn sizes_belong_to_classes() {
        use Resolution::{P480, P720, P1080};
        for (width, height, class) in [
            (752, 416, P480),
            (480, 848, P480),
            (1280, 720, P720),
            (1024, 1792, P720),
            (1080, 1920, P1080),
            (3840, 2160, P1080),
        ] {
            assert_eq!(Resolution::of_size(width, height), class, "{width}x{height}");
        }
    }

    #[test]
    fn an_image_chooses_the_nearest_ratio() {
        assert_eq!(Aspect::nearest(1920, 1080).name, "16:9");
        assert_eq!(Aspect::nearest(1080, 1920).name, "9:16");
        assert_eq!(Aspect::nearest(500, 510).name, "1:1");
        assert_eq!(Aspect::nearest(640, 480).name, "4:3");
    }
}

//! The models on offer, what they can do, and what they cost.

use crate::frame::Resolution;

/// One US dollar in the unit of `usage.cost_in_usd_ticks`.
const TICKS_PER_USD: i64 = 10_000_000_000;
const TICKS_PER_MILLI_USD: i64 = TICKS_PER_USD / 1000;

/// A video model: xAI's, which both dialects take, and those of OpenAI, which only that dialect takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Base,
    V15,
    V15Lite,
    Sora2,
    Sora2Pro,
}

impl Model {
    pub(crate) const ALL: [Self; 5] = [Self::Sora2, Self::Sora2Pro, Self::Base, Self::V15, Self::V15Lite];
    pub(crate) const XAI: [Self; 3] = [Self::Base, Self::V15, Self::V15Lite];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Base => "grok-imagine-video",
            Self::V15 => "grok-imagine-video-1.5",
            Self::V15Lite => "grok-imagine-video-1.5-lite",
            Self::Sora2 => "sora-2",
            Self::Sora2Pro => "sora-2-pro",
        }
    }

    /// Whether xAI's own dialect offers it.
    pub(crate) fn is_xai(self) -> bool {
        Self::XAI.contains(&self)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    pub(crate) const fn max_resolution(self) -> Resolution {
        match self {
            Self::Base | Self::Sora2 => Resolution::P720,
            Self::V15 | Self::V15Lite | Self::Sora2Pro => Resolution::P1080,
        }
    }

    /// What a video costs in ticks: its seconds, and the images it started from.
    ///
    /// xAI's list prices as of November 2026, and OpenAI's last ones. Of lite only the 480p price is listed ("from $.02");
    /// its other two are in the same proportion as those of 1.5.
    pub(crate) fn cost_ticks(self, resolution: Resolution, seconds: u32, images: usize) -> i64 {
        let milli_usd_per_second = match (self, resolution) {
            (Self::Base, Resolution::P480) => 50,
            (Self::Base, _) => 70,
            (Self::V15, Resolution::P480) => 80,
            (Self::V15, Resolution::P720) => 140,
            (Self::V15, Resolution::P1080) => 250,
            (Self::V15Lite, Resolution::P480) => 20,
            (Self::V15Lite, Resolution::P720) => 35,
            (Self::V15Lite, Resolution::P1080) => 62,
            (Self::Sora2, _) => 100,
            (Self::Sora2Pro, Resolution::P480 | Resolution::P720) => 300,
            (Self::Sora2Pro, Resolution::P1080) => 700,
        };
        let milli_usd_per_image = match self {
            Self::Base => 2,
            Self::V15 | Self::V15Lite => 10,
            Self::Sora2 | Self::Sora2Pro => 0,
        };
        let images = i64::try_from(images).unwrap_or(i64::MAX / TICKS_PER_USD);
        (milli_usd_per_second * i64::from(seconds) + milli_usd_per_image * images) * TICKS_PER_MILLI_USD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_prices() {
        assert_eq!(Model::Base.cost_ticks(Resolution::P480, 6, 0), 3_000_000_000);
        assert_eq!(Model::Base.cost_ticks(Resolution::P720, 10, 0), 7_000_000_000);
        assert_eq!(Model::V15.cost_ticks(Resolution::P1080, 15, 1), 37_600_000_000);
        assert_eq!(Model::Sora2.cost_ticks(Resolution::P720, 4, 1), 4_000_000_000);
    }

    #[test]
    fn names_parse_back() {
        for model in Model::ALL {
            assert_eq!(Model::parse(model.name()), Some(model));
        }
        assert_eq!(Model::parse("grok-2"), None);
        assert!(Model::V15.is_xai() && !Model::Sora2.is_xai());
    }
}
